"""Whether something can be written where a user wants it, asked before the work and not after it.

Nothing is written to find out: the system is asked what it allows.
"""

import os
from pathlib import Path

from gnncore.storage.atomic import part_of, refuse_devices
from gnncore.storage.errors import StorageError
from gnncore.storage.links import leading_to


def require_writable_file(path: str | os.PathLike[str]) -> None:
    """Refuse a file that :func:`gnncore.storage.write_with` could not write.

    Args:
        path: The file as the user named it; links are followed.

    Raises:
        StorageError: It names no file, its folder is missing or not to be written to, a folder or
            a device is in its place, or its name is too long.
    """
    target = leading_to(path)
    if not target.name:
        raise StorageError.because("write", path, "it names no file")
    try:
        if not _is_there(target.parent):
            reason = f"there is no folder {str(target.parent)!r}; make it first"
            raise StorageError.because("write", path, reason)
        _require_open(target.parent, "write", path)
        refuse_devices(target)
        if target.is_dir():
            raise StorageError.because("write", path, "it is a folder; name a file in it")
        _is_there(part_of(target))  # whose name is longer
    except OSError as error:
        raise StorageError.because("write", path, error) from error


def require_writable_folder(path: str | os.PathLike[str]) -> None:
    """Refuse a folder that cannot be made, or in which nothing can be written.

    Args:
        path: The folder as the user named it; those above it need not be there either.

    Raises:
        StorageError: A file is in the way, a name is too long, or the nearest folder that is there
            is not to be written to.
    """
    folder = Path(path)
    try:
        while not _is_there(folder) and folder != folder.parent:
            folder = folder.parent
    except OSError as error:
        raise StorageError.because("create", path, error) from error
    _require_open(folder, "create", path)


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _require_open(folder: Path, doing: str, path: str | os.PathLike[str]) -> None:
    if not folder.is_dir():
        raise StorageError.because(doing, path, f"{str(folder)!r} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        reason = f"the folder {str(folder)!r} is not to be written to"
        raise StorageError.because(doing, path, reason)
