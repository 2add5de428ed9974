"""The loss landscapes of a zoo over temperature and load: metrics, phases, and what they take.

    python -m benchmarks.landscapes

Perceptrons on digits, of several widths (load) and batch sizes (temperature: small batches are
noisy), three seeds each, are trained into ``--zoo`` and measured. What is done is kept beside the
zoo: the program may be killed and started again, also several times at once, each of which then
takes another metric. Times are processor times of the measurements alone.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import torch
import typer
from scipy.stats import spearmanr

from benchmarks.cells import Result, restore_cells, run_cell, time_warning
from benchmarks.populations_over_phases import PHASES, THRESHOLDS
from benchmarks.results import SCRATCH, Report, console, known_cells, progress
from benchmarks.running import run_benchmark
from gnncore.figures import save_figure
from graphwsl.landscape import Landscape, LandscapeSettings, MeasuredCell, measure
from graphwsl.landscape.picture import draw_plane, draw_ways
from graphwsl.landscape.settings import METRICS
from graphwsl.zoo import Recipe, open_zoo, train_zoo

NAME = "landscapes"
RECIPE: dict[str, Any] = {
    "data": {"name": "digits"},
    "epochs": 25,
    "keep": (1, 5, 10, 15, 20, 25),
    "seeds": 3,
    "fixed": {
        "architecture": "mlp",
        "depth": 2,
        "activation": "tanh",
        "optimiser": "sgd",
        "learning_rate": 0.02,
    },
    "grid": {
        "width": (2, 4, 8, 16, 32, 64),
        "batch_size": (32, 64, 128, 256, 512),
    },
}
COLUMNS = {
    "train_error": "train error",
    "test_error": "test error",
    "train_hessian_trace": "trace, train",
    "train_hessian_eigenvalue": "eigenvalue, train",
    "similarity": "CKA",
    "train_curve_error_connectivity": "curve",
    "train_line_error_connectivity": "line",
    "train_aligned_line_error_connectivity": "aligned line",
    "test_accuracy_gain_of_average_along_training": "average along training",
    "test_accuracy_gain_of_wise_ft": "WiSE-FT",
    "test_accuracy_gain_of_average_of_seeds": "of seeds",
    "test_accuracy_gain_of_aligned_average_of_seeds": "of seeds, aligned",
}


def main(
    zoo: Annotated[Path, typer.Option(help="Folder of the zoo.")] = SCRATCH / "landscapes" / "zoo",
    curve_steps: Annotated[
        int, typer.Option(help="Steps of the training of a curve.", min=1)
    ] = 500,
    probes: Annotated[int, typer.Option(help="Random vectors a trace.", min=1)] = 32,
    picture: Annotated[Path | None, typer.Option(help="File of the phase plane.")] = None,
    ways: Annotated[Path | None, typer.Option(help="File of the ways between seeds.")] = None,
    restore: Annotated[bool, typer.Option(help="Begin with the results in the file.")] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A tiny zoo, to see that it runs.")] = False,
) -> None:
    """Train the zoo, measure it, and write all tables."""
    torch.set_num_threads(1)
    recipe, settings = RECIPE, LandscapeSettings(curve_steps=curve_steps, probes=probes)
    with TemporaryDirectory() as scratch:
        if quick:
            zoo = Path(scratch, "zoo")
            grid = {"width": (4, 16), "batch_size": (64, 128)}
            recipe = {**RECIPE, "epochs": 2, "keep": (1, 2), "grid": grid}
            settings = LandscapeSettings(samples=64, probes=4, curve_steps=4, line_points=3)
        report = Report(NAME, "Landscapes of a zoo over temperature and load", quick=quick)
        root = zoo.parent / "cells"
        if restore:
            restore_cells(root, known_cells(NAME))
        results: dict[str, Result] = {}
        for metric in METRICS:
            own = settings.model_copy(update={"metrics": (metric,)})
            folder = root / zoo.name / metric
            result = run_cell(folder, lambda at, own=own: work(at, zoo, recipe, own))
            if result is not None:
                results[f"{zoo.name}/{metric}"] = result
    if len(results) < len(METRICS):
        console.print("another process is at work on the rest")
        return
    measured = together([Landscape.of(one["landscape"]) for one in results.values()])
    used = {name.rpartition("/")[2]: one["processor_seconds"] for name, one in results.items()}
    report_cells(report, measured)
    report_trends(report, measured)
    report_phases(report, measured)
    report_times(report, measured, used)
    for sentence in time_warning(report.record):
        report.say(sentence)
    for path, draw in ((picture, draw_plane), (ways, draw_ways)):
        if path is not None:
            save_figure(draw(measured), path, dpi=110)
    plain = {"recipe": recipe, "settings": settings.model_dump(mode="json")}
    report.save(plain, {"cells": results}, json)


def work(
    folder: Path, zoo: Path, recipe: dict[str, Any], settings: LandscapeSettings
) -> dict[str, Any]:
    """Train what is missing, and measure what is."""
    if not (zoo / "manifest.json").exists():
        train_zoo(Recipe.of(recipe), zoo, workers=1, resume=zoo.exists())
    out = folder / "landscape.json"
    at = time.process_time()
    with progress() as line:
        task = line.add_task("measuring", total=1)

        def show(done: int, total: int, what: str) -> None:
            line.update(task, completed=done, total=total, description=what)

        measured = measure(open_zoo(zoo), settings, out=out, resume=out.exists(), on_progress=show)
    used = time.process_time() - at
    # The numbers of single networks stay beside the zoo: the tables are of cells.
    landscape = {**measured.to_dict(), "networks": []}
    return {"landscape": rounded(landscape), "processor_seconds": round(used, 2)}


def report_cells(report: Report, measured: Landscape) -> None:
    """The means over all networks of a width, and over those of a batch size."""
    for axis in measured.axes:
        rows = []
        for value in levels(measured, axis):
            cells = [cell for cell in measured.cells if cell.configuration[axis] == value]
            rows.append([str(value), *(shown(cells, name) for name in COLUMNS)])
        title = f"Means of all networks of the same {axis.replace('_', ' ')}"
        report.table(title, [axis.replace("_", " "), *COLUMNS.values()], rows)


def report_trends(report: Report, measured: Landscape) -> None:
    """Spearman's correlations that the published phase planes show."""
    rows = []
    for width in levels(measured, "width"):
        cells = [cell for cell in measured.cells if cell.configuration["width"] == width]
        batches = [cell.configuration["batch_size"] for cell in cells]
        rows.append([f"width {width}", correlation(batches, cells, "train_hessian_trace")])
    report.table(
        "Spearman's correlation of the batch size (a small one is hot) with the trace",
        ["", "trace, train"],
        rows,
    )
    rows = []
    for batch in levels(measured, "batch_size"):
        cells = [cell for cell in measured.cells if cell.configuration["batch_size"] == batch]
        widths = [cell.configuration["width"] for cell in cells]
        rows.append([f"batches of {batch}", correlation(widths, cells, "similarity")])
    report.table("Spearman's correlation of the width with CKA", ["", "CKA"], rows)
    errors = [-cell.metrics["test_error"] for cell in measured.cells]
    names = ("similarity", "train_hessian_trace", "train_curve_error_connectivity")
    report.table(
        "Spearman's correlation of the test accuracy, over all cells",
        ["", *(COLUMNS[name] for name in names)],
        [["test accuracy", *(correlation(errors, measured.cells, name) for name in names)]],
    )


def report_phases(report: Report, measured: Landscape) -> None:
    """Test accuracy of every phase, for several sets of thresholds."""
    rows = []
    for limits in THRESHOLDS:
        texts = []
        for phase in PHASES:
            own = [cell for cell in measured.cells if cell.phase(limits).name == phase]
            accuracy = [100 * (1 - cell.metrics["test_error"]) for cell in own]
            texts.append(f"{np.mean(accuracy):.1f} ({len(own)})" if own else "")
        words = [f"{n.replace('_', ' ')} {v:g}" for n, v in limits.model_dump().items()]
        rows.append([", ".join(words), *texts])
    report.table(
        "Mean test accuracy [%] of the cells of every phase, and how many there are",
        ["thresholds", "I", "II", "III", "IV-A", "IV-B", "undecided"],
        rows,
    )


def report_times(report: Report, measured: Landscape, used: dict[str, float]) -> None:
    """What the measurements took."""
    networks = sum(len(cell.models) for cell in measured.cells)
    report.table(
        f"Seconds of one processor for all {networks} networks, the zoo not included",
        ["", *used, "together"],
        [["seconds", *(f"{value:.0f}" for value in used.values()), f"{sum(used.values()):.0f}"]],
    )


def together(parts: Sequence[Landscape]) -> Landscape:
    """One landscape of the metrics of several."""
    first = parts[0]
    cells = [
        replace(
            one,
            metrics={k: v for part in parts for k, v in part.cells[n].metrics.items()},
            profiles={k: v for part in parts for k, v in part.cells[n].profiles.items()},
        )
        for n, one in enumerate(first.cells)
    ]
    return replace(first, cells=tuple(cells))


def rounded(value: Any) -> Any:
    """The same with numbers of six digits."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def levels(measured: Landscape, axis: str) -> list[Any]:
    """The values of a factor, in order."""
    return sorted({cell.configuration[axis] for cell in measured.cells}, key=float)


def correlation(values: Sequence[Any], cells: Sequence[MeasuredCell], name: str) -> str:
    """Spearman's, over the cells where the number is known."""
    numbers = [cell.metrics.get(name, np.nan) for cell in cells]
    known = np.isfinite(numbers)
    if known.sum() < 3:
        return ""
    return f"{spearmanr(np.array(values)[known], np.array(numbers)[known]).statistic:.3f}"


def shown(cells: Sequence[MeasuredCell], name: str) -> str:
    """The mean over the cells where the number is known."""
    numbers = [cell.metrics.get(name, np.nan) for cell in cells]
    known = [number for number in numbers if np.isfinite(number)]
    return f"{np.mean(known):.3f}" if known else ""


if __name__ == "__main__":
    run_benchmark(main)
