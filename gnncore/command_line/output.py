"""What commands print: names from files are shown, and cannot steer the terminal."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

LONGEST_CELL = 200
"""Characters of a name that are shown."""


def printable(text: object, longest: int | None = None) -> str:
    """A text in one line, with what a terminal would obey or cannot show replaced.

    Args:
        text: Anything; its ``str`` is taken.
        longest: Cut it to so many characters.

    >>> printable("a\\x1b[31mb\\nc")
    'a�[31mb�c'
    """
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    if longest is not None and len(shown) > longest:
        return f"{shown[: longest - 1]}…"
    return shown


def say(line: object, *, err: bool = False) -> None:
    """Print one line that may hold names from files."""
    typer.echo(printable(line), err=err)


def cell(value: object) -> str:
    """A name from a file for a table of :func:`console`."""
    return printable(value, LONGEST_CELL)


def console(*, stderr: bool = False) -> "Console":
    """Where tables are printed; square brackets and colons in names are no markup there."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)
