"""``gridstab verify``: is a folder that gridstab wrote complete, undamaged and consistent."""

from pathlib import Path

import typer

from gridstab.cli import app


@app.command()
def verify(
    run: Path = typer.Argument(help="Run folder, folder of a training, or of a bare model."),
) -> None:
    """Check every file of a run against its manifest, and its counts against each other.

    Of a training the files are checked, of a bare model the weights against their own checksum.
    Lists each problem in a line and exits with code 1 if there is any.
    """
    from gridstab.cli.folders import is_model, is_training
    from gridstab.datasets.verification import verify as problems_of

    if is_training(run):
        kind, problems = "a training: all files", _problems_of_training(run)
    elif is_model(run):
        kind, problems = "a model: weights and specification", _problems_of_model(run)
    else:
        kind, problems = "a run: all files and counts", problems_of(run)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{run}: {kind} are as they should be")


def _problems_of_training(path: Path) -> list[str]:
    from gnncore.storage import MANIFEST_NAME, Manifest, StorageError

    if not (path / MANIFEST_NAME).exists():
        return ["unfinished: continue it with gridstab train --resume", *_checkpoint_problems(path)]
    try:
        return [problem.text for problem in Manifest.read(path).verify()]
    except StorageError as error:
        return [str(error)]


def _checkpoint_problems(path: Path) -> list[str]:
    from gnncore.errors import CheckpointError
    from gnncore.training.checkpoints import check_checkpoint

    try:
        check_checkpoint(path / "checkpoint")
    except CheckpointError as error:
        return [str(error)]
    return []


def _problems_of_model(path: Path) -> list[str]:
    from gnncore.errors import CheckpointError
    from gnncore.models import GraphModel
    from gnncore.models.checkpoint import seals_of

    try:
        GraphModel.from_pretrained(path)
    except CheckpointError as error:
        return [str(error)]
    if seals_of(path):
        return []
    return ["the weights can be read, but carry no checksum; the next save_pretrained adds one"]
