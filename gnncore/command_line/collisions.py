"""Files that a command is to write, compared with what it reads, once all options are known."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from gnncore.errors import GnncoreError

_OUTPUTS = "gnncore.command_line.outputs"

PICTURES = (".png", ".svg", ".pdf")
"""Endings of pictures."""

_NOT_READ = (*PICTURES, ".html")
"""Endings of what is for people alone, in folders that are read."""


class Command(TyperCommand):
    """A command that writes over nothing that it reads."""

    def invoke(self, ctx: Any) -> Any:
        """Compare what is written with what is read, and run.

        Raises:
            GnncoreError: They collide.
        """
        require_no_collision(ctx)
        return super().invoke(ctx)


def note_output(context: typer.Context, name: str) -> None:
    """Say that a parameter names a file to be written.

    Args:
        context: What the command is called with.
        name: Name of the parameter.
    """
    context.meta.setdefault(_OUTPUTS, set()).add(name)


def require_no_collision(context: typer.Context) -> None:
    """Refuse files to be written that the command reads, or writes twice.

    In a folder that is read, nothing that is there is replaced but pictures and pages, which no
    command reads, and what work goes on in with ``--resume``.

    Args:
        context: What the command is called with, all of its parameters known.

    Raises:
        GnncoreError: One of these; both parameters are named.
    """
    outputs: set[str] = context.meta.get(_OUTPUTS, set())
    known = {parameter.name: parameter for parameter in context.command.params}
    shown = {name: _shown(parameter) for name, parameter in known.items()}
    for output in sorted(outputs):
        target = Path(context.params[output])
        for name, value in context.params.items():
            if name == output or _is_offered(context, known.get(name), value):
                continue
            for path in _paths(value):
                what = f"{shown[output]}: cannot write {str(target)!r}: "
                if _is_same(path, target):
                    does = "writes" if name in outputs else "reads"
                    raise GnncoreError(
                        f"{what}the command {does} it ({shown[name]}); name another file"
                    )
                keeps = context.params.get("resume") or target.suffix.lower() in _NOT_READ
                if name not in outputs and not keeps and _is_in(path, target):
                    raise GnncoreError(
                        f"{what}it is there already, in the folder {str(path)!r} that the command "
                        f"reads ({shown[name]}); name a new file"
                    )


def _is_offered(context: typer.Context, parameter: Any, value: object) -> bool:
    """Whether a value is a name that the option knows, whatever lies in a folder of that name."""
    if parameter is None or not isinstance(value, str):
        return False
    return any(item.value == value for item in parameter.shell_complete(context, value))


def _shown(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    return str(parameter.opts[0] if is_option else parameter.name.upper())


def _paths(value: object) -> Iterator[Path]:
    """All that may be paths in the value of a parameter, which is one, several, or no path."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, str):
        parts = value.split(",")  # as options take several sets of data
        yield from map(Path, {value, *parts} - {""})
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _paths(one)


def _is_same(path: Path, target: Path) -> bool:
    try:
        return path.resolve() == target.resolve() or os.path.samefile(path, target)
    except (OSError, ValueError):  # not both are there, or it is no path
        return False


def _is_in(folder: Path, target: Path) -> bool:
    """Whether a file that is there lies in a folder."""
    try:
        is_there = target.exists() and folder.is_dir()
        return is_there and target.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False
