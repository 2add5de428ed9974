"""JSON files: canonical when written, bounded when read."""

import json
import math
import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from gnncore.storage.atomic import write_text
from gnncore.storage.errors import CorruptFileError
from gnncore.storage.reading import read_bytes

_SURROGATE = re.compile(rb"\\u[dD][89abcdefABCDEF]")


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Create or replace a JSON file: keys sorted, indented by 2, one line end at the end.

    NumPy scalars and arrays are written as numbers and lists.

    Raises:
        StorageError: As :func:`write_with`.
        TypeError: The value holds something that JSON does not know.
        ValueError: The value holds NaN, an infinity or itself.
    """
    write_text(path, to_json(value))


def read_json(path: str | os.PathLike[str], *, max_bytes: int = 2**26) -> Any:
    """The value in a JSON file of at most ``max_bytes`` (64 MiB).

    Raises:
        CorruptFileError: Not UTF-8, not JSON, nested too deeply, a repeated key, NaN or an
            infinity, half a character (a lone surrogate), or too large.
        StorageError: The file is missing or not readable.
    """
    return parse_json(read_bytes(path, max_bytes=max_bytes), path)


def read_json_lines(path: str | os.PathLike[str], *, max_bytes: int = 2**28) -> Iterator[Any]:
    """The values in a file of at most ``max_bytes`` (256 MiB) that has one in every line.

    Raises:
        CorruptFileError: As :func:`read_json`; the line is named.
        StorageError: The file is missing or not readable.
    """
    for number, line in enumerate(read_bytes(path, max_bytes=max_bytes).splitlines(), 1):
        yield parse_json(line, path, f"line {number}")


def to_json(value: object) -> str:
    """The text that :func:`write_json` writes."""
    text = json.dumps(
        value, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False, default=_plain
    )
    return text + "\n"


def parse_json(data: bytes | str, path: str | os.PathLike[str], what: str = "it") -> Any:
    """The value that ``data``, read from ``path``, encodes.

    Args:
        data: The JSON.
        path: The file that it comes from, for the message.
        what: What of the file it is, for the message.

    Raises:
        CorruptFileError: As :func:`read_json`.
    """
    try:
        value = json.loads(
            data if isinstance(data, str) else data.decode(),
            parse_float=_finite,
            parse_constant=_refuse,
            object_pairs_hook=_without_repetition,
        )
        if _SURROGATE.search(data if isinstance(data, bytes) else data.encode()):
            json.dumps(value, ensure_ascii=False).encode()  # half a character can be in no file
        return value
    except RecursionError as error:
        raise CorruptFileError.because("read", path, f"{what} is nested too deeply") from error
    except MemoryError as error:
        raise CorruptFileError.because(
            "read", path, f"{what} needs more memory than there is"
        ) from error
    except ValueError as error:
        reason = f"{what} is not valid JSON: {error}"
        raise CorruptFileError.because("read", path, reason) from error


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"JSON has no {type(value).__name__}, got {value!r}")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(text: str) -> float:
    raise ValueError(f"{text[:40]} is not a finite number")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a key is repeated")
    return mapping
