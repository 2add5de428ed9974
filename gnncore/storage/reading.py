"""Reading plain files with a limit on what may come in."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader

from gnncore.storage.errors import CorruptFileError, StorageError


def read_bytes(
    path: str | os.PathLike[str], *, max_bytes: int = 2**30, only_first: int | None = None
) -> bytes:
    """The contents of a regular file of at most ``max_bytes`` (1 GiB).

    Memory is taken for what the file holds, not for what it might.

    Args:
        path: The file.
        max_bytes: Limit on the file [bytes].
        only_first: Read so many bytes from the start of the file, which may then be of any size.

    Raises:
        CorruptFileError: The file is larger, or no regular file (a folder, pipe, device).
        StorageError: The file is missing or not readable.
    """
    with open_file(path, max_bytes=max_bytes if only_first is None else None) as (file, size):
        if only_first is not None:
            return file.read(min(only_first, size))
        data = file.read(size + 1)
        if len(data) > size:
            raise CorruptFileError.because("read", path, "it grows while it is read")
        return data


@contextmanager
def open_file(
    path: str | os.PathLike[str], *, max_bytes: int | None = None
) -> Iterator[tuple[BufferedReader, int]]:
    """A regular file, open for reading, and its size [bytes].

    Raises:
        CorruptFileError: The file is larger than ``max_bytes``, no regular file, or needs more
            memory than there is.
        StorageError: The file is missing or not readable.
    """
    size_of(path, max_bytes=max_bytes)
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())  # another file may have taken its place
            yield file, _checked_size(path, status, max_bytes)
    except OSError as error:
        raise StorageError.because("read", path, error) from error
    except MemoryError as error:
        raise CorruptFileError.because(
            "read", path, "it needs more memory than there is"
        ) from error


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a regular file's contents, in lower-case hexadecimal.

    Raises:
        StorageError: The file is missing, not readable, or no regular file.
    """
    with open_file(path) as (file, _):
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(path: str | os.PathLike[str], *, max_bytes: int | None = None) -> int:
    """Size of a regular file [bytes].

    Raises:
        CorruptFileError: The file is larger than ``max_bytes``, or no regular file.
        StorageError: The file is missing or not reachable.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise StorageError.because("read", path, error) from error
    return _checked_size(path, status, max_bytes)


def _checked_size(
    path: str | os.PathLike[str], status: os.stat_result, max_bytes: int | None
) -> int:
    # Opening a pipe would wait for a writer, and a device may never end.
    if not stat.S_ISREG(status.st_mode):
        raise CorruptFileError.because("read", path, "it is not a regular file")
    if max_bytes is not None and status.st_size > max_bytes:
        raise CorruptFileError.because(
            "read",
            path,
            f"it holds {status.st_size} bytes, at most {max_bytes} are allowed (max_bytes)",
        )
    return status.st_size
