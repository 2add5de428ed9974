"""The regions of a tree: which answer it gives where, and the networks that lie there."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes as PlotAxes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from graphwsl.diagnosis.estimator import QuestionClassifier
from graphwsl.diagnosis.questions import OPTIMAL, QUESTIONS
from graphwsl.diagnosis.table import as_table, matrix

FIRST, SECOND, NEITHER = "#2a6f97", "#c8553d", "#8d99ae"
"""Colours of the answers, and of networks whose answer is not known."""

LABELS = {
    "train_error": "error on the training data [%]",
    "mode_connectivity_peak": "peak of the curve [%]",
    "hessian_t": "logarithm of the trace of the Hessian",
    "CKA": "similarity of two seeds (CKA)",
}
"""What metrics are called along axes."""

CELLS = 240
"""Places along an axis at which the tree is asked."""

INTERPOLATING = 0.1
"""Error on the training data up to which a network counts as interpolating [%]."""


def draw(classifier: QuestionClassifier, networks: Any, labels: Any = None) -> Figure:
    """A figure of the regions of a fitted tree, over the metrics that it compares.

    A tree over three metrics is shown in two planes: of networks that interpolate the training
    data, and of the others, at the median of their errors.

    Args:
        classifier: A fitted tree.
        networks: Table of the networks that are shown.
        labels: The right answer of each; None colours no network.

    Raises:
        DiagnosisError: A metric is missing or holds what is no finite number.
        sklearn.exceptions.NotFittedError: The tree was not fitted.
    """
    metrics = classifier.metrics
    x = matrix(as_table(networks), metrics)
    answers = np.full(len(x), OPTIMAL) if labels is None else np.asarray(labels).astype(str)
    error = x[:, 0]
    if len(metrics) == 2:
        planes = [("", np.full(len(x), True))]
    else:
        is_low = error <= INTERPOLATING
        planes = [
            (f"error at most {INTERPOLATING:g} %", is_low),
            (f"error above {INTERPOLATING:g} %", ~is_low),
        ]
    planes = [(title, rows) for title, rows in planes if rows.any()]
    figure = Figure(figsize=(1.2 + 4.4 * len(planes), 4.4))
    for number, (title, rows) in enumerate(planes, 1):
        axes = figure.add_subplot(1, len(planes), number)
        _plane(axes, classifier, x, rows, answers)
        axes.set_title(title, fontsize=10, loc="left")
    _legend(figure, classifier)
    figure.subplots_adjust(top=0.82, bottom=0.14, wspace=0.28)
    return figure


def _plane(
    axes: PlotAxes,
    classifier: QuestionClassifier,
    x: np.ndarray,
    rows: np.ndarray,
    answers: np.ndarray,
) -> None:
    metrics = classifier.metrics
    across = metrics.index("train_error") if len(metrics) == 2 else 2
    up = metrics.index("mode_connectivity_peak")
    sides = [_range(x[:, at]) for at in (across, up)]
    places = [np.linspace(low, high, CELLS) for low, high in sides]
    grid = np.tile(np.median(x[rows], axis=0), (CELLS * CELLS, 1))
    grid[:, across], grid[:, up] = (one.ravel() for one in np.meshgrid(*places))
    second = classifier.predict_proba(grid)[:, 1].reshape(CELLS, CELLS)
    axes.imshow(
        second,
        origin="lower",
        aspect="auto",
        extent=(*sides[0], *sides[1]),
        cmap=LinearSegmentedColormap.from_list("answers", [FIRST, "#f4f1ea", SECOND]),
        vmin=0,
        vmax=1,
        alpha=0.55,
    )
    axes.contour(*places, second, levels=[0.5], colors="#333333", linewidths=0.8)
    names = classifier.classes_
    for answer, colour in zip((*names, None), (FIRST, SECOND, NEITHER), strict=True):
        chosen = rows & (answers == answer if answer else ~np.isin(answers, names))
        axes.scatter(
            x[chosen, across],
            x[chosen, up],
            s=9,
            color=colour,
            edgecolors="white",
            linewidths=0.25,
            zorder=3,
        )
    axes.set_xlabel(LABELS[metrics[across]])
    axes.set_ylabel(LABELS[metrics[up]])


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def _legend(figure: Figure, classifier: QuestionClassifier) -> None:
    from matplotlib.lines import Line2D

    names = (*classifier.classes_, "not known or optimal")
    marks = [
        Line2D([], [], marker="o", linestyle="", color=colour, label=str(name))
        for name, colour in zip(names, (FIRST, SECOND, NEITHER), strict=True)
    ]
    title = f"{QUESTIONS[classifier.question].name}: {type(classifier).__name__}"
    figure.legend(
        handles=marks, title=title, loc="upper left", ncols=3, frameon=False, fontsize=9,
        alignment="left", bbox_to_anchor=(0.11, 1.0),
    )  # fmt: skip
