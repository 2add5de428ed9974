"""What folders that long work fills have in common: one writer, and known files alone."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from gnncore.storage import StorageError, exclusive_lock, is_leftover, make_folder


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Make the folder, and keep all others from writing there.

    What was found in the folder before may have changed meanwhile: look again inside.

    Raises:
        FolderInUseError: Another process is at work there.
        StorageError: The disk is full, the place read-only, and the like.
    """
    make_folder(folder)
    with exclusive_lock(folder):
        yield


def strangers(folder: Path, files: Collection[str], folders: Collection[str] = ()) -> list[str]:
    """What lies in a folder beside what belongs there and temporary files of killed writers.

    Args:
        folder: The folder.
        files: Names of regular files that belong there; links do not.
        folders: Names of folders that belong there.

    Raises:
        StorageError: The folder cannot be listed.
    """
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise StorageError.because("list", folder, error) from error

    def belongs(entry: Path) -> bool:
        if entry.is_symlink():
            return False
        if entry.is_dir():
            return entry.name in folders
        return entry.is_file() and (entry.name in files or is_leftover(entry.name))

    return sorted(entry.name for entry in entries if not belongs(entry))
