"""Folders of many files that are there whole or not at all.

A folder of which nobody can tell how many files it should hold must never be seen half written.
"""

import os
import shutil
from collections.abc import Callable
from glob import escape
from pathlib import Path

from gnncore.storage.atomic import is_leftover, make_folder, part_of
from gnncore.storage.errors import StorageError
from gnncore.storage.links import leading_to


def is_free(path: str | os.PathLike[str]) -> bool:
    """Whether :func:`write_folder_with` may write there.

    That is where nothing is, or a folder that holds at most what a killed writer left.

    Args:
        path: The folder as the user named it.

    Raises:
        StorageError: The folder cannot be read.
    """
    folder = Path(path)
    try:
        if not folder.is_dir():
            return not folder.exists()
        return all(is_leftover(entry.name) for entry in folder.iterdir())
    except OSError as error:
        raise StorageError.because("read", path, error) from error


def write_folder_with(path: str | os.PathLike[str], write: Callable[[Path], None]) -> None:
    """Let a function fill a folder, which is in its place once everything is in it.

    A new folder is renamed as a whole. An empty one that is there may be one that cannot be moved,
    such as that of a shell: its entries arrive one after another, and go again if one of them
    cannot. What an earlier writer of the same folder left when it was killed is removed.

    Args:
        path: The folder as the user named it, new or empty; those above it need not be there.
        write: Fills the folder that it is given, which it may have to make.

    Raises:
        StorageError: Something is there already, the disk is full, and the like. This and other
            errors of ``write`` leave nothing in the folder.
    """
    if not is_free(path):
        raise StorageError.because("write", path, "something is there already; choose a new folder")
    out = Path(os.path.abspath(leading_to(path)))
    is_there = out.exists()
    home = out if is_there else out.parent
    make_folder(home)
    part = part_of(home / out.name)
    try:
        for old in home.glob(f".{escape(out.stem)}.*.part{escape(out.suffix)}"):
            if is_leftover(old.name):
                shutil.rmtree(old, ignore_errors=True)
        make_folder(part)
        write(part)
        try:
            if is_there:
                _move_entries(part, out)
            else:
                part.rename(out)
        except OSError as error:
            raise StorageError.because("write", path, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _move_entries(part: Path, out: Path) -> None:
    entries = sorted(part.iterdir())
    try:
        for entry in entries:
            entry.rename(out / entry.name)
    except BaseException:
        for entry in entries:  # the folder was empty, so that all of these are ours
            if (out / entry.name).exists():
                (out / entry.name).rename(entry)
        raise
