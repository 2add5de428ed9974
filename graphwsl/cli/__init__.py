"""``graphwsl …``: the command line; one module a command.

Modules import typer alone at the top and everything else inside their command, so that
``graphwsl --help`` answers at once.
"""

import typer

from gnncore.command_line.commands import Commands


def _user_error() -> type[Exception]:
    from graphwsl.errors import GraphwslError

    return GraphwslError


class GraphwslCommands(Commands):
    """The commands of graphwsl."""

    program = "graphwsl"
    user_error = staticmethod(_user_error)


app = typer.Typer(
    cls=GraphwslCommands,
    name="graphwsl",
    help="Neural networks as graphs: their symmetries, their populations, what weights tell.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Entry point of the ``graphwsl`` program."""
    app()


def _print_version(asked: bool) -> None:
    if asked:
        from graphwsl import __version__

        typer.echo(f"graphwsl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    del version


# Commands register themselves; their order here is that of the help.
from graphwsl.cli import (  # noqa: E402, F401
    graph,
    predict,
    train,
    verify,
    zoo,
)
