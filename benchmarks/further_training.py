"""How much do a few grids of another kind help a network that is trained already?

    python -m benchmarks.further_training

Networks of the leaderboard that learned from 7,000 grids of 100 nodes, each of which generates or
consumes, go on with some grids of 99 nodes, one of which has no power, as in real systems of an odd
number of nodes. They are judged on further such grids, at all nodes and at those without power, and
where they come from. ``--kept-aside`` judges as well on the real systems by which nothing was
chosen. The trained networks are those that ``benchmarks.grid_leaderboard`` left in
``--trainings``; the grids are simulated on first use (about ten minutes).
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.cells import Result, run_cell
from benchmarks.hardware import ROOT
from benchmarks.leaderboard.kept_aside import KEPT_ASIDE, kept_aside
from benchmarks.leaderboard.rows import Network, choose_rows
from benchmarks.leaderboard.sets import PACKAGED, GridSets, write_tiny_sets
from benchmarks.leaderboard.tables import collect
from benchmarks.leaderboard.training import Cell
from benchmarks.options import numbers_of
from benchmarks.real_grids import has_model, labelled, r2
from benchmarks.results import SCRATCH, Report, console, spread
from benchmarks.running import run_benchmark
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.run import run_campaign
from gridstab.errors import InvalidParameterError
from gridstab.learning.data import load_grid_dataset
from gridstab.learning.train import train_model
from gridstab.learning.trained import TrainedModel

CAMPAIGN = ROOT / "simulations" / "campaigns" / "ds99-without-power.toml"
TRAINED_ON = "ds100_large"


def main(
    row: Annotated[
        str, typer.Option(help="Row of the leaderboard whose trainings go on.")
    ] = "dirac_bianconi_parametric_nodes_4_layers",
    counts: Annotated[str, typer.Option(help="Numbers of grids; with commas.")] = "0,100,700",
    epochs: Annotated[int, typer.Option(help="Passes over them.", min=1)] = 10,
    rate: Annotated[float, typer.Option(help="Largest learning rate.", min=1e-9)] = 3e-4,
    trainings: Annotated[Path, typer.Option(help="What the leaderboard was told as --out.")] = ROOT
    / "runs"
    / "leaderboard",
    out: Annotated[Path, typer.Option(help="Where trainings are kept.")] = ROOT
    / "runs"
    / "further_training",
    workers: Annotated[int, typer.Option(help="Processes that simulate.", min=1)] = 2,
    aside: Annotated[
        bool,
        typer.Option("--kept-aside", help="Judge on real systems kept aside as well."),
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Tiny grids and trainings.")] = False,
) -> None:
    """Train further what is not trained yet, and compare."""
    chosen = [one for one in choose_rows(row) if isinstance(one.model, Network)]
    numbers = numbers_of(counts, "counts")
    with TemporaryDirectory() as scratch:
        sets, trained_on = GridSets(dict(PACKAGED)), TRAINED_ON
        if quick:
            numbers, epochs, trainings, out = [0, 4], 1, Path(scratch), Path(scratch) / "further"
            sets, trained_on = GridSets(write_tiny_sets(Path(scratch))), "ds20"
            Cell(chosen[0], trained_on, 4, seed=1, epochs=1).run(sets, trainings)
        folders = [
            folder / "training"
            for entry in collect(trainings, sets)
            if entry.row.name == chosen[0].name and entry.trained_on == trained_on
            for folder in entry.folders
            if has_model(folder)
        ]
        if not folders:
            raise InvalidParameterError(
                f"no network of {row} trained on {trained_on} is in {str(trainings)!r}; train some "
                "with benchmarks.grid_leaderboard"
            )
        odd = _without_power(Path(scratch) if quick else SCRATCH, workers, quick=quick)
        places = {"ds100": sets.paths["ds100"]}
        if aside:
            for name, (case, seed) in kept_aside().items():
                if case in KEPT_ASIDE:
                    places[name] = str(labelled(case, seed, 128, workers, "sobol"))
        report = Report("further_training", "Further training", quick=quick)
        found: dict[str, Result] = {}
        for count in numbers:
            for number, folder in enumerate(sorted(folders), 1):
                console.print(f"{count} grids, network {number}")

                def work(cell: Path, folder: Path = folder, count: int = count) -> Result:
                    return {"grids": count} | judge(
                        further(folder, odd, count, epochs, rate, cell), odd, places
                    )

                extent = f"{count}-grids-{epochs}-epochs-{rate:g}" + "-kept-aside" * aside
                name = f"{chosen[0].name}/{extent}-{number}"
                record = run_cell(out / name, work)
                if record is not None:
                    found[name] = record
        _table(report, found, numbers)
        report.say(
            "R² on further grids of 99 nodes and mean absolute error at their nodes without power; "
            f"R² on grids of 100 nodes. {epochs} passes, the rate is {rate:g}. ± is the standard "
            f"deviation over {len(folders)} networks."
        )
        report.save({"counts": counts, "epochs": epochs, "rate": rate}, {"cells": found}, json)


def _without_power(scratch: Path, workers: int, *, quick: bool) -> str:
    """The run folder of grids with a node without power, simulated if it is not there."""
    tiny = {"nodes": 9, "grids": 12, "samples": 8, "sampler": "mc"} if quick else {}
    folder = scratch / CAMPAIGN.stem
    run_campaign(Campaign.resolve(CAMPAIGN, **tiny), folder, workers=workers, resume=True)
    return str(folder)


def further(
    trained: Path, data: str, count: int, epochs: int, rate: float, folder: Path
) -> TrainedModel:
    """A trained network after further training on so many grids; as it was, if there are none."""
    if not count:
        return TrainedModel.load(trained)
    return train_model(
        trained,
        data,
        folder / "training",
        train_grids=count,
        epochs=epochs,
        learning_rate=rate,
        resume=True,
    )


def judge(model: TrainedModel, odd: str, places: dict[str, str]) -> Result:
    """R² on test grids with a node without power, the error at such nodes, and R² elsewhere."""
    test = load_grid_dataset(odd, features=model.features, split="test")
    predicted, _ = model.predict_with_range(test)
    others = {
        name: load_grid_dataset(place, features=model.features, split="test")
        for name, place in places.items()
    }
    bare = torch.from_numpy(np.concatenate([grid.power == 0 for grid in test.power_grids()]))
    label = test.store.tensors["y"]
    return {
        "r2": r2(predicted, test),
        "error_without_power": float((predicted - label)[bare].abs().mean()),
        "r2_of": {name: r2(model.predict_with_range(one)[0], one) for name, one in others.items()},
    }


def _table(report: Report, found: dict[str, Result], counts: list[int]) -> None:
    def rows() -> Iterator[list[str]]:
        for count in counts:
            some = [one for one in found.values() if one["grids"] == count]
            if some:
                elsewhere = [spread([one["r2_of"][name] for one in some]) for name in names]
                yield [
                    f"{count:,}",
                    spread([one["r2"] for one in some]),
                    spread([one["error_without_power"] for one in some]),
                    *elsewhere,
                ]

    names = list(next(iter(found.values()))["r2_of"]) if found else []
    titles = ["100 nodes" if name == "ds100" else name for name in names]
    report.table(
        "Further training on grids with a node without power",
        ["grids", "99 nodes", "error without power", *titles],
        list(rows()),
    )


if __name__ == "__main__":
    run_benchmark(main)
