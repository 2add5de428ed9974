"""``gridstab engines``: what can simulate on this machine."""

from gnncore.command_line.options import json_option
from gridstab.cli import app
from gridstab.cli.options import IMPORT_ENGINES


@app.command()
def engines(as_json: bool = json_option(), modules: list[str] = IMPORT_ENGINES) -> None:
    """List the simulation engines, whether they run here, and why not."""
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gridstab.dynamics.engines import ENGINES

    import_modules(modules)
    states = {name: make().availability() for name, make in ENGINES.items()}
    if as_json:
        echo_json(
            {
                name: {"usable": state.usable, "why": state.why, "version": state.version}
                for name, state in states.items()
            }
        )
        return
    from rich.table import Column, Table

    from gnncore.command_line.output import console

    table = Table("engine", "usable", "version", Column("why not", overflow="fold"))
    for name, state in states.items():
        table.add_row(name, "yes" if state.usable else "no", state.version, state.why)
    console().print(table)
