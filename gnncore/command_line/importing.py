"""Modules of a user's own, which register what the commands then know by name."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import PurePath

import typer


def import_modules(names: Sequence[str]) -> None:
    """Import modules, of the working folder first, as ``python -m`` does; they run code.

    Args:
        names: As in ``import name``.

    Raises:
        BadParameter: There is no such module, or it fails; one line that says how.
    """
    if names and "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in names:
        try:
            importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever the code of the module raises, exits included
            reason = " ".join(str(error).split())
            if isinstance(error, ModuleNotFoundError) and name.endswith(".py"):
                path = PurePath(name).with_suffix("")
                module = path.name if path.is_absolute() else ".".join(path.parts)
                raise typer.BadParameter(
                    f"--import {name!r} must be the name of a module, not of its file; leave off "
                    f".py: --import {module}"
                ) from error
            raise typer.BadParameter(
                f"--import {name!r} cannot be imported: {type(error).__name__}: {reason}"
            ) from error
