"""``gridstab …``: the command line; one module a command.

Modules import typer and options alone at the top and everything else inside their command, so that
``gridstab --help`` answers at once.
"""

from gnncore.command_line.program import make_program
from gridstab import __version__
from gridstab.errors import GridstabError

app = make_program(
    "gridstab",
    "Dynamic stability of power grids: simulate labels, learn to predict them.",
    user_error=GridstabError,
    version=__version__,
)


def main() -> None:
    """Entry point of the ``gridstab`` program."""
    app()


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
    landscape,
    engines,
)
