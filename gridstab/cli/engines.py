"""``gridstab engines``: what can simulate on this machine."""

import typer

from gridstab.cli import app


@app.command()
def engines(as_json: bool = typer.Option(False, "--json", help="Print one JSON object.")) -> None:
    """List the simulation engines, whether they run here, and why not."""
    import json

    from gridstab.dynamics.engines import ENGINES

    states = {name: make().availability() for name, make in ENGINES.items()}
    if as_json:
        typer.echo(
            json.dumps(
                {
                    name: {"usable": state.usable, "why": state.why, "version": state.version}
                    for name, state in states.items()
                }
            )
        )
        return
    from rich.table import Table

    from gnncore.command_line.output import console

    table = Table("engine", "usable", "version", "why not")
    for name, state in states.items():
        table.add_row(name, "yes" if state.usable else "no", state.version, state.why)
    console().print(table)
