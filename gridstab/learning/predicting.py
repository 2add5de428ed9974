"""Predictions for the grids of a case or a folder, beside their labels where they have any."""

import csv
import io
import math
import time
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from gnncore.storage import StorageError, leading_to, read_json, refuse_links, write_text
from gridstab.datasets.benchmark import BENCHMARK_SETS
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.run_folder import TIMING
from gridstab.dynamics.intervals import wilson_interval
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid
from gridstab.learning.data import GridDataset
from gridstab.learning.evaluation import evaluate
from gridstab.learning.known_range import Beyond
from gridstab.learning.tasks import Task, get_task
from gridstab.learning.train import load_for_learning
from gridstab.learning.trained import Ensemble, TrainedModel
from gridstab.report.prediction_plot import plot_prediction


@dataclass(frozen=True, eq=False)
class LoadedGrids:
    """Grids to predict for.

    Attributes:
        grids: The grids.
        grid_ids: Their numbers, from 1.
        dataset: The same with labels for the task; None without.
        simulation_seconds: How long the simulation of their labels took [s]; None if unknown.
    """

    grids: list[PowerGrid]
    grid_ids: list[int]
    dataset: GridDataset | None = None
    simulation_seconds: float | None = None


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says about grids.

    Attributes:
        task: What is predicted.
        loaded: The grids.
        value: One a node of all grids: a share, an amount, or the probability of a class.
        seconds: Features and networks together, all being loaded [s].
        metrics: Metrics of the predictions; empty without labels.
        beyond: Where the grids are beyond what the model was trained on; None if not known.
    """

    task: Task
    loaded: LoadedGrids
    value: Float[np.ndarray, " nodes"]
    seconds: float
    metrics: dict[str, float]
    beyond: Beyond | None = None

    @property
    def weakest(self) -> Int[np.ndarray, " nodes"]:
        """Positions in :attr:`value`, of the node that needs attention most first."""
        weak_is_high = self.task.kind != "share"
        return np.argsort(-self.value if weak_is_high else self.value, kind="stable")

    def rows(self, count: int | None = None) -> list[dict[str, Any]]:
        """``grid``, ``node``, ``name``, ``prediction``; where known, ``label``, ``low``, ``high``.

        ``node`` is the number of the node, ``name`` what its source calls it.

        Where grids are beyond what the model was trained on, ``beyond`` says in what each node is.

        Args:
            count: Only so many, the weakest first; all unless given.
        """
        sizes = [grid.num_nodes for grid in self.loaded.grids]
        columns = {
            "grid": np.repeat(self.loaded.grid_ids, sizes),
            "node": np.concatenate([np.arange(size) for size in sizes]),
            "name": np.array([name for grid in self.loaded.grids for name in grid.labels]),
            "prediction": self.value,
            **self._labels(),
        }
        rows = []
        for place in self.weakest[:count]:
            row = {name: values[place].item() for name, values in columns.items()}
            if self.beyond:
                row["beyond"] = "; ".join(self.beyond.of(int(place)))
            rows.append(row)
        return rows

    def write_csv(self, path: str | PathLike[str]) -> None:
        """Create or replace a table of :meth:`rows`, with the names of the columns first.

        Raises:
            StorageError: The file cannot be written.
        """
        rows = self.rows()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
        write_text(leading_to(path), text.getvalue())

    def plot(self) -> Figure:
        """The first grid, coloured by its predictions."""
        grid = self.loaded.grids[0]
        return plot_prediction(
            grid,
            self.value[: grid.num_nodes],
            quantity=_QUANTITIES.get(self.task.name, self.task.title),
            weak_is_high=self.task.kind != "share",
        )

    def _labels(self) -> dict[str, np.ndarray]:
        if self.loaded.dataset is None:
            return {}
        tensors = self.loaded.dataset.grids.tensors
        label = tensors[self.task.target].double().numpy()
        columns = {"label": label}
        if self.task.kind == "share" and "n_samples" in tensors:
            samples = tensors["n_samples"].numpy()
            counts = np.rint(label * samples).astype(np.int64)
            columns["low"], columns["high"] = wilson_interval(counts, samples).T
        return columns


_QUANTITIES = {
    "troublemaker": "probability of a troublemaker",
    "max_frequency_deviation": "largest frequency deviation [rad/s]",
}


def load_grids(case: str, task: Task, *, seed: int = 0, **parameters: Any) -> LoadedGrids:
    """The grids of a run folder, of published files, of a packaged set, or a single case.

    Args:
        case: A folder or packed file of labelled grids, ``ds20``, ``ds100``, ``texas``, the name of
            a MATPOWER case, or a grid file.
        task: Whose labels to look for.
        seed: Seed of the random powers of a case that has none.
        **parameters: Parameters of a single case, ``setting``, ``coupling``, ``damping``,
            ``inertia``, ``node_table`` or ``largest_component`` of
            :class:`gridstab.datasets.Campaign`; None leaves its own.

    Raises:
        GridstabError: Nothing readable there, labels that are no numbers, or parameters for grids
            with labels, which were simulated with their own.
        StorageError: A file cannot be read.
    """
    place = Path(case)
    packaged = case in BENCHMARK_SETS and case != "texas"
    if not (place.is_dir() or place.suffix == ".h5" or (packaged and not place.exists())):
        grid = Campaign.resolve(case=case, seed=seed, **parameters).source.grid(1)
        return LoadedGrids([grid], [1])
    for name, value in parameters.items():
        if value is not None:
            raise InvalidParameterError(
                f"{name} {value!r} is for a single case, but the grids of {case!r} have labels, "
                "which were simulated with their own; leave it out"
            )
    dataset = _labelled(case, task)
    return LoadedGrids(
        list(dataset.power_grids()),
        dataset.grid_ids,
        dataset if dataset.target == task.target else None,
        _simulation_seconds(place),
    )


def predict_grids(
    model: TrainedModel | Ensemble, loaded: LoadedGrids, sign_invariant: bool | None = None
) -> Predictions:
    """What a model says about all nodes, and how long it took.

    Raises:
        OperatingPointError: A feature needs an operating point that a grid does not have.
        DatasetError: Features that are not finite, or labels that cannot be compared with.
    """
    start = time.perf_counter()
    prediction, beyond = model.predict_with_range(loaded.grids, sign_invariant=sign_invariant)
    seconds = time.perf_counter() - start
    metrics: dict[str, float] = {}
    if loaded.dataset is not None:
        metrics = evaluate(prediction, loaded.dataset, model.task, threshold=model.threshold)
    value = torch.sigmoid(prediction) if model.task.kind == "class" else prediction
    return Predictions(model.task, loaded, value.double().numpy(), seconds, metrics, beyond)


def _cell(value: str | float) -> str:
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _labelled(case: str, task: Task) -> GridDataset:
    """The data set with the labels of the task, or with others where it has none of them."""
    dataset = load_for_learning(case, "published", get_task("snbs"))
    if task.target in dataset.grids.tensors:
        return dataset.with_target(task.target)
    return dataset


def _simulation_seconds(folder: Path) -> float | None:
    try:
        refuse_links(folder, TIMING)
        sessions = read_json(folder / TIMING)["sessions"]
        seconds = math.fsum(float(session["seconds"]) for session in sessions)
    except (StorageError, LookupError, TypeError, ValueError):
        return None
    return seconds or None
