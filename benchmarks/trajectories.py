"""Histories from weights alone: order, trainings, parents, and an alarm when the data shift.

    python -m benchmarks.trajectories             measure what is missing, print all tables
    python -m benchmarks.trajectories --restore   begin with the cells of the result file
    python -m benchmarks.trajectories --quick     few trainings, to see that it runs

All networks are trained here, on the 8 × 8 digits and, transformers in two stages, on images of
MNIST; none was used to choose anything.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks import trajectory_cells as cells
from benchmarks.cells import Result, restore_cells, run_cell
from benchmarks.results import SCRATCH, Report, known_cells
from benchmarks.running import run_benchmark

NAME = "trajectories"

CELLS: dict[str, Callable[[bool], Result]] = {
    "order": cells.orders,
    "separation": cells.separations,
    "parentage": cells.parents,
    "transformers": cells.transformer_parents,
    "alarm": cells.alarms,
}


def main(
    restore: Annotated[bool, typer.Option(help="Begin with what the result file holds.")] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Few trainings, to see that it runs.")] = False,
) -> None:
    """Measure every cell that is missing, and print the tables."""
    torch.set_num_threads(1)
    root = SCRATCH / (f"{NAME}-quick" if quick else NAME)
    if restore:
        restore_cells(root, known_cells(NAME))
    report = Report(NAME, "Histories of networks from their weights alone", quick=quick)
    found: dict[str, Any] = {}
    for name, measure in CELLS.items():
        result = run_cell(root / name, lambda _, measure=measure: measure(quick))
        if result is not None:
            found[name] = result
            report.table(result["title"], result["columns"], result["rows"])
    report.save({"data": "digits, and mnist_5000 of transformers"}, {"cells": found}, json)


if __name__ == "__main__":
    run_benchmark(main)
