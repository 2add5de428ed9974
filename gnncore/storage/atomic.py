"""One way to write a file: beside the target, down to the disk, then renamed over it.

A rename within a folder is atomic, so other processes see the old file or the new one and never a
part of either. Flushing the file before the rename and the folder after it extends this from
killed processes to power cuts.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from gnncore.storage.errors import StorageError

_LEFTOVER = re.compile(r"\..*\.[0-9a-f]{16}\.part(\.[^.]*)?", re.DOTALL)
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP)


def write_with(path: str | os.PathLike[str], write: Callable[[Path], None]) -> None:
    """Let a library write a file by itself, atomically.

    The temporary file keeps the target's suffix, because many libraries choose a format by it:

        write_with("snbs.svg", figure.savefig)

    A symbolic link at ``path`` is replaced, not followed; see :func:`leading_to` for one that the
    user named. Devices, pipes and sockets are never replaced. The folder must exist.

    Args:
        path: The file to create or replace.
        write: Writes the whole file at the path that it is given.

    Raises:
        StorageError: The disk is full, the folder is missing or read-only, no file stands at the
            path but a device, and the like; what was there is intact. Other errors of ``write``
            pass, with it equally intact.
    """
    target = Path(path)
    if not target.name:
        raise StorageError.because("write", path, "it names no file")
    refuse_devices(target)
    part = part_of(target)
    try:
        try:
            write(part)
            _sync_file(part)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(target.parent)
    except OSError as error:
        raise StorageError.because("write", path, error) from error


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        StorageError: The disk is full, the folder read-only, or a file is in the way.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError.because("create", path, error) from error


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Create or replace a file that holds ``data``.

    Raises:
        StorageError: As :func:`write_with`.
    """

    def write(part: Path) -> None:
        part.write_bytes(data)

    write_with(path, write)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Create or replace a UTF-8 file.

    Args:
        path: The file.
        text: What it holds from now on; line ends are written as they are.

    Raises:
        StorageError: As :func:`write_with`.
    """
    write_bytes(path, text.encode())


def is_leftover(name: str) -> bool:
    """Whether a file of this name is the temporary file of some writer here."""
    return _LEFTOVER.fullmatch(name) is not None


def remove_leftovers(folder: str | os.PathLike[str]) -> list[Path]:
    """Remove the temporary files of killed writers, in the folder and below, and list them.

    Hold :func:`exclusive_lock`, lest the file of a writer at work be removed.

    Raises:
        StorageError: The folder cannot be read, or a file cannot be removed.
    """
    removed: list[Path] = []
    try:
        for parent, _, names in os.walk(folder, onerror=_raise):
            leftovers = [Path(parent, name) for name in sorted(names) if is_leftover(name)]
            for leftover in leftovers:
                leftover.unlink(missing_ok=True)
            removed += leftovers
    except OSError as error:
        raise StorageError.because("remove leftovers in", folder, error) from error
    return sorted(removed)


def part_of(target: Path) -> Path:
    """A name for the temporary file beside a target."""
    return target.with_name(f".{target.stem}.{secrets.token_hex(8)}.part{target.suffix}")


def refuse_devices(target: Path) -> None:
    """Check that no device, pipe or socket stands where a file is to be.

    Raises:
        StorageError: One does.
    """
    # Whoever may would take a device away from all programs; what a shell has opened would miss
    # what replaces it.
    try:
        mode = target.lstat().st_mode
    except OSError:
        mode = stat.S_IFREG
    is_ours = stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)
    if not is_ours or target.parts[:2] == (os.sep, "proc"):
        raise StorageError.because(
            "write", target, "it is a device or a pipe, which no file replaces; name a file"
        )


def _raise(error: OSError) -> None:
    raise error


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders; its renames are journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems cannot, and need not
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
