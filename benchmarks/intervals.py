"""Do intervals on predictions hold, at home and away, and how wide are they?

    python -m benchmarks.intervals --train-on ds20 --epochs 20
    python -m benchmarks.intervals --train-on ds20_large --trainings runs/leaderboard

The default model is trained on grids of 20 or of 100 nodes and calibrated on their validation
grids. Intervals of every level are compared with the labels of the test grids of both sizes and
of Texas: those of one width, those that follow the difficulty of the nodes, and those of the
ensemble of all seeds. Trainings are kept in ``--out`` and never repeated; with ``--trainings``,
those of the leaderboard are taken.
"""

from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from torch import Tensor

from benchmarks.cells import time_warning
from benchmarks.hardware import ROOT
from benchmarks.leaderboard.rows import DEFAULT_ROW, ROWS
from benchmarks.leaderboard.sets import PACKAGED, TRANSFERS, write_tiny_sets
from benchmarks.options import names_of, shares_of
from benchmarks.results import Report, console, spread
from benchmarks.running import run_benchmark
from gridstab.errors import InvalidParameterError
from gridstab.learning.data import GridDataset, load_grid_dataset
from gridstab.learning.known_range import Beyond
from gridstab.learning.prediction_intervals import prediction_intervals
from gridstab.learning.train import train_model
from gridstab.learning.trained import Ensemble

Each = list[tuple[Tensor, Beyond | None]]


def main(
    train_on: Annotated[str, typer.Option(help="Training sets; with commas.")] = "ds20,ds100",
    seeds: Annotated[int, typer.Option(help="Trainings on every set.", min=1)] = 3,
    epochs: Annotated[int | None, typer.Option(help="Of every training.", min=1)] = None,
    levels: Annotated[str, typer.Option(help="Probabilities; with commas.")] = "0.8,0.9,0.95",
    out: Annotated[Path, typer.Option(help="Where trainings are kept.")] = ROOT
    / "runs"
    / "intervals",
    trainings: Annotated[
        Path | None, typer.Option(help="What the leaderboard was told as --out; trains nothing.")
    ] = None,
    row: Annotated[str, typer.Option(help="Row of the leaderboard to take.")] = DEFAULT_ROW,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Tiny made-up grids, to see that it runs.")] = False,
) -> None:
    """Train, predict, and count the labels that are where the intervals say."""
    with TemporaryDirectory() as scratch:
        paths = dict(PACKAGED)
        if quick:
            paths, out = write_tiny_sets(Path(scratch)), Path(scratch) / "trainings"
            seeds, epochs, levels = 2, 2, "0.5"
        asked = shares_of(levels, "probabilities")
        learnt = names_of(train_on, dict(TRANSFERS), "training set")
        report = Report(
            "intervals" if trainings is None else "intervals_of_leaderboard",
            "Intervals on predictions of basin stability",
            quick=quick,
        )
        rows: list[dict[str, Any]] = []
        for name in learnt:
            folders = [] if trainings is None else _of_leaderboard(trainings, row, name)
            for seed in range(1, seeds + 1) if trainings is None else ():
                console.print(f"training on {name}, seed {seed}")
                folder = out / f"{name}-{epochs or 'all'}-epochs-seed-{seed}"
                train_model("default", paths[name], folder, resume=True, seed=seed, epochs=epochs)
                folders.append(folder)
            model = Ensemble.load(*folders)
            seeds = len(folders)
            for test in [b for a, b in TRANSFERS if a == name]:
                grids = load_grid_dataset(paths[test], features=model.features, split="test")
                rows += _rows(model, grids, asked, {"trained_on": name, "tested_on": test})
    _table(report, rows, asked)
    title = "the default model" if row == DEFAULT_ROW else row
    report.say(
        "Share of the labels of the test set within their intervals, and in brackets the mean "
        f"width of the intervals; means over {seeds} trainings of {title}"
        + (f" of {epochs} epochs each." if epochs else ".")
    )
    report.say(
        "How much wider intervals are for grids of another size was chosen on the validation grids "
        "of 100 nodes with a model of 20; what the choices gave on Texas was seen, but did not "
        "decide."
    )
    for note in time_warning(report.record):
        report.say(note)
    settings = {"train_on": train_on, "seeds": seeds, "epochs": epochs, "levels": asked, "row": row}
    report.save(settings, {"rows": rows}, json)


def _of_leaderboard(trainings: Path, row: str, trained_on: str) -> list[Path]:
    """The training folders of a row on a set.

    Raises:
        InvalidParameterError: There are none.
    """
    cells = trainings / "cells" / f"{row}-{ROWS[row].digest}"
    found = sorted(cells.glob(f"{trained_on}-*/training"))
    if not found:
        raise InvalidParameterError(
            f"{str(trainings)!r} has no training of {row!r} on {trained_on!r}; run "
            f"python -m benchmarks.grid_leaderboard --rows {row} --train-on {trained_on}"
        )
    return found


def _rows(
    model: Ensemble, grids: GridDataset, levels: list[float], where: dict[str, str]
) -> list[dict[str, Any]]:
    """Coverage and width by level and kind: of every member alone, and of the ensemble."""
    label = grids.store.tensors["y"].double().numpy()
    each = model.predict_each(grids)
    rows = []
    for level in levels:
        for kind, normalised in (("one width", False), ("by difficulty", True)):
            rows += [
                _row(Ensemble((member,)), [one], label, level, normalised)
                | where
                | {"kind": kind, "seed": seed}
                for seed, (member, one) in enumerate(zip(model.members, each, strict=True), 1)
            ]
        if len(model.members) > 1:
            found = _row(model, each, label, level, True)
            rows.append(found | where | {"kind": "ensemble, by difficulty", "seed": None})
    return rows


def _row(
    model: Ensemble, each: Each, label: np.ndarray, level: float, normalised: bool
) -> dict[str, Any]:
    found = prediction_intervals(model, each, level, normalised=normalised)
    return {
        "level": level,
        "coverage": float(found.covers(label).mean()),
        "mean_width": found.mean_width,
        "validation_grids": found.grids,
    }


def _table(report: Report, rows: list[dict[str, Any]], levels: list[float]) -> None:
    lines = []
    for key in dict.fromkeys((r["trained_on"], r["tested_on"], r["kind"]) for r in rows):
        line = [f"{key[0]} to {key[1]}, {key[2]}"]
        for level in levels:
            found = [
                row
                for row in rows
                if (row["trained_on"], row["tested_on"], row["kind"]) == key
                and row["level"] == level
            ]
            width = mean(row["mean_width"] for row in found)
            line.append(f"{spread([row['coverage'] for row in found])} ({width:.3f})")
        lines.append(line)
    columns = ["trained on, tested on, width", *(f"{100 * level:g} %" for level in levels)]
    report.table("Labels within their intervals", columns, lines)


if __name__ == "__main__":
    run_benchmark(main)
