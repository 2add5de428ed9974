"""Pictures of stability: the grid, one node's basin, the distribution over nodes.

Every function returns a matplotlib ``Figure`` and touches no global state, so it works in
notebooks, on servers without a screen and in threads. The colours can be told apart with any
colour vision.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gridstab.arguments import ascending, at_least, instance
from gridstab.counted import counted
from gridstab.dynamics.basin_map import BasinMap
from gridstab.dynamics.engine import Status
from gridstab.dynamics.result import StabilityResult
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid
from gridstab.report.layout import node_positions

COLOURS = "viridis"
TEXT = "#333333"
LINE = "#b8bcc2"
OUTLINE = "#5a5f66"
TROUBLE = "#d55e00"
RETURNED, LEFT, UNDECIDED = "#21607f", "#f6e8c8", "#8f8f8f"
SERIES = ("#21607f", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def plot_grid(
    result: StabilityResult,
    ax: Any = None,
    *,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """The grid with every node coloured by its SNBS.

    Nodes lie at the grid's coordinates or in a layout of their own. Nodes with P > 0 are circles,
    all others squares. Troublemakers are ringed unless they are the majority, which tells nothing.

    Args:
        result: What to draw.
        ax: Axes to draw into; a new figure unless given.
        limits: Ends of the colour scale, to compare pictures; from the tenth below the weakest
            node to 1 unless given.

    Raises:
        InvalidParameterError: ``result`` is none, or ``limits`` are not two ascending numbers.
    """
    instance("result", result, StabilityResult, "take one of gridstab.simulate")
    grid, snbs = result.grid, result.snbs
    ring = result.troublemaker & (result.troublemaker.mean() <= 0.5)
    if limits is None:
        limits = (min(np.floor(10 * snbs.min()) / 10, 0.9), 1.0)
    low, high = ascending("limits", limits)
    ax = draw_grid(
        grid, snbs, ax, limits=(low, high), label="single-node basin stability", ring=ring
    )
    half = float(np.diff(result.interval, axis=1).mean()) / 2
    _title(
        ax,
        f"{grid.name}: mean SNBS {snbs.mean():.3f}",
        f"{counted(grid.num_nodes, 'node')}, {counted(grid.num_lines, 'line')}; "
        f"95 % interval of a node ±{half:.3f} on average",
    )
    ax.legend(
        handles=_grid_legend(int(ring.sum())),
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=3,
        frameon=False,
        labelcolor=TEXT,
    )
    return ax.figure


def draw_grid(
    grid: PowerGrid,
    values: Float[np.ndarray, " nodes"],
    ax: Any = None,
    *,
    limits: tuple[float, float],
    label: str,
    colours: str = COLOURS,
    last_is_high: bool = False,
    ring: Bool[np.ndarray, " nodes"] | None = None,
) -> Any:
    """Lines, coloured nodes and the colour bar, without title and legend.

    Args:
        grid: What to draw.
        values: One a node.
        ax: Axes to draw into; a new figure unless given.
        limits: Ends of the colour scale.
        label: Label of the colour scale.
        colours: A colour map of matplotlib.
        last_is_high: Draw the largest values last, so that no crowd hides them, not the smallest.
        ring: Nodes with a conspicuous outline.

    Returns:
        The axes.
    """
    position = node_positions(grid)
    if ax is None:
        width, height = np.ptp(position, axis=0)
        shape = float(np.clip(width / height if height else 1.6, 0.9, 1.6))
        scale = 1.5 if grid.num_nodes > 500 else 1.0
        figure = Figure(figsize=(scale * (5 * shape + 1.2), scale * 6.4), layout="constrained")
        ax = figure.add_subplot()
    size = float(np.clip(9000 / grid.num_nodes, 14, 130))
    ringed = np.zeros(grid.num_nodes, bool) if ring is None else ring

    ax.add_collection(
        LineCollection(position[grid.lines], colors=LINE, linewidths=size**0.5 / 9, zorder=1)
    )
    order = np.argsort(values if last_is_high else -values, kind="stable")
    for marker, chosen in (("o", grid.power > 0), ("s", grid.power <= 0)):
        nodes = order[chosen[order]]
        painted = ax.scatter(
            *position[nodes].T,
            c=values[nodes],
            s=size if marker == "o" else 0.8 * size,
            marker=marker,
            cmap=colours,
            vmin=limits[0],
            vmax=limits[1],
            edgecolors=np.where(ringed[nodes], TROUBLE, OUTLINE),
            linewidths=np.where(ringed[nodes], size**0.5 / 5, size**0.5 / 20),
            zorder=2,
        )
    ax.set_aspect("equal")
    ax.margins(0.04)
    ax.set_axis_off()
    bar = ax.figure.colorbar(painted, ax=ax, shrink=0.75, aspect=28, pad=0.02)
    bar.set_label(label, color=TEXT)
    bar.outline.set_visible(False)
    return ax


def _grid_legend(ringed: int) -> list[Line2D]:
    def entry(marker: str, label: str, colour: str, edge: str) -> Line2D:
        return Line2D(
            [], [], ls="", marker=marker, ms=8, mfc=colour, mec=edge, mew=1.5, label=label
        )

    entries = [
        entry("o", "P > 0", "#9aa0a6", "#9aa0a6"),
        entry("s", "P ≤ 0", "#9aa0a6", "#9aa0a6"),
        entry("o", counted(ringed, "troublemaker"), "white", TROUBLE),
    ]
    return entries if ringed else entries[:2]


def plot_basin_map(basin: BasinMap, ax: Any = None) -> Figure:
    """The plane of perturbations of one node, coloured by what became of the grid.

    Args:
        basin: What to draw.
        ax: Axes to draw into; a new figure unless given.
    """
    instance("basin", basin, BasinMap, "take one of gridstab.dynamics.basin_map")
    if ax is None:
        figure = Figure(figsize=(6.4, 6.0), layout="constrained")
        ax = figure.add_subplot()
    ax.imshow(
        basin.status,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(*_cell_range(basin.dtheta), *_cell_range(basin.domega)),
        cmap=ListedColormap([UNDECIDED, LEFT, RETURNED]),
        norm=BoundaryNorm([-1.5, -0.5, 0.5, 1.5], 3),
    )
    ax.plot(0, 0, marker="+", ms=11, mew=1.8, color="white")
    ax.set_xticks(np.pi * np.array([-1, -0.5, 0, 0.5, 1]), ["−π", "−π/2", "0", "π/2", "π"])
    ax.set_xlabel("phase offset Δθ [rad]", color=TEXT)
    ax.set_ylabel("frequency offset Δω [rad/s]", color=TEXT)
    _quiet_frame(ax)
    _title(
        ax,
        f"{basin.grid.name}, node {basin.label}",
        f"{100 * basin.share:.1f} % of the plane returns",
    )
    labels = {
        Status.RETURNED: ("returns", RETURNED),
        Status.LEFT: ("does not return", LEFT),
        Status.UNDECIDED: ("undecided", UNDECIDED),
    }
    ax.legend(
        handles=[
            Patch(facecolor=colour, edgecolor=LINE, label=label)
            for status, (label, colour) in labels.items()
            if status != Status.UNDECIDED or (basin.status == status).any()
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.1),
        ncols=3,
        frameon=False,
        labelcolor=TEXT,
    )
    return ax.figure


def plot_distribution(
    results: StabilityResult | Sequence[StabilityResult], ax: Any = None, *, bins: int = 40
) -> Figure:
    """How SNBS is distributed over the nodes of one grid, or of several to compare.

    Args:
        results: One result, filled; or several, as outlines with the same total area.
        ax: Axes to draw into; a new figure unless given.
        bins: Bins from 0 to 1.

    Raises:
        InvalidParameterError: No results.
    """
    results = list(results) if isinstance(results, Sequence) else [results]
    for result in results:
        instance("results", result, StabilityResult, "take those of gridstab.simulate")
    at_least("bins", bins, 1)
    if not results:
        raise InvalidParameterError("results must hold at least one result, got none")
    if ax is None:
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        ax = figure.add_subplot()
    edges = np.linspace(0, 1, bins + 1)
    for number, result in enumerate(results):
        colour = SERIES[number % len(SERIES)]
        share = np.histogram(result.snbs, edges)[0] / len(result.snbs)
        label = f"{result.grid.name} (mean {result.snbs.mean():.3f})"
        ax.stairs(share, edges, fill=len(results) == 1, color=colour, lw=1.8, label=label)
        ax.axvline(result.snbs.mean(), color=colour, ls="--", lw=1.2, alpha=0.8)
    lowest = min(float(result.snbs.min()) for result in results)
    ax.set_xlim(max(0.0, np.floor(lowest * 10) / 10 - 0.1), 1.0)
    ax.set_xlabel("single-node basin stability", color=TEXT)
    ax.set_ylabel("share of nodes", color=TEXT)
    _quiet_frame(ax)
    if len(results) == 1:
        _title(
            ax,
            f"{results[0].grid.name}: mean SNBS {results[0].snbs.mean():.3f}",
            f"{counted(len(results[0].snbs), 'node')}; the dashed line is the mean",
        )
    else:
        ax.legend(frameon=False, labelcolor=TEXT, loc="upper left")
    return ax.figure


def _cell_range(centres: Float[np.ndarray, " cells"]) -> tuple[float, float]:
    half = (centres[1] - centres[0]) / 2
    return float(centres[0] - half), float(centres[-1] + half)


def _title(ax: Any, title: str, subtitle: str) -> None:
    ax.set_title(title, loc="left", fontsize=13, fontweight="bold", color=TEXT, pad=22)
    ax.annotate(
        subtitle,
        (0, 1),
        (0, 7),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9.5,
        color=TEXT,
    )


def _quiet_frame(ax: Any) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(LINE)
    ax.tick_params(color=LINE, labelcolor=TEXT)
