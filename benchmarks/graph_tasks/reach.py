"""How far each model carried a signal: a table a shape, and the picture."""

import statistics
from pathlib import Path
from typing import Any

from benchmarks.cells import Result
from benchmarks.results import spread

Scores = dict[str, dict[int, list[float]]]
"""R² of every seed, by model and distance. A training that diverged has -inf."""

DIVERGED = -1.0
"""A prediction that is farther from the labels than this says nothing about how far it is."""


def cell_text(scores: list[float]) -> str:
    """Mean and spread of the trainings that did not diverge, and how many did."""
    good = [score for score in scores if score > DIVERGED]
    lost = len(scores) - len(good)
    return spread(good, 2) + (f" ({lost} of {len(scores)} diverged)" if lost else "")


def reach_rows(scores: Scores, distances: list[int]) -> list[list[str]]:
    """A row a model: R² at every distance."""
    return [
        [name, *(cell_text(by_distance.get(distance, [])) for distance in distances)]
        for name, by_distance in scores.items()
    ]


def test_score(result: Result) -> float:
    """R² on unseen graphs."""
    return float("-inf") if result["test"] is None else float(result["test"])


def draw_reach(by_shape: dict[str, Scores], path: Path) -> None:
    """R² against the distance, a panel a shape; bars are standard deviations over seeds."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1,
        len(by_shape),
        figsize=(4.6 * len(by_shape), 3.8),
        layout="constrained",
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    lines: dict[str, Any] = {}
    for axis, (shape, scores) in zip(axes[0], by_shape.items(), strict=True):
        for number, (name, by_distance) in enumerate(scores.items()):
            style = "-" if name.startswith("DBGNN") else "--"
            means, bars = [], []
            there = {distance: values for distance, values in by_distance.items() if values}
            for values in there.values():
                shown = [max(value, 0.0) for value in values]
                means.append(statistics.mean(shown))
                bars.append(statistics.stdev(shown) if len(shown) > 1 else 0.0)
            lines[name] = axis.errorbar(
                list(there), means, bars, fmt=f"o{style}", ms=4, lw=1.4, color=f"C{number}"
            )
        axis.set(xlabel="edges to the nodes that decide", title=f"{shape}s", ylim=(-0.05, 1.05))
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("R² on unseen graphs")
    figure.legend(lines.values(), lines.keys(), loc="outside right upper", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
