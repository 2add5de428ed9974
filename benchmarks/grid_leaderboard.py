"""Who predicts the stability of power grids best: published models, baselines, and ours.

    python -m benchmarks.grid_leaderboard --rows ours,published --seeds 3 --budget 10
    python -m benchmarks.grid_leaderboard --rows dirac_bianconi --train-on ds20_large

Every model is trained on grids of 20 and of 100 nodes from several seeds, 700 of them or the
published number of 7,000 (``ds20_large`` and ``ds100_large``). Its epoch is chosen by R² on the
validation grids, and it is judged on test grids of both sizes and of Texas. The splits are fixed by
the numbers of the grids. Trainings are kept in ``--out`` and never repeated, so the program may be
killed at any time and started again, also several times at once; ``--restore`` begins with the
numbers of the result file that comes with this project.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.cells import restore_cells, time_warning
from benchmarks.hardware import ROOT
from benchmarks.leaderboard.rows import Row, choose_rows
from benchmarks.leaderboard.sets import PACKAGED, TRAINING_SETS, GridSets, write_tiny_sets
from benchmarks.leaderboard.tables import collect, cut_warning, mix, record, write_tables
from benchmarks.leaderboard.training import Cell, plan_epochs
from benchmarks.options import names_of
from benchmarks.results import Report, console, known_cells
from benchmarks.running import run_benchmark
from gnncore.errors import GnncoreError
from gridstab.errors import GridstabError

QUICK_ROWS = "dirac_bianconi,small_tag,ridge/published_measures,mlp/operating_point,mean"


def main(
    rows: Annotated[
        str, typer.Option(help="Names of rows, or ours, published, baselines, all; with commas.")
    ] = "all",
    seeds: Annotated[int, typer.Option(help="Trainings of every row on every set.", min=1)] = 3,
    train_on: Annotated[str, typer.Option(help="Training sets; with commas.")] = "ds20,ds100",
    ds20: Annotated[
        str, typer.Option(help="Grids of 20 nodes: a folder or a packaged set.")
    ] = "ds20",
    ds100: Annotated[str, typer.Option(help="Grids of 100 nodes.")] = "ds100",
    ds20_large: Annotated[
        str, typer.Option(help="Grids of 20 nodes, as many as published.")
    ] = PACKAGED["ds20_large"],
    ds100_large: Annotated[
        str, typer.Option(help="Grids of 100 nodes, as many as published.")
    ] = PACKAGED["ds100_large"],
    texas: Annotated[str, typer.Option(help="The grid of Texas, which is only a test.")] = "texas",
    grids: Annotated[int | None, typer.Option(help="Training grids at most.", min=1)] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs at most; tables say what was cut.", min=1)
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Minutes a training at most; cuts epochs as well.", min=0)
    ] = None,
    out: Annotated[Path, typer.Option(help="Where trainings are kept.")] = ROOT
    / "runs"
    / "leaderboard",
    collect_only: Annotated[
        bool, typer.Option(help="Train nothing, only write the tables.")
    ] = False,
    restore: Annotated[
        bool, typer.Option(help="Begin with what the committed result file holds.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Tiny made-up grids, to see that it runs.")] = False,
) -> None:
    """Train what is not trained yet, and rank everything that is."""
    with TemporaryDirectory() as scratch:
        paths = {
            "ds20": ds20,
            "ds20_large": ds20_large,
            "ds100": ds100,
            "ds100_large": ds100_large,
            "texas": texas,
        }
        if quick:
            rows, seeds, epochs, out = QUICK_ROWS, 2, epochs or 2, Path(scratch) / "cells"
            paths = write_tiny_sets(Path(scratch))
        sets = GridSets(paths, grids)
        chosen, learnt = choose_rows(rows), names_of(train_on, TRAINING_SETS, "training set")
        report = Report("grid_leaderboard", "Leaderboard of basin stability", quick=quick)
        if restore:
            restore_cells(out, known_cells("grid_leaderboard"))
        failures: list[str] = []
        if not collect_only:
            cells = _cells(chosen, learnt, seeds, sets)
            failures = _train(cells, sets, out, epochs, budget)
        entries = collect(out, sets)
        mixtures = mix(entries, sets, out)
        write_tables(report, entries, mixtures, sets)
        notes = [
            *sets.describe(),
            "± is the standard deviation over seeds; minutes are those of one training. The best "
            "epoch is chosen on validation grids only.",
            *failures,
            *cut_warning(entries),
            *time_warning(report.record),
        ]
        for note in notes:
            report.say(note.replace(f"{ROOT}/", ""))
        report.save(
            {"rows": rows, "seeds": seeds, "epochs": epochs, "budget": budget, "grids": grids},
            {"cells": record(entries, mixtures, out)},
            json,
        )


def _cells(
    rows: list[Row], train_on: list[str], seeds: int, sets: GridSets
) -> list[tuple[int, Row, str]]:
    """Seed, row and training set. Seeds last: stopped early, all rows have the same number."""
    return [
        (seed, row, name)
        for seed in range(1, seeds + 1)
        for row in rows
        for name in train_on
        if name in sets.trainable and (seed == 1 or row.is_random)
    ]


def _train(
    cells: list[tuple[int, Row, str]],
    sets: GridSets,
    out: Path,
    epochs: int | None,
    budget: float | None,
) -> list[str]:
    """Train what is not trained yet; a sentence on everything that failed."""
    failures = []
    try:
        for number, (seed, row, name) in enumerate(cells, 1):
            what = f"{row.name} on {name}, seed {seed}"
            console.print(f"{number}/{len(cells)} {what}")
            try:
                planned = plan_epochs(row, name, sets, out, cap=epochs, minutes=budget)
                Cell(row, name, sets.sizes(name)["train"], seed, planned).run(sets, out)
            except (GnncoreError, GridstabError) as error:
                failures.append(f"{what}, failed: {error}.")
    except KeyboardInterrupt:
        console.print("interrupted; the tables show what is there")
    return failures


if __name__ == "__main__":
    run_benchmark(main)
