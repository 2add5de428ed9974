"""Options that several commands have in common."""

from typing import Any

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import import_option
from gridstab.cli.choices import SETTINGS

IMPORT: Any = import_option("layers, features or models")
"""The option by which a command learns of a user's own layers, features and models."""

IMPORT_ENGINES: Any = import_option("engines")
"""The option by which a command learns of a user's own engines."""

SETTING: Any = typer.Option(
    None,
    help="Parameters of a MATPOWER case: homogeneous, or case for its own powers and couplings. "
    "[default: homogeneous]",
    autocompletion=one_of(*SETTINGS),
)
"""The option that says what is taken of a case."""

COUPLING: Any = typer.Option(None, help="K of every line. [default: 9, or the file's]")
DAMPING: Any = typer.Option(None, help="D of every node. [default: 0.1, or the file's]")
INERTIA: Any = typer.Option(None, help="m of every node. [default: 1, or the file's]")
"""Options that replace the parameters of a grid."""

NODE_TABLE: Any = typer.Option(
    None, help="CSV file with power, inertia or damping of every node of the case."
)
"""The option that gives the nodes of a case values of their own."""

WORKERS: Any = typer.Option(None, help="Processes that compute features. [default: all processors]")
"""The option that says how many processes prepare what is learnt from."""

INTERVALS: Any = typer.Option(
    None, help="Probability that the interval of a node is to hold its label, such as 0.9."
)
"""The option that asks for intervals on predictions."""

NORMALISED: Any = typer.Option(
    True,
    "--normalised/--no-normalised",
    help="Intervals as wide as nodes are hard to predict, or all of one width.",
)
"""The option that says how wide intervals are."""

LARGEST_COMPONENT: Any = typer.Option(
    False,
    "--largest-component",
    help="Keep only the largest component of a MATPOWER case that falls apart.",
)
"""The option that makes a connected grid of a case that is none."""
