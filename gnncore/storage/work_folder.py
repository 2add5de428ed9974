"""Folders that long work fills: one worker at a time, who goes on where the last one stopped.

A folder is *blank*, or holds *work*: a configuration, which says what is done there, then results,
one file each, and at last the manifest, whose presence says that all of it is *complete*. What
holds no configuration is *foreign* and never touched. Whoever wants to work in a folder looks at
it before doing anything, and again once it holds the lock, for another may have come in between::

    work = WorkFolder(path, KIND)
    work.look(difference, resume=resume)      # refuses in a line; writes nothing
    ...                                       # find out whether the work makes sense
    with work.claim(lambda: work.look(difference, resume=resume)):
        ...                                   # write the configuration, then results
        if work.is_complete and work.damage():
            work.reopen()                     # and make again what is lost

The layout of a folder is its owner's; here is what all of them do alike.
"""

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gnncore.storage.atomic import is_leftover, make_folder, remove_leftovers
from gnncore.storage.errors import StorageError
from gnncore.storage.json_files import read_json
from gnncore.storage.links import refuse_links
from gnncore.storage.lock import LOCK_NAME, exclusive_lock
from gnncore.storage.manifest import MANIFEST_NAME, Manifest, Problem

Config = TypeVar("Config")
Found = TypeVar("Found")


@dataclass(frozen=True)
class WorkKind:
    """What the folders of one kind of work have in common.

    Attributes:
        what: The work, in the singular, for messages: ``run``.
        title: Its folder: ``run folder``.
        configuration: The JSON file that says what is done in a folder.
        error_class: Raised for what the user can mend.
        beginnings: Folders that are made before the configuration is written; empty ones are what
            a worker left that was killed then.
        tag: What the configuration holds under ``kind``; None where it has no such key.
        made_by: The command that makes such folders.
        elsewhere: What to do where something else lies.
        go_on: What to do where this very work lies.
    """

    what: str
    title: str
    configuration: str
    error_class: type[Exception]
    beginnings: tuple[str, ...] = ()
    tag: str | None = None
    made_by: str = ""
    elsewhere: str = "choose another folder"
    go_on: str = "resume it or choose another folder"


@dataclass(frozen=True)
class WorkFolder:
    """A folder of one kind of work, be it there or not.

    Attributes:
        path: The folder.
        kind: Kind of its work.
    """

    path: Path
    kind: WorkKind

    @property
    def is_blank(self) -> bool:
        """Whether nothing is there but what a worker leaves that is killed before it begins.

        Raises:
            StorageError: The folder cannot be listed.
        """

        def is_beginning(entry: Path) -> bool:
            if entry.name in self.kind.beginnings and not entry.is_symlink():
                return entry.is_dir() and not any(entry.iterdir())
            return entry.name == LOCK_NAME or is_leftover(entry.name)

        if not self.path.exists():
            return True
        try:
            return self.path.is_dir() and all(map(is_beginning, self.path.iterdir()))
        except OSError as error:
            raise StorageError.because("list", self.path, error) from error

    @property
    def is_complete(self) -> bool:
        """Whether the work came to its end, and the manifest was written."""
        return (self.path / MANIFEST_NAME).is_file()

    def configuration(self, parse: Callable[[Any], Config], *unlinked: str) -> Config:
        """What is done in the folder.

        Args:
            parse: Makes the configuration of what the file holds, or raises ``error_class``.
            *unlinked: What else must be no symbolic link, relative to the folder.

        Raises:
            Exception: One of class ``error_class``: there is no folder, or it is none of this kind.
        """
        kind, name, here = self.kind, self.kind.configuration, repr(str(self.path))
        if not self.path.is_dir():
            raise kind.error_class(f"{here} is no folder; give the folder of a {kind.what}")
        try:
            refuse_links(self.path, name, *unlinked)
            if not (self.path / name).is_file():
                raise kind.error_class(f"{here} is no {kind.title}: it has no {name}")
            values = read_json(self.path / name)
        except StorageError as error:
            raise kind.error_class(f"{here} is no {kind.title}: {error}") from error
        tag = values.get("kind") if isinstance(values, dict) else None
        if tag != kind.tag:
            other = f" but one of kind {tag!r}" if isinstance(tag, str) else ""
            made_by = f"; {kind.made_by} makes one" if kind.made_by else ""
            raise kind.error_class(f"{here} is no {kind.title}{other}{made_by}")
        try:
            return parse(values)
        except kind.error_class as error:
            raise kind.error_class(
                f"{here} is no {kind.title} of this version: in {name}, {error}"
            ) from error

    def look(self, difference: Callable[[], str | None], *, resume: bool) -> bool:
        """Whether some of the work is there already; writes nothing.

        Args:
            difference: Reads what is there, and says how it differs from what is wanted, if it
                does, as :func:`first_difference`. Not called for a blank folder.
            resume: Whether to go on with work that is there.

        Returns:
            False where the folder is blank.

        Raises:
            Exception: One of class ``error_class``: something foreign is there, other work, or this
                work, which is not to be resumed.
        """
        if self.is_blank:
            return False
        kind, here = self.kind, repr(str(self.path))
        differs = difference()
        if differs is not None:
            raise kind.error_class(f"{here} holds another {kind.what}: {differs}; {kind.elsewhere}")
        if not resume:
            state = "complete" if self.is_complete else "unfinished"
            raise kind.error_class(f"{here} holds this {kind.what} already ({state}); {kind.go_on}")
        return True

    @contextmanager
    def claim(self, look: Callable[[], Found]) -> Iterator[Found]:
        """Make the folder, keep all others out, and look again; temporary files are removed.

        Args:
            look: What was done before, as :meth:`look`; what it gives is handed on.

        Raises:
            FolderInUseError: Another process is at work there.
            StorageError: The disk is full, the folder read-only, and the like.
            Exception: That of ``look``: what was there before is another's by now.
        """
        with only_writer(self.path):
            found = look()
            remove_leftovers(self.path)
            yield found

    def damage(self) -> list[Problem]:
        """All in which the folder differs from its manifest, be that damaged itself.

        Nothing, where there is no manifest yet.

        Raises:
            StorageError: The folder cannot be listed.
        """
        if not self.is_complete:
            return []
        try:
            manifest = Manifest.read(self.path)
        except StorageError as error:
            return [Problem(MANIFEST_NAME, "changed", str(error))]
        return manifest.verify()

    def reopen(self) -> None:
        """Make complete work unfinished.

        Raises:
            StorageError: The folder is read-only.
        """
        try:
            (self.path / MANIFEST_NAME).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError.because("reopen", self.path, error) from error

    def withdraw(self, folder: str) -> None:
        """Make the folder blank again, for work that was refused after it was claimed.

        Does nothing if there is more than the configuration.

        Args:
            folder: Made by the work, for its state; nothing may be in it but its lock.

        Raises:
            StorageError: The folder is read-only.
        """
        inner = self.path / folder
        made = [*self.path.iterdir(), *(inner.iterdir() if inner.is_dir() else ())]
        if {entry.name for entry in made} - {self.kind.configuration, LOCK_NAME, folder}:
            return
        self.remove(folder)
        try:
            (self.path / self.kind.configuration).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError.because("remove", self.path, error) from error

    def require_no_unexpected_entries(
        self, files: Collection[str], folders: Mapping[str, Collection[str] | None]
    ) -> None:
        """Check that only what belongs to the work is there.

        Args:
            files: Names of its files.
            folders: The names in each of its folders; None where any may be.

        Raises:
            Exception: One of class ``error_class``: something else lies there; the first is named.
            StorageError: A folder cannot be listed.
        """
        found = unexpected_entries(self.path, files, folders)
        for folder, names in folders.items():
            if names is not None and (self.path / folder).is_dir():
                found += [
                    f"{folder}/{name}" for name in unexpected_entries(self.path / folder, names)
                ]
        if found:
            raise self.kind.error_class(
                f"{str(self.path)!r} holds {found[0]!r}, which does not belong to the "
                f"{self.kind.what}; move it elsewhere"
            )

    def remove(self, folder: str) -> None:
        """Remove a folder that is no longer needed, if it is there.

        Raises:
            StorageError: It is read-only.
        """
        path = self.path / folder
        try:
            if path.exists():
                shutil.rmtree(path)
        except OSError as error:
            raise StorageError.because("remove", path, error) from error


def first_difference(
    there: Mapping[str, Any], here: Mapping[str, Any], names: Iterable[str] | None = None
) -> str | None:
    """The first value in which two configurations differ, in words; None if there is none.

    Of mappings within them, only what differs is said.

    Args:
        there: What a folder holds.
        here: What is wanted.
        names: Keys to compare, in this order; all of them, sorted, unless given.
    """
    for name in sorted(there.keys() | here.keys()) if names is None else names:
        before, now = there.get(name), here.get(name)
        if isinstance(before, Mapping) and isinstance(now, Mapping) and before != now:
            return f"{name}: {first_difference(before, now)}"
        if before != now:
            return f"{name} is {before!r} there and {now!r} here"
    return None


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Make the folder, and keep all others from writing there.

    What was found in the folder before may have changed meanwhile: look again inside. Folders that
    were made are gone again where the work fails before anything is written.

    Raises:
        FolderInUseError: Another process is at work there.
        StorageError: The disk is full, the folder read-only, and the like.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    make_folder(folder)
    with exclusive_lock(folder):
        try:
            yield
        except BaseException:
            with suppress(OSError):  # Windows keeps a lock that is held
                _remove_unused(made)
            raise


def _remove_unused(made: list[Path]) -> None:
    """Remove folders that were made, the innermost first, if there is but a lock in that."""
    if made and [entry.name for entry in made[0].iterdir()] == [LOCK_NAME]:
        (made[0] / LOCK_NAME).unlink()
        for path in made:
            path.rmdir()


def unexpected_entries(
    folder: Path, files: Collection[str], folders: Collection[str] = ()
) -> list[str]:
    """What lies in a folder apart from what belongs there and temporary files of killed writers.

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
