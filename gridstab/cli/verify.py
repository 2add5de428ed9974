"""``gridstab verify``: is a folder that gridstab wrote complete, undamaged and consistent."""

from pathlib import Path

import typer

from gridstab.cli import app


@app.command()
def verify(
    run: Path = typer.Argument(
        help="Folder of a run, a training, landscapes or a bare model, or a packed set by file or "
        "name (as ds20-large)."
    ),
) -> None:
    """Check every file of a run against its manifest, and its counts against each other.

    Of a training the files are checked, of a bare model and of a packed file the numbers against
    their own checksum.
    Lists each problem in a line and exits with code 1 if there is any.
    """
    from gnncore.command_line.output import say
    from gridstab.cli.folders import is_landscapes, is_model, is_training, place_of

    place = place_of(run)
    if is_training(run):
        from gridstab.learning.verification import verify_training

        kind, problems = "a training: all files", verify_training(run)
    elif is_landscapes(run):
        from gridstab.datasets.landscape_folder import verify_landscapes

        kind, problems = "landscapes: all files and images", verify_landscapes(run)
    elif place.is_file():
        from gridstab.datasets.packed import verify_packed

        kind, problems = "a packed set: all numbers", verify_packed(place)
    elif is_model(run):
        from gridstab.learning.verification import verify_model

        kind, problems = "a model: weights and specification", verify_model(run)
    else:
        from gridstab.datasets.verification import verify as verify_run

        kind, problems = "a run: all files and counts", verify_run(run)
    for problem in problems:
        say(problem)
    if problems:
        raise typer.Exit(1)
    say(f"{run}: {kind} are as they should be")
