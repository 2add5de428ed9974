"""``graphwsl …``: the command line; one module a command.

Modules import typer and options alone at the top and everything else inside their command, so that
``graphwsl --help`` answers at once.
"""

from gnncore.command_line.program import make_program
from graphwsl import __version__
from graphwsl.errors import GraphwslError

app = make_program(
    "graphwsl",
    "Neural networks as graphs: their symmetries, their populations, what weights tell.",
    user_error=GraphwslError,
    version=__version__,
)


def main() -> None:
    """Entry point of the ``graphwsl`` program."""
    app()


# Commands register themselves; their order here is that of the help.
from graphwsl.cli import (  # noqa: E402, F401
    diagnose,
    generate,
    graph,
    history,
    landscape,
    monitor,
    predict,
    represent,
    score,
    train,
    verify,
    zoo,
)
