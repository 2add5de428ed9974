"""``gridstab info``: what a run folder holds."""

from pathlib import Path

import typer

from gridstab.cli import app


@app.command()
def info(
    run: Path = typer.Argument(help="Run folder."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Show the configuration and the labels of a run."""
    import json

    from gridstab.cli.summary import print_summary, summarise
    from gridstab.datasets.run_folder import RunFolder

    summary = summarise(RunFolder.open(run))
    if as_json:
        typer.echo(json.dumps(summary))
        return
    print_summary(summary)
    config = summary["config"]
    for section in ("campaign", "imported"):
        for name, value in config.get(section, {}).items():
            typer.echo(f"{name} = {value}")
    typer.echo(f"code version = {config['code_version']}")
