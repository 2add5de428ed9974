"""``graphwsl verify``: whether a folder that graphwsl wrote is as it was written."""

from collections.abc import Sequence
from pathlib import Path

import typer

from graphwsl.cli import app


@app.command()
def verify(
    folder: Path = typer.Argument(
        help="Folder of a zoo, predictor, representation, generator or adapters."
    ),
) -> None:
    """Check every file of a folder: of a zoo of any layout, a training, or what it made.

    Lists each problem in a line and exits with code 1 if there is any.
    """
    from graphwsl.errors import ZooError
    from graphwsl.generators import train as generating
    from graphwsl.generators.lora.adapter_index import INDEX
    from graphwsl.generators.saved import GENERATOR
    from graphwsl.properties import predictor
    from graphwsl.properties import train as predicting
    from graphwsl.representations import saved
    from graphwsl.representations import train as representing

    if not folder.is_dir():
        raise ZooError(
            f"{str(folder)!r} is no folder; give one of a zoo, training, predictor, "
            "representation, generator or adapters"
        )

    def holds(*names: str) -> bool:
        return any((folder / name).exists() for name in names)

    if holds(predictor.REQUEST, predictor.CONFIG, predictor.ARRAYS):
        report_problems(folder, predicting.problems_of(folder))
    elif holds(representing.REQUEST, saved.CONFIG, saved.ARRAYS):
        report_problems(folder, representing.problems_of(folder))
    elif holds(generating.REQUEST, GENERATOR.config, GENERATOR.arrays):
        report_problems(folder, generating.problems_of(folder))
    elif holds(INDEX):
        from graphwsl.generators.lora import files as adapters

        report_problems(folder, adapters.problems_of(folder))
    else:
        report_problems(folder, zoo_problems(folder))


def zoo_problems(zoo: Path) -> list[str]:
    """What is wrong with a zoo: with ours by manifest and seals, with others by their weights.

    Raises:
        ZooError: The folder holds no zoo.
    """
    from graphwsl.zoo.layouts.native import ZooFolder, was_stored_zoo
    from graphwsl.zoo.layouts.registry import open_zoo

    if zoo.is_dir() and not was_stored_zoo(zoo) and any(zoo.iterdir()):
        return [f"{problem.path}: {problem.reason}" for problem in open_zoo(zoo).verify()]
    return ZooFolder(zoo).problems()


def report_problems(folder: Path, problems: Sequence[str]) -> None:
    """Print the problems and exit with code 1, or say that there are none."""
    from gnncore.command_line.output import say

    for problem in problems:
        say(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{folder}: all files are as they should be")
