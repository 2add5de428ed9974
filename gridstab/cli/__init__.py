"""``gridstab …``: the command line; one module a command.

Modules import typer alone at the top and everything else inside their command, so that
``gridstab --help`` answers at once.
"""

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import typer
from typer.core import TyperGroup

UsageError: Any = typer.BadParameter.__base__
"""Click's class, of which newer releases of typer carry their own copy."""


class Commands(TyperGroup):
    """Turns every foreseen error into one line on stderr and an exit code.

    2: what the user asked for is wrong, and nothing was written. 1: the machine failed (disk full,
    file damaged), or a training diverged. 130: interrupted.
    """

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        """Run, and exit with the code."""
        args = sys.argv[1:] if args is None else list(args)
        try:
            # Not standalone: errors are raised, not printed over several lines.
            code = super().main(args, *more, **{**options, "standalone_mode": False})
        except UsageError as error:
            code = _fail(error.format_message() + _given(error, args), error.exit_code)
        except typer.Abort:
            code = 130
        except Exception as error:
            # Imported here because a run without errors needs neither.
            from gnncore.errors import GnncoreError, TrainingError
            from gnncore.storage.errors import StorageError
            from gridstab.errors import GridstabError

            if isinstance(error, StorageError | TrainingError):
                code = _fail(str(error), 1)
            elif isinstance(error, GridstabError | GnncoreError):
                code = _fail(str(error), 2)
            elif isinstance(error, BrokenPipeError):
                sys.stdout = None  # or Python complains at exit
                code = 1
            else:
                raise
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    cls=Commands,
    name="gridstab",
    help="Dynamic stability of power grids: simulate labels, learn to predict them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Entry point of the ``gridstab`` program."""
    app()


def _fail(message: str, code: int) -> int:
    if message:  # none where the help was printed instead
        typer.echo("gridstab: " + " ".join(message.split()), err=True)
    return code


def _given(error: Any, args: Sequence[str]) -> str:
    """What was given for the option in question, which typer's own messages leave out."""
    for option in getattr(getattr(error, "param", None), "opts", ()):
        for argument, following in reversed(list(pairwise(args))):
            if argument == option:
                return f", got {following!r}"
    return ""


def _print_version(asked: bool) -> None:
    if asked:
        from gridstab import __version__

        typer.echo(f"gridstab {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    del version


# Commands register themselves; their order here is that of the help.
from gridstab.cli import (  # noqa: E402, F401, I001
    simulate,
    info,
    verify,
    transfer,
    train,
    evaluate,
    predict,
    report,
    basin_map,
    engines,
)
