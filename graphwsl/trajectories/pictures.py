"""Pictures of trainings: their paths through weight space, and their steps with alarms."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories.monitoring import Monitor

COLOURS = ("#264653", "#c8553d", "#2a9d8f", "#e9c46a", "#8338ec", "#3a86ff", "#6a994e", "#9c6644")
"""Colours of trainings, one after the other."""
ALARM = "#c8553d"


Paths = Mapping[str, Float[Tensor, "_ _"]]
"""Weights of trainings of one architecture, in the order of time, by their names."""


def draw_paths(paths: Paths, *others: Paths) -> Figure:
    """The paths of trainings in the two directions in which their checkpoints vary most.

    Args:
        paths: Weights of each training in the order of time; a ring marks the beginning.
        *others: The same of other architectures, each of which has a panel of its own.

    Raises:
        TrajectoryError: There are none.
    """
    if not all((paths, *others)):
        raise TrajectoryError("there are no paths to draw; give at least one")
    panels = (paths, *others)
    figure = Figure(figsize=(6 * len(panels), 5))
    width = 1 / len(panels)
    for number, some in enumerate(panels):
        _draw_paths(figure.add_axes(((number + 0.14) * width, 0.12, 0.82 * width, 0.84)), some)
    return figure


def _draw_paths(axes: Axes, paths: Paths) -> None:
    rows = torch.cat(list(paths.values())).double()
    centred = (rows - rows.mean(0)).numpy()
    values, vectors = np.linalg.eigh(centred @ centred.T)
    largest = np.clip(values[::-1][:2], 0, None)
    points = np.zeros((len(rows), 2))
    points[:, : len(largest)] = vectors[:, ::-1][:, :2] * np.sqrt(largest)
    shares = largest / max(np.clip(values, 0, None).sum(), 1e-300)
    start = 0
    for number, (name, path) in enumerate(paths.items()):
        x, y = points[start : start + len(path)].T
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(x, y, "-o", color=colour, markersize=3, linewidth=1, label=name)
        axes.plot(x[:1], y[:1], "o", markersize=10, fillstyle="none", color=colour)
        start += len(path)
    for axis, share, word in zip("xy", (*shares, 0.0), ("first", "second"), strict=False):
        getattr(axes, f"set_{axis}label")(f"{word} principal direction ({share:.0%} of variance)")
    axes.spines[["top", "right"]].set_visible(False)
    if len(paths) <= len(COLOURS):
        axes.legend(frameon=False, fontsize=8)


def draw_changes(monitors: Mapping[str, Monitor]) -> Figure:
    """Lengths of the steps of trainings, and below how unusual they are, with the threshold.

    Args:
        monitors: What was seen of each training.

    Raises:
        TrajectoryError: There are none.
    """
    if not monitors:
        raise TrajectoryError("there are no trainings to draw; give at least one")
    figure = Figure(figsize=(7, 5))
    steps, scores = figure.subplots(2, 1, sharex=True)
    for number, (name, monitor) in enumerate(monitors.items()):
        colour = COLOURS[number % len(COLOURS)]
        numbered = list(enumerate(monitor.changes))
        moved = [(n, c.relative) for n, c in numbered if c.relative is not None]
        judged = [(n, c.score) for n, c in numbered if c.score is not None]
        alarms = [(n, c.score) for n, c in numbered if c.is_alarm]
        for axes, points in ((steps, moved), (scores, judged)):
            axes.plot(*_columns(points), "-o", color=colour, markersize=3, linewidth=1, label=name)
            if any(value > 0 for _, value in points):
                axes.set_yscale("log")
        scores.plot(*_columns(alarms), "o", color=ALARM, markersize=9, fillstyle="none")
        if monitor.alarm is not None:
            scores.axhline(monitor.alarm.threshold, color="#8d99ae", linewidth=0.8)
    steps.set_ylabel("step, relative to the weights")
    scores.set_ylabel("score of the least usual layer")
    scores.set_xlabel("checkpoint")
    for axes in (steps, scores):
        axes.spines[["top", "right"]].set_visible(False)
    if len(monitors) <= len(COLOURS):
        steps.legend(frameon=False, fontsize=8)
    return figure


def _columns(points: Sequence[tuple[int, float | None]]) -> tuple[list[int], list[float | None]]:
    return [x for x, _ in points], [y for _, y in points]
