"""Populations over temperature, width and amount of data, with their landscapes as one table.

Perceptrons learn small pictures of digits at several rates (temperature: large ones are noisy),
widths and amounts of data, three seeds each. All seeds of a cell see the same samples and labels,
as in the published populations: every amount is a data set of its own, registered here.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.cells import Result
from graphwsl.landscape import LandscapeSettings, MeasuredCell, Thresholds, measure, phase_of
from graphwsl.zoo import Recipe, open_zoo, train_zoo
from graphwsl.zoo.data import load_images, register_data
from graphwsl.zoo.data_set import DataSet

SAMPLES = 800
NOISE = 0.1
"""Share of the labels that are wrong in the noisy data, as in the published population."""


@dataclass(frozen=True)
class Grid:
    """The axes of a population.

    Attributes:
        rates: Learning rates.
        widths: Of both layers.
        shares: Of the training samples that networks see.
    """

    rates: tuple[float, ...]
    widths: tuple[int, ...]
    shares: tuple[float, ...]


GRIDS = {
    "": Grid((0.003, 0.01, 0.03, 0.1, 0.3), (4, 6, 8, 16, 32), (0.05, 0.15, 0.4)),
    "dense": Grid(
        (0.003, 0.0053, 0.0095, 0.017, 0.03, 0.053, 0.095, 0.17, 0.3),
        (3, 4, 6, 8, 12, 16, 32),
        (0.05, 0.1, 0.2, 0.4),
    ),
}
"""The first of 75 cells; the second of 252 over the same range, closer to the published one."""
FIXED: dict[str, Any] = {
    "architecture": "mlp",
    "depth": 2,
    "activation": "tanh",
    "optimiser": "sgd",
}
EPOCHS, SEEDS_OF_CELL, BATCH = 60, 3, 32
SETTINGS = LandscapeSettings(metrics=("hessian", "similarity", "curves"), curve_steps=500)
QUICK = SETTINGS.model_copy(update={"samples": 64, "probes": 4, "curve_steps": 4})
THRESHOLDS = (
    Thresholds(),
    Thresholds(train_error=0.1),
    Thresholds(connectivity=0.05),
    Thresholds(train_error=0.1, connectivity=0.05, similarity=0.6),
)
"""Where phases end, in several ways."""
PHASES = ("I", "II", "III", "IV-A", "IV-B", None)


def digits() -> DataSet:
    """The 8 × 8 digits, 800 to learn from and 997 to test on."""
    data = load_images("digits")
    images = torch.cat([data.train, data.test])
    labels = torch.cat([data.train_labels, data.test_labels])
    images = (images - images.mean()) / images.std()
    train, test = slice(SAMPLES), slice(SAMPLES, None)
    return DataSet(images[train], labels[train], images[test], labels[test], classes=10)


def noisy_digits() -> DataSet:
    """The same, a tenth of whose training labels are others."""
    data = digits()
    generator = torch.Generator().manual_seed(1)
    wrong = torch.rand(SAMPLES, generator=generator) < NOISE
    shift = torch.randint(1, 10, (SAMPLES,), generator=generator)
    labels = torch.where(wrong, (data.train_labels + shift) % 10, data.train_labels)
    return DataSet(data.train, labels, data.test, data.test_labels, classes=10)


POPULATIONS: dict[str, Callable[[], DataSet]] = {
    "digits": digits,
    "noisy digits": noisy_digits,
}
"""The data of each population."""


def _first(name: str, share: float) -> DataSet:
    data = POPULATIONS[name]()
    count = round(share * SAMPLES)
    return DataSet(
        data.train[:count], data.train_labels[:count], data.test, data.test_labels, classes=10
    )


def data_name(name: str, share: float) -> str:
    """What the data of a part of a population are registered as."""
    return f"{share:.0%} of {name}"


for _name in POPULATIONS:
    for _share in sorted({share for grid in GRIDS.values() for share in grid.shares}):
        register_data(data_name(_name, _share))(partial(_first, _name, _share))


def recipe_of(name: str, share: float, over: Grid, quick: bool = False) -> Recipe:
    """How the networks that see a share of the data are trained."""
    grid = {"width": over.widths, "learning_rate": over.rates}
    if quick:
        grid = {"width": over.widths[2:4], "learning_rate": over.rates[2:4]}
    return Recipe.of(
        {
            "data": {"name": data_name(name, share)},
            "epochs": 2 if quick else EPOCHS,
            "keep": (2 if quick else EPOCHS,),
            "batch_size": BATCH,
            "seeds": SEEDS_OF_CELL,
            "fixed": FIXED,
            "grid": grid,
        }
    )


def measured(folder: Path, name: str, share: float, over: Grid, quick: bool = False) -> Result:
    """Train the networks of a part of a population and measure them; both go on where they ended.

    Returns:
        The cells of the landscape, and the processor seconds; of work that was interrupted none.
    """
    start = time.process_time()
    zoo, out = folder / "zoo", folder / "landscape.json"
    resumed = zoo.exists()
    train_zoo(recipe_of(name, share, over, quick), zoo, workers=1, resume=zoo.exists())
    trained = time.process_time() - start
    settings = QUICK if quick else SETTINGS
    found = measure(open_zoo(zoo), settings, out=out, resume=out.exists())
    cells = [row_of(cell, share) for cell in found.cells]
    seconds = {"training": trained, "measuring": time.process_time() - start - trained}
    rounded = {key: round(one, 1) for key, one in seconds.items()}
    return {"cells": cells, "seconds": None if resumed else rounded}


def row_of(cell: MeasuredCell, share: float) -> dict[str, float]:
    """A cell as a row of a table of metrics, with names and units of the published tables."""
    width = int(cell.configuration["width"] or 0)
    own = cell.metrics
    between = cell.profiles["train_curve_error"][1:-1]
    row = {
        "rate": float(cell.configuration["learning_rate"] or 0),
        "width": width,
        "data": share,
        "log_para_amount": math.log(width),
        "log_data_amount": math.log(share * SAMPLES),
        "train_error": 100 * own["train_error"],
        "test_error": 100 * own["test_error"],
        "test_acc": 100 * (1 - own["test_error"]),
        "train_loss": own["train_loss"],
        "test_loss": own["test_loss"],
        "hessian_t": math.log(max(own["train_hessian_trace"], 1e-6)),
        "CKA": own["similarity"],
        "mode_connectivity_peak": -100 * max(between),
        "mode_connectivity": 100 * own["train_curve_error_connectivity"],
    }
    return {key: float(f"{value:.6g}") for key, value in row.items()}


def table_of(parts: list[Result]) -> dict[str, list[float]]:
    """One table of all parts of a population."""
    rows = [row for part in parts for row in part["cells"]]
    return {name: [row[name] for row in rows] for name in rows[0]}


def phases_of(name: str, parts: list[Result]) -> list[list[str]]:
    """Mean test accuracies of the cells of every phase, a row a set of thresholds."""
    rows = []
    for limits in THRESHOLDS:
        found: dict[str | None, list[float]] = {phase: [] for phase in PHASES}
        for cell in (cell for part in parts for cell in part["cells"]):
            error, connectivity = cell["train_error"] / 100, cell["mode_connectivity"] / 100
            found[phase_of(error, connectivity, cell["CKA"], limits).name].append(cell["test_acc"])
        means = [f"{sum(own) / len(own):.1f} ({len(own)})" if own else "" for own in found.values()]
        words = [f"{key.replace('_', ' ')} {value:g}" for key, value in limits.model_dump().items()]
        rows.append([f"{name}, {', '.join(words)}", *means])
    return rows
