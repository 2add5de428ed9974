"""One writer a folder, enforced by the operating system."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gnncore.storage.errors import CorruptFileError, FolderInUseError, StorageError

LOCK_NAME = ".lock"

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def exclusive_lock(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other processes, and other holders in this one, from writing into a folder.

    The kernel holds the lock on ``folder/.lock`` and releases it when the process ends, however
    it ends; the empty file stays, unless the holder removes it. Processes forked inside the block
    share the lock. What was read before the lock was held may have changed since, so look again
    inside the block.

    Raises:
        FolderInUseError: Another holder is at work.
        CorruptFileError: The lock is a symbolic link, which could lead anywhere.
        StorageError: The folder is missing or read-only.
    """
    path = Path(folder, LOCK_NAME)
    try:
        descriptor = os.open(path, _FLAGS, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise CorruptFileError.because(
                "lock", folder, f"its {LOCK_NAME} is a symbolic link; remove it"
            ) from error
        raise StorageError.because("lock", folder, error) from error
    try:
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            raise FolderInUseError.because(
                "lock", folder, "another run is writing there; wait for it or choose another folder"
            ) from error
        except OSError as error:
            raise StorageError.because("lock", folder, error) from error
        if os.fstat(descriptor).st_nlink == 0:  # its holder removed it, folder and all, meanwhile
            raise FolderInUseError.because(
                "lock", folder, "another run has just removed it; run the command again"
            )
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
