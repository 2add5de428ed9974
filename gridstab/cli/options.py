"""Options that several commands have in common."""

from typing import Any

import typer

IMPORT: Any = typer.Option(
    [],
    "--import",
    help="Import this module first, of the working folder too, which registers layers, features "
    "or models; may be given several times.",
    show_default=False,
)
"""The option by which a command learns of a user's own layers, features and models."""
