"""The manifest of a folder: size and SHA-256 of every file, so that any damage is found.

It protects against accidents (flipped bits, lost, swapped or stray files), not against someone
who rewrites the manifest too.
"""

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from hashlib import sha256 as hash_of
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from gnncore.storage.atomic import is_leftover, write_bytes
from gnncore.storage.errors import CorruptFileError, StorageError
from gnncore.storage.json_files import parse_json, to_json
from gnncore.storage.links import refuse_links
from gnncore.storage.lock import LOCK_NAME
from gnncore.storage.reading import read_bytes, sha256, size_of

MANIFEST_NAME = "manifest.json"
_SCHEMA = 1


@dataclass(frozen=True)
class ManifestEntry:
    """One file: its size [bytes] and the SHA-256 of its contents."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Problem:
    """A difference between a folder and its manifest.

    Attributes:
        path: The file, relative to the folder, with forward slashes.
        kind: ``missing``, ``size`` (another length), ``changed`` (same length, other contents) or
            ``unexpected`` (not listed, or no regular file).
        text: One line for the user.
    """

    path: str
    kind: Literal["missing", "changed", "size", "unexpected"]
    text: str


@dataclass(frozen=True)
class Manifest:
    """What a folder holds; make it with :meth:`of` or :meth:`read`.

    Attributes:
        folder: The folder.
        entries: The files by their relative path with forward slashes, sorted.
        ignore: Patterns (``*`` crosses slashes) of relative paths that are not listed. Temporary
            files of killed writers are never listed. Empty folders are not seen.
    """

    folder: Path
    entries: dict[str, ManifestEntry]
    ignore: tuple[str, ...]

    @classmethod
    def of(
        cls,
        folder: str | os.PathLike[str],
        ignore: Iterable[str] = (MANIFEST_NAME, LOCK_NAME),
    ) -> "Manifest":
        """The manifest of a folder as it is now, its files read and hashed.

        Raises:
            StorageError: A file cannot be read, is a link or another special file, or has a name
                that other systems cannot have (backslash, not UTF-8, ``C:``).
        """
        root = Path(folder)
        patterns = tuple(sorted({*ignore, MANIFEST_NAME}))
        entries = {}
        for path, status in _files(root, patterns):
            if not stat.S_ISREG(status.st_mode):
                raise StorageError.because("list", root / path, "it is a link or a special file")
            if not _is_portable(path):
                raise StorageError.because(
                    "list", root / path, "rename it: the name is not portable"
                )
            entries[path] = ManifestEntry(status.st_size, sha256(root / path))
        return cls(root, entries, patterns)

    @classmethod
    def of_files(
        cls, folder: str | os.PathLike[str], names: Collection[str], ignore: Iterable[str]
    ) -> "Manifest":
        """The manifest of some files of a folder; all others are strays, unless ignored.

        Args:
            folder: The folder.
            names: Relative paths with forward slashes.
            ignore: As for :meth:`of`.

        Raises:
            CorruptFileError: A file is a link or another special file.
            StorageError: A file is missing or cannot be read.
        """
        root, entries = Path(folder), {}
        refuse_links(root, *names)
        for name in sorted(names):
            entries[name] = ManifestEntry(size_of(root / name), sha256(root / name))
        return cls(root, entries, tuple(sorted({*ignore, MANIFEST_NAME})))

    @classmethod
    def read(cls, folder: str | os.PathLike[str], *, damaged: bool = False) -> "Manifest":
        """The manifest that a folder holds.

        Args:
            folder: The folder.
            damaged: Take what can be read of a manifest whose own checksum is wrong. A file that
                equals its entry is good all the same: no damage makes a checksum right.

        Raises:
            CorruptFileError: The manifest is not, byte for byte, what :meth:`write` writes, is a
                symbolic link, or lists a path outside the folder.
            StorageError: The folder has no readable manifest.
        """
        path = Path(folder, MANIFEST_NAME)
        refuse_links(folder, MANIFEST_NAME)
        data = read_bytes(path)
        value = parse_json(data, path)
        try:
            entries = {
                name: ManifestEntry(int(entry["size"]), str(entry["sha256"]))
                for name, entry in value["files"].items()
            }
            manifest = cls(Path(folder), entries, tuple(map(str, value["ignore"])))
            expected = manifest._encoded()
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise CorruptFileError.because("read", path, "it is not a manifest") from error
        if data != expected and not damaged:
            raise CorruptFileError.because("read", path, "its checksum or its form is wrong")
        for name in entries:
            if not _is_portable(name):
                raise CorruptFileError.because("read", path, f"{name!r} leads out of the folder")
        return manifest

    def write(self) -> None:
        """Create or replace ``manifest.json`` in the folder.

        Raises:
            StorageError: As :func:`write_with`.
        """
        write_bytes(self.folder / MANIFEST_NAME, self._encoded())

    def verify(self) -> list[Problem]:
        """Every difference between the manifest and the folder, sorted by path; reads all files.

        Raises:
            StorageError: The folder itself cannot be read.
        """
        found = dict(_files(self.folder, self.ignore))
        problems = [
            Problem(path, "missing", f"{path} is missing") for path in self.entries.keys() - found
        ]
        for path, status in found.items():
            entry = self.entries.get(path)
            if entry is None or not stat.S_ISREG(status.st_mode):
                what = "is not in the manifest" if entry is None else "is no longer a regular file"
                problems.append(Problem(path, "unexpected", f"{path} {what}"))
            elif status.st_size != entry.size:
                text = f"{path} holds {status.st_size} bytes instead of {entry.size}"
                problems.append(Problem(path, "size", text))
            else:
                problems += self._compare(path, entry)
        return sorted(problems, key=lambda problem: problem.path)

    def require(self, *names: str) -> None:
        """Check that these files are as they were listed; call it before computing with them.

        Args:
            names: Relative paths with forward slashes.

        Raises:
            CorruptFileError: A file is not listed, is a link, or has changed.
            StorageError: A file is missing or cannot be read.
        """
        for name in names:
            path, entry = self._listed(name)
            if sha256(path) != entry.sha256:
                raise CorruptFileError.because("use", path, "it has changed: its SHA-256 differs")

    def read_bytes(self, name: str, *, max_bytes: int = 2**32) -> bytes:
        """The contents of a file, once they are found to be those that were listed.

        The file is read once, so that what is checked is what is used.

        Args:
            name: Relative path with forward slashes.
            max_bytes: Limit on the file [bytes], 4 GiB by default.

        Raises:
            CorruptFileError: The file is not listed, is a link, has changed, or is too large.
            StorageError: It is missing or cannot be read.
        """
        path, entry = self._listed(name)
        data = read_bytes(path, max_bytes=max_bytes)
        if hash_of(data).hexdigest() != entry.sha256:
            raise CorruptFileError.because("use", path, "it has changed: its SHA-256 differs")
        return data

    def _listed(self, name: str) -> tuple[Path, ManifestEntry]:
        """A file that is listed, is no link, and has the size that was listed."""
        path, entry = self.folder / name, self.entries.get(name)
        if entry is None:
            raise CorruptFileError.because("use", path, "its folder's manifest lacks it")
        refuse_links(self.folder, name)
        size = size_of(path)
        if size != entry.size:
            raise CorruptFileError.because(
                "use", path, f"it holds {size} bytes instead of {entry.size}"
            )
        return path, entry

    def _compare(self, path: str, entry: ManifestEntry) -> list[Problem]:
        try:
            if sha256(self.folder / path) == entry.sha256:
                return []
            return [Problem(path, "changed", f"{path} has changed: its SHA-256 differs")]
        except StorageError as error:  # a dying disk: go on, the other files matter too
            return [Problem(path, "changed", str(error))]

    def _encoded(self) -> bytes:
        contents: dict[str, Any] = {
            "schema": _SCHEMA,
            "ignore": list(self.ignore),
            "files": {path: asdict(entry) for path, entry in self.entries.items()},
        }
        checksum = hash_of(to_json(contents).encode()).hexdigest()
        return to_json({**contents, "sha256": checksum}).encode()


def _files(folder: Path, ignore: tuple[str, ...]) -> Iterator[tuple[str, os.stat_result]]:
    """Everything in a folder that is not a folder, by relative path, links not followed."""
    waiting = [""]
    while waiting:
        parent = waiting.pop()
        try:
            with os.scandir(folder / parent) as scan:
                items = [(parent + item.name, item.stat(follow_symlinks=False)) for item in scan]
        except OSError as error:
            raise StorageError.because("list", folder / parent, error) from error
        for path, status in sorted(items, key=lambda item: item[0]):
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path + "/")
            elif not is_leftover(PurePosixPath(path).name) and not any(
                fnmatchcase(path, pattern) for pattern in ignore
            ):
                yield path, status


def _is_portable(path: str) -> bool:
    """Whether a path stays within its folder and means the same on every system."""
    windows = PureWindowsPath(path)
    return (
        path not in ("", ".")
        and path.isprintable()
        and "\\" not in path
        and ".." not in path.split("/")
        and not windows.drive
        and not windows.root
        and str(PurePosixPath(path)) == path
    )
