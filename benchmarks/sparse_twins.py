"""What is lost by pruning populations, and what is gained by taking out what is dead?

    python -m benchmarks.sparse_twins

A zoo of digits whose networks differ in activation, rate, decay and amount of data, and therefore
in how good they are, is trained for 50 epochs, as published, and pruned by magnitude and by
variational dropout to several sparsities; both have 25 further epochs. Then whole channels of
larger networks, and of every architecture of the coverage corpus, are set to zero, and the networks
compacted; with ``--real`` those that others trained, too.
"""

import math
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.cells import finished_cells, restore_cells, run_cell
from benchmarks.compaction_cells import (
    STRUCTURED,
    compaction_cells,
    draw_compaction,
    show_compaction,
)
from benchmarks.results import SCRATCH, Report, known_cells
from benchmarks.running import run_benchmark
from graphwsl.sparsification import sparsify, summarise_twins
from graphwsl.sparsification.twins import METHODS
from graphwsl.zoo import train_zoo
from graphwsl.zoo.recipe import Recipe

NAME = "sparse_twins"
SPARSITIES = {"magnitude": (0.5, 0.8, 0.9, 0.95), "variational_dropout": (0.5, 0.9)}
"""What each method is measured at; the second takes longer."""
GRID: dict[str, Any] = {
    "activation": ["tanh", "relu"],
    "learning_rate": [1e-2, 3e-3],
    "weight_decay": [0.0, 1e-3],
    "data_fraction": [0.15, 0.4, 1.0],
}
"""Of these factors of ``digits_hyperparameters`` come networks that learn, well or less well."""


def main(
    seeds: Annotated[int, typer.Option(help="Networks of every point of the grid.", min=1)] = 2,
    width: Annotated[int, typer.Option(help="Channels of their layers.", min=1)] = 16,
    epochs: Annotated[int, typer.Option(help="Epochs of the training.", min=1)] = 50,
    tuning: Annotated[int, typer.Option(help="Epochs after pruning.", min=0)] = 25,
    real: Annotated[
        bool, typer.Option("--real", help="Compact real networks; about 320 MB are downloaded.")
    ] = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="Begin with the cells of the result file.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw how time falls with dead channels, and nothing else.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="A minute, to see that it runs.")] = False,
) -> None:
    """Prune a zoo by both methods, and compact networks with dead channels."""
    if picture is not None:
        torch.set_num_threads(1)
        draw_compaction(picture)
        return
    sparsities, grid = SPARSITIES, GRID
    if quick:
        seeds, width, epochs, tuning = 3, 4, 1, 2
        sparsities = dict.fromkeys(METHODS, (0.5, 0.8))
        grid = {"activation": ["tanh"]}
    networks = seeds * math.prod(map(len, grid.values()))
    settings: dict[str, Any] = {
        "grid": grid,
        "seeds": seeds,
        "width": width,
        "epochs": epochs,
        "tuning": tuning,
        "structured": STRUCTURED,
    }
    of_method = {method: {**settings, "sparsities": list(sparsities[method])} for method in METHODS}
    folder = SCRATCH / NAME / ("quick" if quick else "whole")
    if restore:
        restore_cells(folder / "cells", known_cells(NAME))
    torch.set_num_threads(1)
    report = Report(NAME, f"Sparse twins of {networks} networks of the digits", quick=quick)
    for method in METHODS:
        run_cell(
            folder / "cells" / method,
            lambda cell, method=method: _twins(cell, folder / "zoo", method, of_method[method]),
            lambda result, method=method: result["settings"] == of_method[method],
        )
    for name, work in compaction_cells(quick, real).items():
        run_cell(folder / "cells" / name, lambda cell, work=work: work())
    cells = {path.name: result for path, result in finished_cells(folder / "cells")}
    _tables(report, cells)
    report.save({**settings, "sparsities": sparsities}, {"cells": cells}, json)


def _twins(cell: Path, zoo: Path, method: str, settings: dict[str, Any]) -> dict[str, Any]:
    recipe = Recipe.resolve(
        "digits_hyperparameters",
        epochs=settings["epochs"],
        keep=[settings["epochs"]],
        seeds=settings["seeds"],
        grid=settings["grid"],
    ).model_dump()
    fixed = {**recipe["fixed"], "width": settings["width"]}
    train_zoo(Recipe.of({**recipe, "fixed": fixed, "sample": None}), zoo, workers=1, resume=True)
    made = sparsify(
        zoo,
        cell / "zoo",
        method=method,
        sparsity=settings["sparsities"],
        epochs=settings["tuning"],
        resume=True,
    )
    rows = [vars(row) for row in summarise_twins(made.zoo)]
    # JSON has no NaN.
    rows = [{**row, "correlation": _number(row["correlation"])} for row in rows]
    return {"settings": settings, "rows": rows, "seconds": made.seconds}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _tables(report: Report, cells: dict[str, Any]) -> None:
    rows = [
        [
            method.replace("_", " "),
            f"{row['sparsity']:.1%}",
            f"{row['original_accuracy']:.2%}",
            f"{row['accuracy']:.2%}",
            f"{row['points_lost']:.2f}",
            f"{row['agreement']:.1%}",
            "" if row["correlation"] is None else f"{row['correlation']:.2f}",
        ]
        for method in METHODS
        if method in cells
        for row in cells[method]["rows"]
    ]
    columns = ["method", "sparsity", "original", "twin", "points lost", "agreement", "correlation"]
    report.table("Test accuracy after tuning", columns, rows)
    show_compaction(report, cells)


if __name__ == "__main__":
    run_benchmark(main)
