"""One cell of the leaderboard: a row, trained on one set from one seed, judged on the test sets."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.cells import RESULT, Result, run_cell
from benchmarks.hardware import hardware
from benchmarks.leaderboard.rows import Network, NodeBaseline, Row
from benchmarks.leaderboard.sets import TRANSFERS, GridSets
from gnncore.storage import load_tensors, read_bytes, save_tensors
from gridstab.learning.baselines import Baseline
from gridstab.learning.data import GridDataset
from gridstab.learning.evaluation import evaluate
from gridstab.learning.tasks import TASKS
from gridstab.learning.train import train_model
from gridstab.learning.trained import TrainedModel
from gridstab.learning.training_folder import HISTORY

PREDICTIONS = "predictions.safetensors"
TASK = TASKS["snbs"]

Predict = Callable[[GridDataset], Tensor]


@dataclass(frozen=True)
class Cell:
    """A training.

    Attributes:
        row: What is trained.
        trained_on: Name of the training set.
        grids: Number of training grids.
        seed: Of the initial weights and the order of the grids.
        epochs: Largest number of epochs; 0 for baselines.
    """

    row: Row
    trained_on: str
    grids: int
    seed: int
    epochs: int

    def folder(self, out: Path) -> Path:
        """Where the cell is kept; everything that its result depends on has a part in it."""
        extent = f"{self.grids}-grids" + (f"-{self.epochs}-epochs" if self.epochs else "")
        name = self.row.name.replace("/", "-")
        cell = f"{self.trained_on}-{extent}-seed-{self.seed}"
        return out / "cells" / f"{name}-{self.row.digest}" / cell

    def run(self, sets: GridSets, out: Path) -> Result | None:
        """The result, from the disk where it is there for these test sets."""
        evaluated = [b for a, b in TRANSFERS if a == self.trained_on and b in sets.testable]
        labels = {name: sets.labels_hash(name) for name in evaluated}

        def work(folder: Path) -> Result:
            predict, facts = self._train(sets, folder)
            tests = {name: sets.test(name, self.row.model.features) for name in evaluated}
            predictions = {name: predict(test) for name, test in tests.items()}
            save_tensors(
                folder / PREDICTIONS,
                {name: each.numpy().astype(np.float32) for name, each in predictions.items()},
            )
            return {
                "row": self.row.name,
                "digest": self.row.digest,
                "trained_on": self.trained_on,
                "grids": self.grids,
                "seed": self.seed,
                **facts,
                "metrics": {
                    name: evaluate(predictions[name], test, TASK) for name, test in tests.items()
                },
                "labels": labels,
                "processor": hardware()["processor"],
            }

        return run_cell(self.folder(out), work, lambda result: result["labels"] == labels)

    def _train(self, sets: GridSets, folder: Path) -> tuple[Predict, Result]:
        model = self.row.model
        if isinstance(model, NodeBaseline):
            return _fit_baseline(model, sets.train(self.trained_on, model.features), self.seed)
        trained = train_network(
            model,
            sets.paths[self.trained_on],
            folder / "training",
            train_grids=self.grids,
            epochs=self.epochs,
            seed=self.seed,
        )
        seconds = epoch_seconds(folder / "training")
        return trained.predict, {
            "parameters": trained.model.num_parameters,
            "epochs": len(seconds),
            "planned_epochs": self.epochs,
            "full_epochs": model.settings.epochs,
            "best_epoch": trained.metrics["best_epoch"],
            "seconds": sum(seconds),
            "validation": trained.metrics["valid"],
        }


def train_network(
    network: Network, data: str, out: Path, *, train_grids: int, epochs: int, seed: int
) -> TrainedModel:
    """Train in a folder, or go on with what is there."""
    settings = network.settings.model_dump() | {"epochs": epochs, "seed": seed}
    return train_model(
        network.specification,
        data,
        out,
        features=network.features,
        train_grids=train_grids,
        augment=network.augment,
        sign_invariant=network.sign_invariant,
        clip=network.clip,
        resume=True,
        **settings,
    )


def epoch_seconds(folder: Path) -> list[float]:
    """Seconds that each epoch of a training took, validation included."""
    rows = [json.loads(line) for line in read_bytes(folder / HISTORY).splitlines()]
    return [row["training_seconds"] + row["validation_seconds"] for row in rows]


def plan_epochs(
    row: Row, trained_on: str, sets: GridSets, out: Path, *, cap: int | None, minutes: float | None
) -> int:
    """Epochs of a row that fit into a budget: those of its settings, or fewer.

    Args:
        row: What will be trained.
        trained_on: On which set.
        sets: Where the set is.
        out: Where the measured speed is kept, so that all seeds get the same number.
        cap: Largest number of epochs.
        minutes: Time of a training; needs an epoch to be measured first.
    """
    if isinstance(row.model, NodeBaseline):
        return 0
    network, grids = row.model, sets.sizes(trained_on)["train"]
    epochs = min(network.settings.epochs, cap or network.settings.epochs)
    if minutes is None:
        return epochs

    def measure(_: Path) -> Result:
        with TemporaryDirectory() as scratch:
            folder = Path(scratch) / "training"
            train_network(
                network, sets.paths[trained_on], folder, train_grids=grids, epochs=2, seed=0
            )
            return {"seconds": min(epoch_seconds(folder))}

    name = f"{row.name.replace('/', '-')}-{row.digest}/{trained_on}-{grids}-grids"
    speed = run_cell(out / "speeds" / name, measure)
    if speed is None:  # another process measures it; its number will be nearly the same
        speed = measure(out)
    return max(1, min(epochs, int(60 * minutes / speed["seconds"])))


def ensemble(
    folders: list[Path], evaluated: list[str], sets: GridSets, out: Path
) -> tuple[str, Result] | None:
    """The mean of several cells' predictions, judged; it is a cell as well.

    Returns:
        Its folder below ``out`` and its result, with ``metrics`` by test set. None if it is not
        there yet, and predictions that it needs are not there either.
    """
    members = sorted(str(folder.relative_to(out)) for folder in folders)
    labels = {name: sets.labels_hash(name) for name in evaluated}
    digest = hashlib.sha256(" ".join([*members, *labels.values()]).encode()).hexdigest()[:16]
    name = f"ensembles/{digest}"

    def work(_: Path) -> Result:
        predictions = [load_tensors(folder / PREDICTIONS) for folder in folders]
        metrics = {
            name: evaluate(
                torch.from_numpy(np.mean([one[name] for one in predictions], axis=0)),
                sets.test(name),
                TASK,
            )
            for name in evaluated
        }
        return {"members": members, "labels": labels, "metrics": metrics}

    known = all((folder / PREDICTIONS).is_file() for folder in folders)
    if not known and not (out / name / RESULT).is_file():
        return None
    result = run_cell(out / name, work)
    return None if result is None else (name, result)


def _fit_baseline(
    baseline: NodeBaseline, train_set: GridDataset, seed: int
) -> tuple[Predict, dict[str, Any]]:
    start = time.perf_counter()
    fitted = Baseline(baseline.name, TASK, seed=seed).fit(train_set)
    facts = {"parameters": None, "epochs": None, "seconds": time.perf_counter() - start}
    return fitted.predict, facts
