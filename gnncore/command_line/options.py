"""Options that commands have in common, with the same words wherever they are."""

from typing import Any

import typer

ALONE = "one JSON object and nothing else"


def json_option(prints: str = "one JSON object", panel: str | None = None) -> Any:
    """``--json``: values for programs, see :func:`gnncore.command_line.json_output.echo_json`.

    Args:
        prints: What is printed, for the help; :data:`ALONE` in place of what else would be.
        panel: Where it stands in the help.
    """
    return typer.Option(False, "--json", help=f"Print {prints}.", rich_help_panel=panel)


def quiet_option(panel: str | None = None) -> Any:
    """``--quiet``: the work is done and errors are told, all else is silent.

    Args:
        panel: Where it stands in the help.
    """
    return typer.Option(False, "--quiet", help="No progress, no table.", rich_help_panel=panel)


def import_option(registered: str) -> Any:
    """``--import``: modules of a user's own; see :func:`gnncore.command_line.importing`.

    Args:
        registered: What such modules register, in the plural.
    """
    return typer.Option(
        [],
        "--import",
        help=f"Import this module first, of the working folder too, which registers {registered}; "
        "may be given several times.",
        show_default=False,
    )
