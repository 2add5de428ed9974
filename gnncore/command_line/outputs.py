"""Options that say where to write, which refuse before the work what could not be written after it.

A mistake there ends in one line and exit code 2, like any other of the user's; only what fails
later, as a disk that is full, is the machine's. What a command reads, and what is in the folders of
runs, models, zoos and generators, is never written over.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from gnncore.command_line.collisions import PICTURES, note_output
from gnncore.errors import GnncoreError


def picture_option(shows: str) -> Any:
    """``--picture``: a file of a picture.

    Args:
        shows: What is in it, for the help: "of the paths".
    """
    return file_option(f"PNG, SVG or PDF file {shows}.", PICTURES)


def file_option(
    help: str,
    endings: tuple[str, ...] = (),
    *,
    default: Any = None,
    makes_folder: bool = False,
) -> Any:
    """An option that names a file to be written.

    Args:
        help: What is in it.
        endings: Those that its name may have; any if there are none.
        default: ``...`` if it must be given.
        makes_folder: Whether folders are made that are not there yet.
    """

    def check(option: str, path: Path) -> None:
        from gnncore.storage import (
            require_file_outside_work,
            require_writable_file,
            require_writable_folder,
        )

        if endings and path.suffix.lower() not in endings:
            what = "a picture's name" if endings == PICTURES else f"the name for {option}"
            known = f"{', '.join(endings[:-1])} or {endings[-1]}" if endings[1:] else endings[0]
            raise GnncoreError(f"{what} must end in {known}, got {str(path)!r}")
        if makes_folder and not os.path.lexists(path.parent):
            require_writable_folder(path.parent)
        else:
            require_writable_file(path)
        require_file_outside_work(path)

    return typer.Option(default, help=help, callback=_checked(check, is_file=True))


def folder_option(help: str, *, default: Any = None, panel: str | None = None) -> Any:
    """An option that names a folder to be made, or to go on in.

    Args:
        help: What is in it, and its default.
        default: ``...`` if it must be given.
        panel: Where it stands in the help.
    """

    def check(option: str, path: Path) -> None:
        from gnncore.storage import require_folder_outside_work, require_writable_folder

        del option
        require_writable_folder(path)
        require_folder_outside_work(path)

    return typer.Option(default, help=help, rich_help_panel=panel, callback=_checked(check))


def default_folder(*parts: str) -> Path:
    """The folder that is made where none is named, if it may be made there.

    Raises:
        GnncoreError: The working folder is one of a run, a model, a zoo or a generator.
    """
    from gnncore.storage import require_folder_outside_work
    from gnncore.storage.errors import StorageError

    path = Path(*parts)
    try:
        require_folder_outside_work(path)
    except StorageError as error:
        raise GnncoreError(f"without --out: {error}") from error
    return path


def _checked(
    check: Callable[[str, Path], None], *, is_file: bool = False
) -> Callable[[typer.Context, typer.CallbackParam, Path | None], Path | None]:
    def callback(
        context: typer.Context, parameter: typer.CallbackParam, path: Path | None
    ) -> Path | None:
        if path is not None and not context.resilient_parsing:  # which completes, and runs nothing
            from gnncore.storage.errors import StorageError

            try:
                check(parameter.opts[0], path)
            except StorageError as error:
                raise GnncoreError(f"{parameter.opts[0]}: {error}") from error
            if is_file:
                note_output(context, str(parameter.name))
        return path

    return callback
