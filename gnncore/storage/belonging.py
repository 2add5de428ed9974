"""Whether a path lies in a folder that holds work of ours, where nothing else belongs.

A stray file there fails the check against the manifest, and one in place of an inner file destroys
the work.
"""

import os
from fnmatch import fnmatchcase
from pathlib import Path

from gnncore.storage.errors import StorageError
from gnncore.storage.json_files import read_json
from gnncore.storage.lock import LOCK_NAME
from gnncore.storage.manifest import MANIFEST_NAME

CONFIGURATIONS = (
    "config.json",
    "zoo.json",
    "generator.json",
    "predictor.json",
    "representation.json",
    "generating.json",
    "training.json",
    "request.json",
)
"""Names of the files that say what a folder of ours holds, or what is done in it."""

_MARKS = {"code_version", "format"}, {"specification", "seal"}
"""All of one set are in every such file, but for requests, which say a seed and lie beside a
lock."""

_REQUESTS = CONFIGURATIONS[-3:]
_FREE_IN_UNFINISHED = ("*.html",)


def require_file_outside_work(path: str | os.PathLike[str]) -> None:
    """Refuse a file in a folder of ours that would be, or take the place of, something in it.

    Kinds of files that a manifest leaves out, as the pages and pictures of a run, may lie there.

    Args:
        path: The file as the user named it; links are followed.

    Raises:
        StorageError: It is within such a folder; the folder is named.
    """
    target = Path(path).resolve()
    for folder in target.parents:
        free = _free_kinds(folder)
        name = target.relative_to(folder).as_posix()
        if free is not None and not any(fnmatchcase(name, kind) for kind in free):
            raise _within(folder, "write", path)


def require_folder_outside_work(path: str | os.PathLike[str]) -> None:
    """Refuse a folder within a folder of ours; that itself is for others to judge.

    Args:
        path: The folder as the user named it; links are followed.

    Raises:
        StorageError: It is within such a folder; that is named.
    """
    for folder in Path(path).resolve().parents:
        if _free_kinds(folder) is not None:
            raise _within(folder, "create", path)


def _within(folder: Path, doing: str, path: str | os.PathLike[str]) -> StorageError:
    here = Path.cwd()
    is_below = folder != here and folder.is_relative_to(here)
    shown = str(folder.relative_to(here) if is_below else folder)
    return StorageError.because(
        doing, path, f"{shown!r} holds other work, which it would change; name a place outside"
    )


def _free_kinds(folder: Path) -> tuple[str, ...] | None:
    """Patterns of what may be put into a folder of ours; None where the folder is not one."""
    manifest = _object(folder / MANIFEST_NAME)
    if {"schema", "files", "ignore"} <= manifest.keys() and isinstance(manifest["ignore"], list):
        # Others than these are names of single files, of which each is written by its own work.
        return tuple(kind for kind in map(str, manifest["ignore"]) if kind.startswith("*"))
    if any(_is_configuration(folder, name) for name in CONFIGURATIONS):
        return _FREE_IN_UNFINISHED
    return None


def _is_configuration(folder: Path, name: str) -> bool:
    content = _object(folder / name)
    is_asked = name in _REQUESTS and "seed" in content and (folder / LOCK_NAME).is_file()
    return is_asked or any(content.keys() >= marks for marks in _MARKS)


def _object(path: Path) -> dict[str, object]:
    """What a JSON file holds, if it is there and readable and holds an object."""
    try:
        content = read_json(path) if path.is_file() else None
    except (OSError, StorageError):  # closed to us, foreign or damaged
        content = None
    return content if isinstance(content, dict) else {}
