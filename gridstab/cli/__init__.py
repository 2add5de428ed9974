"""``gridstab …``: the command line; one module a command.

Modules import typer alone at the top and everything else inside their command, so that
``gridstab --help`` answers at once.
"""

import typer

from gnncore.command_line.commands import Commands


def _user_error() -> type[Exception]:
    from gridstab.errors import GridstabError

    return GridstabError


class GridstabCommands(Commands):
    """The commands of gridstab."""

    program = "gridstab"
    user_error = staticmethod(_user_error)


app = typer.Typer(
    cls=GridstabCommands,
    name="gridstab",
    help="Dynamic stability of power grids: simulate labels, learn to predict them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Entry point of the ``gridstab`` program."""
    app()


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
