"""``gridstab info``: what a run folder holds."""

from pathlib import Path

import typer

from gnncore.command_line.options import json_option
from gridstab.cli import app


@app.command()
def info(
    run: Path = typer.Argument(help="Run folder."),
    csv: Path | None = typer.Option(
        None, "--csv", help="CSV file to write, with the labels of all nodes and their names."
    ),
    as_json: bool = json_option("one JSON object, with the labels of all nodes"),
) -> None:
    """Show the configuration and the labels of a run."""
    from gnncore.command_line.output import say
    from gridstab.cli.summary import print_json, print_summary, summarise, write_csv
    from gridstab.datasets.run_folder import RunFolder

    folder = RunFolder.open(run)
    rows = None if csv is None else write_csv(folder, csv)
    summary = summarise(folder)
    if as_json:
        print_json(summary, folder)
        return
    print_summary(summary)
    config = summary["config"]
    for section in ("campaign", "imported"):
        for name, value in config.get(section, {}).items():
            say(f"{name} = {value}")
    typer.echo(f"code version = {config['code_version']}")
    if rows is not None:
        typer.echo(f"wrote {csv} ({rows:,} nodes)")
