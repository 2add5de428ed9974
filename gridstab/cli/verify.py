"""``gridstab verify``: is a run folder complete, undamaged and consistent."""

from pathlib import Path

import typer

from gridstab.cli import app


@app.command()
def verify(run: Path = typer.Argument(help="Run folder, or folder of a training.")) -> None:
    """Check every file of a run against its manifest, and its counts against each other.

    Lists each problem in a line and exits with code 1 if there is any.
    """
    from gridstab.cli.folders import is_training
    from gridstab.datasets.verification import verify as problems_of

    training = is_training(run)
    problems = _problems_of_training(run) if training else problems_of(run)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{run}: all files{'' if training else ' and counts'} are as they should be")


def _problems_of_training(path: Path) -> list[str]:
    from gnncore.storage import MANIFEST_NAME, Manifest, StorageError

    if not (path / MANIFEST_NAME).exists():
        return ["unfinished: continue it with gridstab train --resume"]
    try:
        return [problem.text for problem in Manifest.read(path).verify()]
    except StorageError as error:
        return [str(error)]
