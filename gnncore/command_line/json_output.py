"""JSON for other programs: always valid, one object."""

import json
import math
from typing import Any

import typer


def echo_json(value: Any) -> None:
    """Print plain values as one JSON text; numbers that JSON does not know become ``null``.

    Args:
        value: Mappings, sequences, text, numbers, None.
    """
    typer.echo(to_json(value))


def to_json(value: Any) -> str:
    """The text that :func:`echo_json` prints."""
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
