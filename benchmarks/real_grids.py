"""Do networks that learned from random grids of 20 and 100 nodes know real power systems?

    python -m benchmarks.real_grids --rows dirac_bianconi,dirac_bianconi_sum
    python -m benchmarks.real_grids --rows dirac_bianconi --kept-aside --samples 32 --sampler sobol

The trainings of the leaderboard are judged on MATPOWER cases with generators and consumers at
random buses, whose labels are simulated on first use (about ten minutes). Texas is not among them:
these cases are there to choose features and settings by, and Texas is a test.

``--kept-aside`` judges on others, by which nothing was chosen: six more cases of 30 to 1,354 buses
and five further draws of the powers of Texas (:mod:`benchmarks.leaderboard.kept_aside`). Look at
them once, when all is chosen; their labels take hours.
"""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from benchmarks.cells import RESULT, Result, restore_cells, run_cell
from benchmarks.hardware import ROOT
from benchmarks.leaderboard.kept_aside import kept_aside
from benchmarks.leaderboard.rows import Network, choose_rows
from benchmarks.leaderboard.sets import PACKAGED, TRAINING_SETS, GridSets, write_tiny_sets
from benchmarks.leaderboard.tables import Entry, collect
from benchmarks.leaderboard.training import TASK, Cell
from benchmarks.options import numbers_of
from benchmarks.results import SCRATCH, Report, known_cells, spread
from benchmarks.running import run_benchmark
from gnncore import metrics
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.run import run_campaign
from gridstab.errors import InvalidParameterError
from gridstab.learning.data import GridDataset, load_grid_dataset
from gridstab.learning.evaluation import evaluate
from gridstab.learning.trained import TrainedModel

CASES = {
    "case118": "IEEE 118",
    "case300": "IEEE 300",
    "case_ACTIVSg200": "Illinois 200",
    "case_ACTIVSg500": "South Carolina 500",
}
"""What is judged on, and what tables call it."""

TRAINED_ON = {
    "ds20": "grids of 20 nodes",
    "ds20_large": "as many grids of 20 nodes as published",
    "ds100": "grids of 100 nodes",
    "ds100_large": "as many grids of 100 nodes as published",
}

DEFAULT_ROWS = (
    "dirac_bianconi,dirac_bianconi_sum,dirac_bianconi_4_steps,dirac_bianconi_8_steps,"
    "dirac_bianconi_sum_4_steps,dirac_bianconi_sum_global_features,"
    "dirac_bianconi_parametric_8_steps,dirac_bianconi_parametric_nodes_8_steps"
)


def main(
    rows: Annotated[str, typer.Option(help="Rows of the leaderboard; with commas.")] = DEFAULT_ROWS,
    samples: Annotated[int, typer.Option(help="Perturbations a node.", min=1)] = 100,
    sampler: Annotated[str, typer.Option(help="mc, or sobol, which needs fewer samples.")] = "mc",
    seeds: Annotated[str, typer.Option(help="Seeds of the cases' powers; with commas.")] = "3,4",
    only: Annotated[
        str | None, typer.Option(help="Some of the columns by their names; with semicolons.")
    ] = None,
    trainings: Annotated[Path, typer.Option(help="What the leaderboard was told as --out.")] = ROOT
    / "runs"
    / "leaderboard",
    workers: Annotated[int, typer.Option(help="Processes that simulate.", min=1)] = 2,
    aside: Annotated[
        bool, typer.Option("--kept-aside", help="Judge on what no choice has looked at.")
    ] = False,
    restore: Annotated[
        bool, typer.Option(help="Begin with what the committed result files hold.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A tiny training, to see that it runs.")] = False,
) -> None:
    """Judge the trainings of the leaderboard on real power systems."""
    with TemporaryDirectory() as scratch:
        cases = list(CASES)
        sets = GridSets(dict(PACKAGED))
        if quick:
            rows, samples, seeds, cases = "dirac_bianconi", 2, "3", ["case118"]
            trainings, sets = Path(scratch), GridSets(write_tiny_sets(Path(scratch)))
            Cell(choose_rows(rows)[0], "ds20", 4, seed=1, epochs=1).run(sets, trainings)
        order = [row.name for row in choose_rows(rows) if isinstance(row.model, Network)]
        if restore:
            for benchmark in ("grid_leaderboard", "kept_aside_grids" if aside else "real_grids"):
                restore_cells(trainings, known_cells(benchmark))
        entries = [entry for entry in collect(trainings, sets) if entry.row.name in order]
        columns = {
            f"{CASES[case]}, {seed}": (case, seed)
            for case in cases
            for seed in numbers_of(seeds, "seeds")
        }
        if aside:
            columns = dict(list(kept_aside().items())[: 1 if quick else None])
        if only is not None:
            columns = _chosen(columns, only)
        on = "kept aside" if aside else seeds
        # What is not as by default has a part in the digests; the old ones stay as they are.
        asked = " ".join([on, *([sampler] if sampler != "mc" else []), *([only] if only else [])])
        cells = {cell_of(entry, trainings, samples, asked): entry for entry in entries}
        cells = {
            cell: entry
            for cell, entry in cells.items()
            if (trainings / cell / RESULT).is_file() or all(map(has_model, entry.folders))
        }

        def work(entry: Entry) -> Result:
            folders = {
                name: labelled(case, seed, samples, workers, sampler)
                for name, (case, seed) in columns.items()
            }
            return judge(entry, folders)

        report = Report(
            "kept_aside_grids" if aside else "real_grids",
            "Real power systems, kept aside" if aside else "Real power systems",
            quick=quick,
        )
        judged = {}
        for cell, entry in cells.items():
            record = run_cell(trainings / cell, lambda _, entry=entry: work(entry))
            if record is not None:
                judged[cell] = record
        for trained_on in TRAINING_SETS:
            chosen = [one for one in judged.values() if one["trained_on"] == trained_on]
            chosen.sort(key=lambda one: order.index(one["row"]))
            if chosen:
                report.table(
                    f"Trained on {TRAINED_ON[trained_on]}: R²",
                    ["model", *columns],
                    [
                        *(line for record in chosen for line in lines(record, list(columns))),
                        *ceiling(chosen, list(columns)),
                    ],
                )
        report.say(
            f"Columns are cases and seeds of the powers, ±1 at random; {samples} samples a node"
            f"{', of Sobol sequences' if sampler == 'sobol' else ''}. "
            "± is the standard deviation over trainings."
        )
        report.save(
            {"samples": samples, "sampler": sampler, "seeds": on, "only": only},
            {"cells": judged},
            json,
        )


def _chosen(columns: dict[str, tuple[str, int]], names: str) -> dict[str, tuple[str, int]]:
    """Some of the columns.

    Raises:
        InvalidParameterError: A name that no column has.
    """
    chosen = [name.strip() for name in names.split(";")]
    for name in chosen:
        if name not in columns:
            raise InvalidParameterError(
                f"there is no column {name!r}; choose from {'; '.join(columns)}"
            )
    return {name: columns[name] for name in chosen}


def cell_of(entry: Entry, trainings: Path, samples: int, seeds: str) -> str:
    """Folder of what a row is worth on these cases, below that of the trainings."""
    members = sorted(str(folder.relative_to(trainings)) for folder in entry.folders)
    digest = hashlib.sha256(" ".join([*members, str(samples), seeds]).encode()).hexdigest()[:16]
    return f"real_grids/{digest}"


def has_model(folder: Path) -> bool:
    """Whether the trained model of a cell is kept, which those done elsewhere lack."""
    return (folder / "training").is_dir()


def labelled(case: str, seed: int, samples: int, workers: int, sampler: str = "mc") -> Path:
    """The run folder of a case; simulated, or continued, if it is not complete."""
    campaign = Campaign.resolve(
        None, case=case, grids=1, samples=samples, seed=seed, sampler=sampler
    )
    points = "samples" if sampler == "mc" else f"{sampler}-samples"
    folder = SCRATCH / "real_grids" / f"{case}-{samples}-{points}-seed-{seed}"
    run_campaign(campaign, folder, workers=workers, resume=True)
    return folder


def judge(entry: Entry, folders: dict[str, Path]) -> Result:
    """R² of every training of a row on every case, and that of the mean of their predictions."""
    features = entry.row.model.features
    models = [TrainedModel.load(folder / "training") for folder in entry.folders]
    sets = {name: load_grid_dataset(str(path), features=features) for name, path in folders.items()}
    predictions = {name: [model.predict(one) for model in models] for name, one in sets.items()}
    scores = {
        name: [evaluate(each, sets[name], TASK) for each in some]
        for name, some in predictions.items()
    }
    return {
        "row": entry.row.name,
        "trained_on": entry.trained_on,
        "trainings": {name: [float(each["r2"]) for each in some] for name, some in scores.items()},
        "ensemble": {
            name: r2(torch.stack(some).mean(0), sets[name]) for name, some in predictions.items()
        },
        "with_power": {
            name: [r2_with_power(each, sets[name]) for each in some]
            for name, some in predictions.items()
        },
        "ceilings": {name: float(some[0]["r2_ceiling"]) for name, some in scores.items()},
    }


def r2(prediction: Tensor, labels: GridDataset) -> float:
    """R² against simulated labels."""
    return float(evaluate(prediction, labels, TASK)["r2"])


def r2_with_power(prediction: Tensor, labels: GridDataset) -> float:
    """R² at the nodes with power: a grid of an odd number of nodes has one without, and grids that
    were learnt from have none."""
    has_power = torch.from_numpy(np.concatenate([g.power != 0 for g in labels.power_grids()]))
    label = torch.cat([data["y"] for data in labels])
    return metrics.r2(prediction[has_power], label[has_power])


def lines(record: Result, columns: list[str]) -> list[list[str]]:
    """The lines of a row: its trainings, and their ensemble if there are several."""
    trainings = record["trainings"]
    count = len(trainings[columns[0]])
    found = [[record["row"], *(spread(trainings[name]) for name in columns)]]
    if count > 1:
        means = [f"{record['ensemble'][name]:.3f}" for name in columns]
        found.append([f"{record['row']}, mean of {count}", *means])
    with_power = record.get("with_power") or trainings
    if with_power != trainings:
        values = [spread(with_power[name]) for name in columns]
        found.append([f"{record['row']}, nodes with power", *values])
    return found


def ceiling(records: list[Result], columns: list[str]) -> list[list[str]]:
    """The line of what the noise of the labels allows, where a record says it."""
    for record in records:
        if "ceilings" in record:
            values = [f"{record['ceilings'][name]:.3f}" for name in columns]
            return [["ceiling of label noise", *values]]
    return []


if __name__ == "__main__":
    run_benchmark(main)
