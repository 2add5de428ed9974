"""What a model says about the nodes of grids: rows, a table, a picture, beside labels if any."""

import csv
import io
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from gnncore.storage import leading_to, write_text
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid
from gridstab.learning.data import GridDataset
from gridstab.learning.judged import Judged
from gridstab.learning.known_range import Beyond
from gridstab.learning.label_noise import noise_of
from gridstab.learning.landscape_metrics import known_snbs
from gridstab.learning.prediction_intervals import PredictionIntervals
from gridstab.learning.raster import Raster
from gridstab.learning.tasks import Task
from gridstab.report.predicted_landscapes import plot_predicted_landscapes
from gridstab.report.prediction_plot import plot_prediction


@dataclass(frozen=True, eq=False)
class LoadedGrids:
    """Grids to predict for.

    Attributes:
        grids: The grids.
        grid_ids: Their numbers, from 1.
        graphs: The same with features for the models; None of single cases.
        dataset: The same with labels for the task; None without.
        seconds: How long it took to read them, with their features if they have any [s].
        simulation_seconds: How long the simulation of their labels took [s]; None if unknown.
    """

    grids: list[PowerGrid]
    grid_ids: list[int]
    dataset: GridDataset | None = None
    simulation_seconds: float | None = None
    graphs: GridDataset | None = None
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says about grids.

    Attributes:
        task: What is predicted.
        loaded: The grids.
        value: One a node of all grids: a share, an amount, the probability of a class, or the basin
            stability that is the mean of a predicted landscape.
        seconds: Features and networks together [s]; of sets of labelled grids, reading them as
            well, with features that were kept from before.
        metrics: Metrics of the predictions; empty without labels. They are of the grids of
            ``judged``.
        beyond: Where the grids are beyond what the model was trained on; None if not known.
        intervals: Between which values the labels are; None unless asked for.
        landscapes: Predicted share of every pixel that returns, frequencies in the rows; None of
            other tasks than landscapes.
        raster: Size and range of the landscapes.
        judged: Which grids the model has learnt from, and which it is judged by; None if that was
            not looked at.
    """

    task: Task
    loaded: LoadedGrids
    value: Float[np.ndarray, " nodes"]
    seconds: float
    metrics: dict[str, float]
    beyond: Beyond | None = None
    intervals: PredictionIntervals | None = None
    landscapes: Float[np.ndarray, "nodes rows columns"] | None = None
    raster: Raster | None = None
    judged: Judged | None = None

    @property
    def low(self) -> Float[np.ndarray, " nodes"]:
        """Lower ends of the intervals.

        Raises:
            InvalidParameterError: None were asked for.
        """
        return self._intervals.low

    @property
    def high(self) -> Float[np.ndarray, " nodes"]:
        """Upper ends of the intervals.

        Raises:
            InvalidParameterError: None were asked for.
        """
        return self._intervals.high

    @property
    def label(self) -> Float[np.ndarray, " nodes"] | None:
        """The labels; None where there are none."""
        if self.loaded.dataset is None:
            return None
        if self.landscapes is not None:
            return np.asarray(known_snbs(self.loaded.dataset).numpy())
        return np.asarray(self.loaded.dataset.grids.tensors[self.task.target].double().numpy())

    @property
    def coverage(self) -> float | None:
        """Share of the labels within their intervals; None without labels or intervals.

        Like the metrics, it is of the grids of :attr:`judged`.
        """
        if self.intervals is None or self.label is None:
            return None
        held = self.intervals.covers(self.label)
        return float((held if self.judged is None else held[self.judged.nodes]).mean())

    @property
    def weakest(self) -> Int[np.ndarray, " nodes"]:
        """Positions in :attr:`value`, of the node that needs attention most first."""
        return np.argsort(self.value if self._is_share else -self.value, kind="stable")

    def rows(self, count: int | None = None) -> list[dict[str, Any]]:
        """``grid``, ``node``, ``name``, ``prediction``; where known, ``label``, ``low``, ``high``.

        ``node`` is the number of the node, ``name`` what its source calls it. ``prediction_low``
        and ``prediction_high`` are the ends of the interval of the prediction, if asked for;
        ``low`` and ``high`` those of the 95 % interval of the label, which is wider than need be
        where of Sobol points and rasters their number alone is known.

        ``part`` says whether the model was trained on the grid (``train``), chose its epoch by it
        (``valid``) or neither (``other``), if it keeps that.

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
        }
        if self.intervals is not None:
            columns |= {"prediction_low": self.low, "prediction_high": self.high}
        columns |= self._labels()
        if self.judged is not None and self.judged.parts is not None:
            columns["part"] = np.repeat(self.judged.parts, sizes)
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
        """The first grid, coloured by its predictions; of landscapes those of its weakest nodes."""
        grid = self.loaded.grids[0]
        if self.landscapes is not None:
            return self._plot_landscapes(grid)
        return plot_prediction(
            grid,
            self.value[: grid.num_nodes],
            quantity=_QUANTITIES.get(self.task.name, self.task.title),
            weak_is_high=not self._is_share,
        )

    def __repr__(self) -> str:
        of = f"{len(self.loaded.grids):,} grids" if len(self.loaded.grids) > 1 else "1 grid"
        text = (
            f"{self.task.name} of {len(self.value):,} nodes of {of}, mean {self.value.mean():.4f}"
        )
        if self.intervals is not None:
            text += f", {self.intervals.level:.4g} intervals ±{self.intervals.mean_width / 2:.3f}"
        return f"Predictions({text}{', ' + self.beyond.text if self.beyond else ''})"

    @property
    def _is_share(self) -> bool:
        """Whether small values call for attention, and labels are counts."""
        return self.task.kind in ("share", "image")

    def _plot_landscapes(self, grid: PowerGrid) -> Figure:
        assert self.landscapes is not None
        assert self.raster is not None
        known = None
        if self.loaded.dataset is not None:
            known = self.loaded.dataset.grids.tensors["landscape"][: grid.num_nodes].numpy()
        return plot_predicted_landscapes(
            grid, self.landscapes[: grid.num_nodes], self.raster.domega_range, known
        )

    @property
    def _intervals(self) -> PredictionIntervals:
        if self.intervals is None:
            raise InvalidParameterError(
                "these predictions have no intervals; ask for them with intervals=0.9"
            )
        return self.intervals

    def _labels(self) -> dict[str, np.ndarray]:
        label = self.label
        if self.loaded.dataset is None or label is None:
            return {}
        columns = {"label": label}
        if self._is_share and (noise := noise_of(self.loaded.dataset)) is not None:
            columns["low"], columns["high"] = noise.interval.T
        return columns


_QUANTITIES = {
    "troublemaker": "probability of a troublemaker",
    "max_frequency_deviation": "largest frequency deviation [rad/s]",
}


def _cell(value: str | float) -> str:
    return f"{value:.7g}" if isinstance(value, float) else str(value)
