"""What folders that long work fills have in common: one writer, known files, checked reading."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gnncore.storage import (
    CorruptFileError,
    Manifest,
    StorageError,
    exclusive_lock,
    is_leftover,
    make_folder,
    sha256,
)
from graphwsl.errors import GraphwslError


@contextmanager
def only_writer(folder: Path, error: type[GraphwslError]) -> Iterator[None]:
    """Make the folder, and keep all others from writing there.

    What was found in the folder before may have changed meanwhile: look again inside.

    Args:
        folder: The folder.
        error: Raised if another process is at work there.

    Raises:
        GraphwslError: Of the given class.
        StorageError: The disk is full, the place read-only, and the like.
    """
    make_folder(folder)
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(folder))
        except StorageError as failure:
            if isinstance(failure.__cause__, BlockingIOError):
                raise error(str(failure)) from failure
            raise
        yield


def require_unchanged(manifest: Manifest, name: str) -> None:
    """Nothing, if a file is the one that the manifest of its folder lists.

    Args:
        manifest: Of the folder.
        name: The file, relative to the folder.

    Raises:
        CorruptFileError: It is another one, or not listed.
        StorageError: It is missing or not readable.
    """
    path, entry = manifest.folder / name, manifest.entries.get(name)
    if entry is None:
        raise CorruptFileError.because("use", path, "the manifest does not list it")
    if sha256(path) != entry.sha256:
        raise CorruptFileError.because("use", path, "its SHA-256 is not that of the manifest")


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
