"""The charts of a report: prediction against simulation, distribution, learning curves."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from jaxtyping import Float

from gridstab.report.content import Report
from gridstab.report.figure_parts import BIG, Figure, axis, layout, limits, rounded

MOST_POINTS = 4000
"""Nodes in the prediction plot; of more, an even choice."""

MOST_BARS = 1000
"""Points up to which each has its error bar; those of more would hide them."""

BINS = 40

_LOG = {"type": "log", "dtick": "D2", "tickformat": "~g"}


def prediction_figure(report: Report) -> Figure:
    """Prediction against label, each label with its interval; the diagonal is a perfect model."""
    value, prediction, low, high = _pooled(report)
    where = [
        [reported.grid_id, escape(name)]
        for reported in report.grids
        for name in reported.grid.labels
    ]
    step = -(-len(value) // MOST_POINTS)
    chosen = slice(None, None, step)
    value, prediction, low, high = (a[chosen] for a in (value, prediction, low, high))
    known = bool(np.isfinite(low).all())
    points: Figure = {
        "type": "scattergl" if len(value) > BIG else "scatter",
        "mode": "markers",
        "x": rounded(value),
        "y": rounded(prediction),
        "customdata": [
            [*node, error]
            for node, error in zip(where[chosen], rounded(np.abs(prediction - value)), strict=True)
        ],
        "marker": {"color": "--accent", "size": 7 if len(value) <= BIG else 5, "opacity": 0.7},
        "hovertemplate": (
            "grid %{customdata[0]}, node %{customdata[1]}<br>"
            f"{escape(report.quantity)} %{{x:.3f}}<br>predicted %{{y:.3f}}<br>"
            "off by %{customdata[2]:.3f}<extra></extra>"
        ),
    }
    if known and len(value) <= MOST_BARS:
        points["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": rounded(high - value),
            "arrayminus": rounded(value - low),
            "color": "--bars",
            "thickness": 1,
            "width": 0,
        }
    ends = [float(min(value.min(), prediction.min())), float(max(value.max(), prediction.max()))]
    pad = 0.03 * (ends[1] - ends[0]) + 0.005
    ends = [round(ends[0] - pad, 4), round(ends[1] + pad, 4)]
    diagonal = {
        "type": "scatter",
        "mode": "lines",
        "x": ends,
        "y": ends,
        "line": {"color": "--muted", "width": 1.5, "dash": "dash"},
        "hoverinfo": "skip",
    }
    common = {"range": ends, "constrain": "domain"}
    return {
        "data": [diagonal, points],
        "layout": layout(
            xaxis=axis(f"simulated {report.quantity}", **common),
            yaxis=axis(f"predicted {report.quantity}", scaleanchor="x", **common),
        ),
    }


def histogram_figure(report: Report) -> Figure:
    """Share of all nodes by value: filled as simulated, outlined as predicted."""
    value = np.concatenate([reported.value for reported in report.grids])
    low, high = limits(value)
    every = value
    if report.has_predictions:
        predicted = np.concatenate([reported.prediction for reported in report.grids])
        every = np.clip(np.concatenate([value, predicted]), min(0.0, low), high)
        low = min(low, limits(every)[0])
    edges = np.linspace(low, high, BINS + 1)
    bars: Figure = {
        "type": "bar",
        "name": "simulated",
        "x": rounded((edges[1:] + edges[:-1]) / 2),
        "y": _shares(value, edges),
        "width": (high - low) / BINS,
        "marker": {"color": "--accent", "line": {"color": "--surface", "width": 1}},
        "hovertemplate": "%{x:.3~f}: %{y:.1%} of the nodes<extra>simulated</extra>",
    }
    traces = [bars]
    if report.has_predictions:
        shares = _shares(predicted, edges)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "predicted",
                "x": rounded(edges),
                "y": [*shares, shares[-1]],
                "line": {"color": "--second", "width": 2.5, "shape": "hv"},
                "hoverinfo": "skip",
            }
        )
    return {
        "data": traces,
        "layout": layout(
            xaxis=axis(report.quantity, range=[low, high]),
            yaxis=axis("share of nodes", tickformat=".0%", rangemode="tozero"),
            showlegend=report.has_predictions,
            bargap=0,
        ),
    }


def learning_figures(report: Report) -> dict[str, Figure]:
    """One figure a metric of the training's history, with a line for every split."""
    figures = {}
    for metric, columns in _metrics_by_split(report.history).items():
        traces = []
        for number, (split, column) in enumerate(columns.items()):
            rows = [row for row in report.history if row.get(column) is not None]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines" if len(rows) > 1 else "markers",
                    "name": escape(split),
                    "x": [row["epoch"] for row in rows],
                    "y": [_significant(row[column]) for row in rows],
                    "line": {
                        "color": ("--accent", "--second", "--muted")[number % 3],
                        "width": 2,
                        "dash": ("solid", "dash", "dot")[number % 3],
                    },
                    "hovertemplate": "epoch %{x}: %{y:.4~g}",
                }
            )
        values = np.array([value for trace in traces for value in trace["y"]])
        if not values.size or (len(report.history) > 1 and not np.ptp(values)):
            continue  # as a constant learning rate
        spread = values.max() > 20 * values.min() > 0
        look = layout(
            xaxis=axis("epoch"),
            yaxis=axis(metric, **(_LOG if spread else {})),
            showlegend=len(traces) > 1,
            hovermode="x unified",
        )
        if report.best_epoch is not None:
            look["shapes"] = [
                {
                    "type": "line",
                    "x0": report.best_epoch,
                    "x1": report.best_epoch,
                    "yref": "paper",
                    "y0": 0,
                    "y1": 1,
                    "line": {"color": "--muted", "width": 1.5, "dash": "dot"},
                }
            ]
        figures[metric] = {"data": traces, "layout": look}
    return figures


def _pooled(report: Report) -> tuple[np.ndarray, ...]:
    """Values, predictions and both ends of the intervals of all nodes of all grids."""
    unknown = [
        np.full((reported.grid.num_nodes, 2), np.nan)
        if reported.interval is None
        else reported.interval
        for reported in report.grids
    ]
    low, high = np.concatenate(unknown).T
    value = np.concatenate([reported.value for reported in report.grids])
    prediction = np.concatenate([reported.prediction for reported in report.grids])
    return value, prediction, low, high


def metric_name(column: str) -> str:
    """A metric as people write it: ``R² ceiling`` for ``r2_ceiling``."""
    words = {"r2": "R²", "mse": "MSE", "mae": "MAE", "f2": "F2"}
    return " ".join(words.get(word, word) for word in column.split("_"))


def _metrics_by_split(
    history: Sequence[Mapping[str, float | None]],
) -> dict[str, dict[str, str]]:
    """For each metric the column of every split: ``{"loss": {"training": "loss", …}}``."""
    names = dict.fromkeys(name for row in history for name in row if name != "epoch")
    metrics: dict[str, dict[str, str]] = {}
    for name in names:
        if name.endswith("_seconds"):  # says how long an epoch took, not how good it was
            continue
        metric = name.removeprefix("validation_")
        split = "training" if metric == name else "validation"
        metrics.setdefault(metric_name(metric), {})[split] = name
    return metrics


def _shares(values: Float[np.ndarray, " nodes"], edges: Float[np.ndarray, " edges"]) -> list[float]:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return rounded(counts / len(values), 6)


def _significant(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
