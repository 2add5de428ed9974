"""Plain values as TOML text; the standard library reads the format but does not write it."""

import json
import re
from typing import Any


def to_toml(values: dict[str, Any]) -> str:
    """Lines ``key = value``; keys whose value is None are left out.

    Raises:
        TypeError: A value that TOML does not know, such as None within a list or table.
    """
    return "".join(
        f"{_key(key)} = {_value(value, key)}\n"
        for key, value in values.items()
        if value is not None
    )


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _value(value: Any, where: str) -> str:
    if isinstance(value, dict):
        pairs = [f"{_key(key)} = {_value(v, f'{where}.{key}')}" for key, v in value.items()]
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v, where) for v in value) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise TypeError(f"TOML has no {type(value).__name__}, got {value!r} for {where}")


def _text(text: str) -> str:
    # TOML forbids the one control character that JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
