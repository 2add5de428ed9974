"""``gridstab verify``: is a run folder complete, undamaged and consistent."""

from pathlib import Path

import typer

from gridstab.cli import app


@app.command()
def verify(run: Path = typer.Argument(help="Run folder.")) -> None:
    """Check every file of a run against its manifest, and its counts against each other.

    Lists each problem in a line and exits with code 1 if there is any.
    """
    from gridstab.datasets.verification import verify as problems_of

    problems = problems_of(run)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{run}: all files and counts are as they should be")
