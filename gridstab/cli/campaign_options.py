"""Options of commands that simulate many grids: what, how and where."""

from typing import Any

import typer

from gnncore.command_line.completion import one_of
from gridstab.cli.choices import ENGINES, EXECUTORS, STOP_RULES

WHAT = "What is simulated"
HOW = "How it is simulated"
WHERE = "Where it runs and goes"
"""Titles of the panels of options."""

NODES: Any = typer.Option(
    None,
    help="Nodes of every random grid; of an odd number one has no power. [default: 100]",
    rich_help_panel=WHAT,
)
GRIDS: Any = typer.Option(None, help="Number of grids. [default: 1]", rich_help_panel=WHAT)
CASE: Any = typer.Option(
    None,
    help="Instead of random grids: texas, a MATPOWER case by name or file, or a grid file.",
    rich_help_panel=WHAT,
)
ENGINE: Any = typer.Option(
    None,
    help="Engine; see gridstab engines. [default: auto]",
    rich_help_panel=HOW,
    autocompletion=one_of(*ENGINES),
)
STOP: Any = typer.Option(
    None,
    help="When trajectories end: fast, certified, published or horizon. [default: fast]",
    rich_help_panel=HOW,
    autocompletion=one_of(*STOP_RULES),
)
HORIZON: Any = typer.Option(
    None, help="Longest simulated time in seconds. [default: 500]", rich_help_panel=HOW
)
WORKERS: Any = typer.Option(
    None, help="Units of work at a time. [default: all processors]", rich_help_panel=WHERE
)
EXECUTOR: Any = typer.Option(
    "local",
    help="local (this machine) or ray (a cluster).",
    rich_help_panel=WHERE,
    autocompletion=one_of(*EXECUTORS),
)
"""The options, None where the campaign has a default of its own."""
