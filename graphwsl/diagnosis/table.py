"""Tables of metrics: a row a network, columns by name, from CSV, JSON, pandas or plain arrays.

A table is anything with named columns; what is in a column is looked at when it is asked for, so
that columns that nobody needs may hold what they like.
"""

import csv
import io
import math
import os
import shlex
import zlib
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from gnncore.names import unknown
from gnncore.storage import StorageError, read_bytes
from gnncore.storage.json_files import parse_json
from graphwsl.arguments import described
from graphwsl.diagnosis.landscape_table import columns_of_landscape, is_landscape
from graphwsl.errors import DiagnosisError

Table = Mapping[str, Any]
"""Columns by name, of equal lengths. What pandas and others call a DataFrame counts as one."""

MAX_BYTES = 2**26
"""Limit on a table, also once it is decompressed [bytes]."""

_NO_NUMBERS = (bool, np.bool_, complex, np.complexfloating, np.datetime64, np.timedelta64)
"""What float() takes, or a part of it."""

_GZIP = b"\x1f\x8b"


def read_table(source: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """A table from a file.

    CSV has the names in its first row; JSON is a list of objects, one object of lists, one object
    that describes one network, or a landscape, see
    :func:`graphwsl.diagnosis.landscape_table.columns_of_landscape`. Either may be compressed by
    gzip.

    Args:
        source: The file, ``.csv``, ``.json``, ``.csv.gz`` or ``.json.gz``; at most 64 MiB.

    Raises:
        DiagnosisError: The file is missing, not readable, damaged or no table; its name ends in
            something else; or it is a landscape that lacks errors.
    """
    path = Path(source)
    if path.is_dir():
        raise DiagnosisError(
            f"{str(path)!r} is a folder; of a zoo, measure the landscape first: graphwsl landscape "
            f"{shlex.quote(str(path))} --out landscape.json, and give that file"
        )
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind not in ("csv", "json"):
        raise DiagnosisError(
            f"a table of metrics must end in .csv or .json, or so before .gz, got {str(path)!r}"
        )
    try:
        data = read_bytes(path, max_bytes=MAX_BYTES)
    except StorageError as error:
        raise DiagnosisError(str(error)) from error
    if data[:2] == _GZIP:
        data = _decompressed(data, path)
    return _from_json(data, path) if kind == "json" else _from_csv(data, path)


def as_table(source: Any) -> Any:
    """A table as it is, or read from a file.

    Args:
        source: A table or the path of one.

    Raises:
        DiagnosisError: It is neither, the file cannot be read, or a column has no rows of its own.
    """
    if isinstance(source, str | os.PathLike):
        return read_table(source)
    if not is_table(source):
        raise DiagnosisError(
            f"metrics must be a table with named columns or the path of one, got "
            f"{described(source)}; give a DataFrame, a dictionary of columns, or a CSV file"
        )
    keys = list(source if isinstance(source, Mapping) else source.columns)
    if not all(isinstance(key, str) for key in keys):
        if len(set(map(str, keys))) < len(keys):
            raise DiagnosisError(f"columns of a table must have names of their own, got {keys}")
        source = {str(key): source[key] for key in keys}
    lengths = {name: _length(name, source[name]) for name in names_of(source)}
    if len(set(lengths.values())) > 1:
        raise DiagnosisError(f"columns of a table must have one length, got {lengths}")
    return source


def is_table(value: Any) -> bool:
    """Whether a value has columns with names: a mapping, or a DataFrame of any library."""
    return isinstance(value, Mapping) or (
        hasattr(value, "columns") and hasattr(value, "__getitem__")
    )


def names_of(table: Any) -> list[str]:
    """The names of the columns, in order."""
    return [str(name) for name in (table if isinstance(table, Mapping) else table.columns)]


def rows_of(table: Any) -> int:
    """The number of rows."""
    names = names_of(table)
    return len(table[names[0]]) if names else 0


def column(table: Any, name: str) -> np.ndarray:
    """A column as it is.

    Raises:
        DiagnosisError: There is no such column, and the message names the nearest; or it is masked.
    """
    names = names_of(table)
    if name not in names:
        raise DiagnosisError(unknown("column", name, names, "the table has"))
    values = _as_array(table[name])
    if isinstance(values, np.ma.MaskedArray):
        raise DiagnosisError(
            f"column {name!r} must hold all its values, got {described(values)}; fill it "
            "or leave rows out"
        )
    return values


def numbers(table: Any, name: str) -> Float[np.ndarray, " rows"]:
    """A column of finite numbers.

    Raises:
        DiagnosisError: There is no such column, or one of its values is no finite number; the
            message names the row.
    """
    values = column(table, name)
    if values.ndim != 1:
        raise DiagnosisError(f"column {name!r} must hold a number a row, got shape {values.shape}")
    kind = values.dtype.kind
    if kind not in "iufOSUT":
        raise DiagnosisError(f"column {name!r} must hold numbers, got {values.dtype}")
    each = values.tolist() if kind in "OSUT" else values
    found = (
        values.astype(np.float64)
        if kind in "iuf"
        else np.array([_number(value) for value in each], dtype=np.float64)
    )
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        value = each[bad[0]]
        raise DiagnosisError(
            f"column {name!r} must hold finite numbers, row {bad[0] + 1} has "
            f"{described(value.item() if kind == 'f' else value)}; "
            "give the number or leave the column out"
        )
    return found


def matrix(table: Any, names: Sequence[str]) -> Float[np.ndarray, "rows columns"]:
    """Several columns of finite numbers side by side.

    Raises:
        DiagnosisError: As :func:`numbers`, or there are no rows.
    """
    if not rows_of(table):
        raise DiagnosisError("a table of metrics must have rows, got none")
    return np.stack([numbers(table, name) for name in names], axis=1)


def select(table: Any, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Some rows of a table.

    Args:
        table: The table.
        rows: Their numbers, or a truth value a row.
    """
    return {name: _as_array(table[name])[rows] for name in names_of(table)}


def _length(name: str, values: Any) -> int:
    is_one = isinstance(values, str | bytes | Mapping | Set) or getattr(values, "shape", None) == ()
    if is_one or not hasattr(values, "__len__"):
        raise DiagnosisError(
            f"column {name!r} must hold a value a row, got {described(values)}; give a list"
        )
    return len(values)


def _as_array(values: Any) -> np.ndarray:
    """An array, which is still masked if it was."""
    return values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)


def _number(value: Any) -> float:
    try:
        if isinstance(value, _NO_NUMBERS):
            return math.nan
        if isinstance(value, str | bytes):
            value = value.decode() if isinstance(value, bytes) else value
            return float(value) if value.isascii() and "_" not in value else math.nan
        return float(value)
    except (OverflowError, TypeError, ValueError):
        return math.nan


def _unreadable(path: Path, reason: str) -> DiagnosisError:
    return DiagnosisError(f"cannot read {str(path)!r}: {reason}")


def _decompressed(data: bytes, path: Path) -> bytes:
    decompressor = zlib.decompressobj(wbits=31)
    try:
        text = decompressor.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise _unreadable(path, f"it is damaged: {error}") from error
    if len(text) > MAX_BYTES:
        raise _unreadable(path, f"it holds more than {MAX_BYTES} bytes")
    if not decompressor.eof or decompressor.unused_data:
        raise _unreadable(path, "it is damaged: its end is missing or late")
    return text


def _from_csv(data: bytes, path: Path) -> dict[str, np.ndarray]:
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, f"it is not valid CSV: {error}") from error
    if 0 in data:
        raise _unreadable(path, f"it is not valid CSV: byte {data.index(0)} is 0")
    rows = [row for row in rows if row]
    if len(rows) < 2:
        raise _unreadable(path, "it has no row below the names of its columns")
    names = [name.strip() for name in rows[0]]
    _check_names(names, path)
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(names):
            reason = f"row {number} has {len(row)} values, the columns are {len(names)}"
            raise _unreadable(path, reason)
    columns = zip(*rows[1:], strict=True)
    return {name: np.array(values) for name, values in zip(names, columns, strict=True)}


def _from_json(data: bytes, path: Path) -> dict[str, np.ndarray]:
    try:
        value = parse_json(data, path)
    except StorageError as error:
        raise DiagnosisError(str(error)) from error
    if is_landscape(value):
        value = columns_of_landscape(value)
    if isinstance(value, dict) and value and all(isinstance(one, list) for one in value.values()):
        if len({len(one) for one in value.values()}) > 1:
            raise _unreadable(path, "its lists have different lengths")
        columns = value
    else:
        records = [value] if isinstance(value, dict) else value
        if not (isinstance(records, list) and records):
            raise _unreadable(path, "it is no list of objects, a network each")
        if not all(isinstance(one, dict) and one.keys() == records[0].keys() for one in records):
            raise _unreadable(path, "its objects have different keys")
        columns = {name: [one[name] for one in records] for name in records[0]}
    _check_names(list(columns), path)
    for name, values in columns.items():
        if any(isinstance(one, list | dict) for one in values):
            reason = f"{name!r} holds a list or object in place of a value"
            raise _unreadable(path, reason)
    return {name: np.array(values, dtype=_dtype(values)) for name, values in columns.items()}


def _dtype(values: list[Any]) -> type | None:
    kinds = {type(one) for one in values}
    return None if kinds <= {int, float} or kinds == {str} else object


def _check_names(names: list[str], path: Path) -> None:
    # pandas writes its row numbers as a first column without a name
    given = names[1:] if names and not names[0] else names
    if not given or not all(given) or len(set(names)) < len(names):
        raise _unreadable(path, "its columns have no names, or two have the same name")
