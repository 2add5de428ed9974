"""Reading plain files with a limit on what may come in."""

import hashlib
import os
import stat

from gnncore.storage.errors import CorruptFileError, StorageError


def read_bytes(
    path: str | os.PathLike[str], *, max_bytes: int = 2**30, only_first: int | None = None
) -> bytes:
    """The contents of a regular file of at most ``max_bytes`` (1 GiB).

    Args:
        path: The file.
        max_bytes: Limit on the file [bytes].
        only_first: Read so many bytes from the start of the file, which may then be of any size.

    Raises:
        CorruptFileError: The file is larger, or no regular file (a folder, pipe, device).
        StorageError: The file is missing or not readable.
    """
    size_of(path, max_bytes=max_bytes if only_first is None else None)
    try:
        with open(path, "rb") as file:
            data = file.read(max_bytes + 1 if only_first is None else only_first)
    except OSError as error:
        raise StorageError.because("read", path, error) from error
    if only_first is None and len(data) > max_bytes:  # it grew since
        raise _too_large(path, len(data), max_bytes)
    return data


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a regular file's contents, in lower-case hexadecimal.

    Raises:
        StorageError: The file is missing, not readable, or no regular file.
    """
    size_of(path)
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError.because("read", path, error) from error


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
    # Opening a pipe would wait for a writer, and a device may never end.
    if not stat.S_ISREG(status.st_mode):
        raise CorruptFileError.because("read", path, "it is not a regular file")
    if max_bytes is not None and status.st_size > max_bytes:
        raise _too_large(path, status.st_size, max_bytes)
    return status.st_size


def _too_large(path: str | os.PathLike[str], size: int, max_bytes: int) -> StorageError:
    return CorruptFileError.because(
        "read", path, f"it holds {size} bytes, at most {max_bytes} are allowed (max_bytes)"
    )
