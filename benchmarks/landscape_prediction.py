"""Can a network draw stability landscapes, and is the basin stability in them as good as directly?

    python -m benchmarks.landscape_prediction --grids 1000 --epochs 40 --seeds 1

Landscapes of grids of 20 nodes are simulated with several trajectories in every pixel, the default
network learns to draw them (task ``landscape``) and, on the same labels, to predict basin stability
directly (task ``snbs``); both are judged on unseen grids of 20 and of 100 nodes. Simulations and
trainings are kept in ``--out`` and never repeated, so the program may be killed at any time and
started again;
``--restore`` begins with the numbers of the result file that comes with this project.
"""

from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer

from benchmarks.cells import Result, restore_cells, run_cell, time_warning
from benchmarks.options import names_of
from benchmarks.results import SCRATCH, Report, console, known_cells, spread
from benchmarks.running import run_benchmark
from gnncore.storage import read_json_lines
from gridstab.counted import counted
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.landscape_run import run_landscapes
from gridstab.datasets.layouts.landscapes import (
    PublishedLandscapes,
    export_landscapes,
    write_landscapes,
)
from gridstab.grids.growth import random_grid
from gridstab.learning.data import load_grid_dataset
from gridstab.learning.evaluation import evaluate
from gridstab.learning.train import train_model
from gridstab.learning.trained import TrainedModel

NAME = "landscape_prediction"
TASKS = {"landscape": "landscapes, and SNBS in them", "snbs": "SNBS directly"}
"""What is learnt, and what tables call it."""

COLUMNS = {
    "ssim": "SSIM",
    "pixel_r2": "R² of pixels",
    "snbs_r2": "R² of SNBS",
    "snbs_mae": "error of SNBS",
}
"""Metrics of the table; those of SNBS have no prefix where it is predicted directly."""


def main(
    grids: Annotated[
        int, typer.Option(help="Grids of 20 nodes: 70 % to learn from.", min=1)
    ] = 1000,
    tests: Annotated[
        int, typer.Option(help="Other grids of 20 nodes, all of them a test.", min=1)
    ] = 60,
    others: Annotated[int, typer.Option(help="Grids of 100 nodes, all of them a test.", min=1)] = 5,
    resolution: Annotated[int, typer.Option(help="Pixels along each axis.", min=1)] = 20,
    per_pixel: Annotated[
        int, typer.Option(help="Trajectories along each axis of a pixel, to learn from.", min=1)
    ] = 2,
    per_test_pixel: Annotated[int, typer.Option(help="The same of the tests.", min=1)] = 4,
    epochs: Annotated[int | None, typer.Option(help="Of every training.", min=1)] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of every task.", min=1)] = 3,
    tasks: Annotated[str, typer.Option(help="With commas.")] = ",".join(TASKS),
    out: Annotated[Path, typer.Option(help="Where everything is kept.")] = SCRATCH / NAME,
    workers: Annotated[int, typer.Option(help="Threads that simulate.", min=1)] = 2,
    restore: Annotated[
        bool, typer.Option(help="Begin with what the committed result file holds.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Tiny made-up images, to see that it runs.")] = False,
) -> None:
    """Simulate, train and judge what is not there yet, and show everything."""
    with TemporaryDirectory() as scratch:
        learnt = names_of(tasks, TASKS, "task")
        if quick:
            grids, tests, others, resolution, epochs, seeds, out = 10, 2, 2, 8, 2, 2, Path(scratch)
        own = Labels(out, 20, grids, resolution, per_pixel, seed=0)
        # Sets have seeds of their own, so that no grid of one is in another.
        judges = {
            "20": Labels(out, 20, tests, resolution, per_test_pixel, seed=2),
            "100": Labels(out, 100, others, resolution, per_test_pixel, seed=1),
        }
        if quick:
            for number, labels in enumerate((own, *judges.values())):
                nodes = 8 + 2 * number
                made = (made_up(k, nodes, resolution) for k in range(1, labels.grids + 1))
                write_landscapes(labels.place, made)
        report = Report(NAME, "Landscapes, predicted", quick=quick)
        if restore:
            restore_cells(out, known_cells(NAME))
        results: dict[str, Result] = {}
        for seed in range(1, seeds + 1):
            for task in learnt:
                length = f"{epochs or 'all'}-epochs"
                cell = f"{task}/{own.name}-{tests}-{others}-tests-{length}-seed-{seed}"
                console.print(cell)

                def work(folder: Path, task: str = task, seed: int = seed) -> Result:
                    places = {nodes: labels.simulated(workers) for nodes, labels in judges.items()}
                    learnt = own.simulated(workers)
                    return train_and_judge(folder / "model", task, learnt, places, seed, epochs)

                found = run_cell(out / cell, work)
                if found is not None:
                    results[cell] = found
    show(report, list(results.values()), resolution, per_pixel, per_test_pixel)
    settings = {"grids": grids, "tests": tests, "others": others, "resolution": resolution}
    settings |= {"per_pixel": per_pixel, "per_test_pixel": per_test_pixel}
    report.save(settings | {"epochs": epochs, "seeds": seeds}, {"cells": results}, json)


@dataclass(frozen=True)
class Labels:
    """Landscapes of random grids, simulated finer than they are learnt from.

    Attributes:
        out: Where everything is kept.
        nodes: Nodes of a grid.
        grids: How many grids.
        resolution: Pixels along each axis.
        per_pixel: Trajectories along each axis of a pixel.
        seed: Seed of the grids.
    """

    out: Path
    nodes: int
    grids: int
    resolution: int
    per_pixel: int
    seed: int

    @property
    def name(self) -> str:
        """What is different in another set."""
        return (
            f"{self.nodes}-nodes-{self.grids}-grids-{self.resolution}-pixels-of-"
            f"{self.per_pixel**2}-seed-{self.seed}"
        )

    @property
    def place(self) -> Path:
        """The folder of the images, in the published layout."""
        published = self.out / "labels" / self.name / "published"
        return published / f"num_sections_{self.resolution}" / f"ds{self.nodes}"

    def simulated(self, workers: int) -> Path:
        """The same, simulated or continued unless the images are there."""
        folder = self.out / "labels" / self.name
        if not (folder / "published").exists():
            campaign = Campaign.resolve(nodes=self.nodes, grids=self.grids, seed=self.seed)
            resolution = self.resolution * self.per_pixel
            run = folder / "simulated"
            run_landscapes(campaign, run, resolution=resolution, workers=workers, resume=True)
            rmtree(folder / "unfinished", ignore_errors=True)
            export_landscapes(run, folder / "unfinished", self.resolution)
            (folder / "unfinished").rename(folder / "published")
        return self.place


def train_and_judge(
    folder: Path, task: str, own: Path, judges: dict[str, Path], seed: int, epochs: int | None
) -> Result:
    """One training, judged on all grids of other sets."""
    train_model("default", own, folder, task=task, seed=seed, epochs=epochs, resume=True)
    model = TrainedModel.load(folder)
    history = list(read_json_lines(folder / "history.jsonl"))
    tests = {
        nodes: load_grid_dataset(place, features=model.features, target=model.task.target)
        for nodes, place in judges.items()
    }
    judged = {
        nodes: evaluate(model.predict_with_range(test)[0], test, model.task)
        for nodes, test in tests.items()
    }
    return {
        "task": task,
        "seed": seed,
        "train_grids": model.config.data.grids["train"],
        "test_grids": {nodes: len(test) for nodes, test in tests.items()},
        "parameters": model.model.num_parameters,
        "epochs": len(history),
        "best_epoch": model.metrics["best_epoch"],
        "seconds": sum(row["training_seconds"] + row["validation_seconds"] for row in history),
        "metrics": judged,
    }


def made_up(number: int, nodes: int, size: int) -> PublishedLandscapes:
    """Discs that grow with the degree of a node, to see that the program runs."""
    grid = random_grid(nodes, seed=number)
    centre = (2 * np.arange(size) + 1) / size - 1
    radius = 0.5 + 0.1 * grid.degree[:, None, None]
    lost = (np.hypot(centre[:, None], centre[None, :]) > radius).astype(np.float64)
    return PublishedLandscapes(number, grid, lost, np.ones(lost.shape))


def show(
    report: Report, results: list[Result], resolution: int, per_pixel: int, per_test_pixel: int
) -> None:
    """One table for both tests, and what else there is to say."""
    lines = []
    for task, title in TASKS.items():
        found = [result for result in results if result["task"] == task]
        for nodes in ("20", "100"):
            if found:
                cells = [values_of(found, nodes, name) for name in COLUMNS]
                minutes = mean(result["seconds"] for result in found) / 60
                lines.append([f"{title}, tested on {nodes} nodes", *cells, f"{minutes:.1f}"])
    report.table(
        f"Trained on grids of 20 nodes, images of {resolution} × {resolution} pixels",
        ["model", *COLUMNS.values(), "minutes"],
        lines,
    )
    if results:
        first = results[0]
        tests, trainings = first["test_grids"], {result["seed"] for result in results}
        report.say(
            f"{first['train_grids']:,} grids to learn from, {tests['20']:,} of 20 and "
            f"{tests['100']:,} of 100 nodes to test on, {first['epochs']} epochs, "
            f"{counted(len(trainings), 'training')} of a task. Trajectories in a pixel: "
            f"{per_pixel**2} to learn from, {per_test_pixel**2} to test on."
        )
    report.say(
        "Published for 7,000 grids (arXiv:2605.23708), with about 25 random trajectories a pixel: "
        "SSIM of about 0.85, from 20 to 100 nodes 0.67; R² of SNBS 0.82 to 0.89 out of the images "
        "and 0.85 to 0.90 directly."
    )
    for sentence in time_warning(report.record):
        report.say(sentence)


def values_of(found: list[Result], nodes: str, name: str) -> str:
    """Mean and spread of a metric over the trainings; nothing where it has none."""
    metrics = [result["metrics"][nodes] for result in found]
    plain = name.removeprefix("snbs_")
    values = [one.get(name, one.get(plain) if name != plain else None) for one in metrics]
    return spread([value for value in values if value is not None])


if __name__ == "__main__":
    run_benchmark(main)
