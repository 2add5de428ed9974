"""Tables as text: rows of fields, separated in any of the usual ways, with or without names."""

import csv
import re
from pathlib import Path
from typing import NoReturn

from gnncore.storage import read_bytes
from gridstab.errors import CaseError
from gridstab.grids.grid_checks import NUMBER

WHOLE = re.compile(r"\d{1,18}", re.ASCII)
"""A whole number from 0, as files write it."""

Rows = list[tuple[int, list[str]]]
"""Number in the file and fields of every row that is neither empty nor a comment."""

_BETWEEN = re.compile(r"\s*[,;]\s*|\s+")


def read_table(path: Path, max_bytes: int) -> tuple[list[str] | None, Rows]:
    """The names of the columns in lower case, None without, and the rows below them.

    Raises:
        CaseError: The file is no text in UTF-8, or a row of a table with names is none.
        StorageError: The file cannot be read.
    """
    try:
        text = read_bytes(path, max_bytes=max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaseError(
            f"{str(path)!r} is not a text file in UTF-8 ({error.reason} at byte {error.start})"
        ) from error
    lines = re.split(r"\r\n|\n|\r", text)
    rows = [(number, line) for number, line in enumerate(lines, 1) if _without_comment(line)]
    if not rows:
        return None, []
    first = _without_comment(rows[0][1])
    if all(NUMBER.fullmatch(field) for field in _BETWEEN.split(first)):
        plain = [(number, _without_comment(line)) for number, line in rows]
        return None, [(number, _BETWEEN.split(line)) for number, line in plain]
    separator = next((mark for mark in ",;\t" if mark in first), " ")
    table = [(number, _fields(path, number, line, separator)) for number, line in rows]
    return [name.lower() for name in table[0][1]], table[1:]


def _without_comment(line: str) -> str:
    return line.split("#")[0].strip()


def _fields(path: Path, number: int, line: str, separator: str) -> list[str]:
    """The fields of one row of a table with names, which may be quoted."""
    if separator == " ":
        line = line.replace("\t", " ").strip()
    try:
        rows = list(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True))
    except csv.Error as error:
        refuse_row(path, number, f"is no row of a table: {error}")
    fields = [field.strip() for field in rows[0]]
    if any("#" in field for field in fields) and '"' not in line:
        refuse_row(
            path, number, "has a # within; put comments in rows of their own, names in quotes"
        )
    return fields


def index_column(names: list[str]) -> int | None:
    """The index of the unnamed first column that pandas writes, if it is there."""
    return 0 if names[0] in ("", "unnamed: 0") else None


def refuse_row(path: Path, number: int, reason: str) -> NoReturn:
    """Refuse a row of a file.

    Raises:
        CaseError: Always.
    """
    # A link in a folder of someone else may lead to anything; nothing of it is shown.
    if path.is_symlink():
        reason = "is not as it should be; what it holds is not shown, as the file is a link"
    raise CaseError(f"row {number} of {str(path)!r} {reason}")
