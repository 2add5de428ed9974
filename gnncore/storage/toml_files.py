"""TOML files, which people write: bounded when read, and every fault of theirs in one line."""

import os
import tomllib
from typing import Any

from gnncore.storage.errors import CorruptFileError
from gnncore.storage.reading import read_bytes


def read_toml(path: str | os.PathLike[str], *, max_bytes: int = 2**20) -> dict[str, Any]:
    """The table in a TOML file of at most ``max_bytes`` (1 MiB).

    Raises:
        CorruptFileError: Not UTF-8, no TOML, nested too deeply, a number of too many digits, or
            too large.
        StorageError: The file is missing or not readable.
    """
    data = read_bytes(path, max_bytes=max_bytes)
    try:
        return tomllib.loads(data.decode())
    except RecursionError as error:
        raise CorruptFileError.because("read", path, "its TOML is nested too deeply") from error
    # tomllib lets pass what Python says of a number, a date or a byte that it cannot take.
    except (ValueError, OverflowError) as error:
        raise CorruptFileError.because("read", path, f"it is no valid TOML: {error}") from error
