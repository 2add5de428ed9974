"""The map of a grid: lines, nodes coloured by their values, rings around troublemakers."""

from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import Float

from gridstab.report.content import Report, ReportedGrid
from gridstab.report.figure_parts import BIG, Figure, layout, limits, rounded
from gridstab.report.layout import node_positions

VIRIDIS = ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725")
DIVERGING = ("#762a83", "#b995c7", "#ececec", "#8cc68d", "#1b7837")
"""Purple over grey to green, apart under every kind of colour vision (ColorBrewer's PRGn)."""


def grid_figures(report: Report) -> dict[str, Figure]:
    """The drawn grid by view: ``simulated`` and, with predictions, ``predicted`` and ``error``.

    The first two share their colour scale. That of shares ends at 1, and begins at the tenth below
    the smallest or at 0.9; that of other values is as wide as they are.
    """
    quantity, value, prediction = report.quantity, report.drawn.value, report.drawn.prediction
    ends = limits(value)
    if ends[1] == 1:
        ends = (min(ends[0], 0.9), 1.0)
    position = _unit_square(node_positions(report.drawn.grid))
    colours = VIRIDIS if report.higher_is_better else VIRIDIS[::-1]  # the weak are dark
    views = {"simulated": _grid(report, position, quantity, value, ends, colours)}
    if prediction is not None:
        error = prediction - value
        largest = max(float(np.abs(error).max()), 0.01)
        views["predicted"] = _grid(
            report, position, f"predicted {quantity}", prediction, ends, colours
        )
        views["error"] = _grid(
            report,
            position,
            f"predicted minus simulated {quantity}",
            error,
            (-largest, largest),
            DIVERGING,
        )
    return views


def _grid(
    report: Report,
    position: Float[np.ndarray, "nodes 2"],
    what: str,
    shown: Float[np.ndarray, " nodes"],
    ends: tuple[float, float],
    colours: Sequence[str],
) -> Figure:
    reported, grid = report.drawn, report.drawn.grid
    kind = "scattergl" if grid.num_nodes > BIG else "scatter"
    size = float(np.clip(150 / grid.num_nodes**0.5, 5, 17))
    # The weakest nodes are drawn last, so that no crowd hides them.
    strength = reported.value if report.higher_is_better else -reported.value
    order = np.argsort(-strength, kind="stable")
    # One trace for all lines, which a gap after each keeps apart.
    joined = position[grid.lines]
    gap = np.full((grid.num_lines, 1), np.nan)
    lines = {
        "type": kind,
        "mode": "lines",
        "x": rounded(np.hstack([joined[:, :, 0], gap]).ravel()),
        "y": rounded(np.hstack([joined[:, :, 1], gap]).ravel()),
        "line": {"color": "--line", "width": 1.6 if grid.num_nodes <= BIG else 1},
        "hoverinfo": "skip",
    }
    width = round(float(np.clip(size / 5, 1, 2.4)), 1)
    ringed = np.flatnonzero(reported.shown_troublemaker)
    rings = {
        "type": kind,
        "mode": "markers",
        "x": rounded(position[ringed, 0]),
        "y": rounded(position[ringed, 1]),
        "marker": {
            "symbol": "circle-open",
            "size": round(size + 2.5 * width, 1),
            "color": "--trouble",
            "line": {"color": "--trouble", "width": width},
        },
        "hoverinfo": "skip",
    }
    columns, hover = _hover(reported)
    nodes = {
        "type": kind,
        "mode": "markers",
        "x": rounded(position[order, 0]),
        "y": rounded(position[order, 1]),
        "customdata": [columns[node] for node in order],
        "hovertemplate": hover,
        "marker": {
            "symbol": ["circle" if power > 0 else "square" for power in grid.power[order]],
            "size": size,
            "color": rounded(shown[order]),
            "cmin": round(ends[0], 4),
            "cmax": round(ends[1], 4),
            "colorscale": [
                [number / (len(colours) - 1), colour] for number, colour in enumerate(colours)
            ],
            "opacity": 1,
            "line": {"color": "--outline", "width": 0.8 if grid.num_nodes <= BIG else 0.4},
            "colorbar": {
                "orientation": "h",
                "y": 0,
                "yanchor": "top",
                "ypad": 12,
                "thickness": 10,
                "len": 0.72,
                "outlinewidth": 0,
                "title": {"text": escape(what), "side": "top"},
            },
        },
    }
    unseen = {"visible": False, "fixedrange": False}
    return {
        "data": [lines, rings, nodes],  # what a node's colour says must stay to be seen
        "layout": layout(
            xaxis=unseen,
            yaxis={**unseen, "scaleanchor": "x"},
            margin={"l": 6, "r": 6, "t": 6, "b": 64},
            dragmode="pan",
            hovermode="closest",
        ),
    }


def _unit_square(position: Float[np.ndarray, "nodes 2"]) -> Float[np.ndarray, "nodes 2"]:
    """The same picture within 0 to 1, so that four digits suffice."""
    return (position - position.min(axis=0)) / max(float(np.ptp(position, axis=0).max()), 1e-12)


def _hover(reported: ReportedGrid) -> tuple[list[list[str | float]], str]:
    """What the pointer shows of each node: label and numbers, and how they are worded."""
    grid = reported.grid
    columns = [grid.power, grid.degree, reported.value]
    text = (
        "<b>node %{customdata[0]}</b><br>P = %{customdata[1]:+.4~g}, degree %{customdata[2]}<br>"
        "simulated %{customdata[3]:.3f}"
    )
    if reported.interval is not None:
        text += " (%{customdata[4]:.3f} to %{customdata[5]:.3f})"
        columns += list(reported.interval.T)
    if reported.survivability is not None:
        text += f"<br>survivability %{{customdata[{len(columns) + 1}]:.3f}}"
        columns.append(reported.survivability)
    if reported.prediction is not None:
        text += f"<br>predicted %{{customdata[{len(columns) + 1}]:.3f}}"
        columns.append(reported.prediction)
    if reported.prediction_interval is not None:
        first = len(columns) + 1
        text += f" (%{{customdata[{first}]:.3f}} to %{{customdata[{first + 1}]:.3f}})"
        columns += list(reported.prediction_interval.T)
    numbers = np.column_stack(columns).astype(np.float64).round(4).tolist()
    rows = [[escape(name), *row] for name, row in zip(grid.labels, numbers, strict=True)]
    return rows, text + "<extra></extra>"
