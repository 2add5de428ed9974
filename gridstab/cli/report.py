"""``gridstab report``: one HTML page that shows a run or a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gnncore.command_line.outputs import file_option
from gridstab.cli import app
from gridstab.cli.options import IMPORT, INTERVALS, NORMALISED

if TYPE_CHECKING:
    from gridstab.report.content import Report


@app.command()
def report(
    run: Path = typer.Argument(help="Run folder, or folder of a training."),
    data: str | None = typer.Option(
        None, help="Labelled grids on which to show a trained model: its test split."
    ),
    out: Path | None = file_option("HTML file; report.html in RUN unless given."),
    grid: int | None = typer.Option(None, min=1, help="Grid to draw; the first unless given."),
    intervals: float | None = INTERVALS,
    normalised: bool = NORMALISED,
    modules: list[str] = IMPORT,
) -> None:
    """Write a self-contained HTML page: grid, distribution, weakest nodes, predictions."""
    from gnncore.command_line.importing import import_modules
    from gridstab.report.html import save_report

    import_modules(modules)
    target = run / "report.html" if out is None else out
    save_report(_report(run, data, grid, intervals, normalised), target)
    typer.echo(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB)")


def _report(
    run: Path, data: str | None, grid: int | None, intervals: float | None, normalised: bool
) -> "Report":
    from gridstab.cli.folders import is_training

    if is_training(run):
        from gridstab.learning.training_report import report_of_training

        return report_of_training(run, data, grid, intervals=intervals, normalised=normalised)

    from gridstab.datasets.run_folder import RunFolder
    from gridstab.errors import InvalidParameterError
    from gridstab.report.runs import report_of_run

    folder = RunFolder.open(run)
    if data is not None:
        raise InvalidParameterError(
            f"--data {data!r} shows a trained model on labelled grids, but {str(run)!r} is "
            "a run of simulations; leave --data out"
        )
    if intervals is not None:
        raise InvalidParameterError(
            f"--intervals {intervals:g} is for the predictions of a trained model, but "
            f"{str(run)!r} is a run of simulations; leave --intervals out"
        )
    return report_of_run(folder, grid)
