"""A grid coloured by what a model predicts for its nodes."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from gridstab.grids.power_grid import PowerGrid
from gridstab.report.plots import COLOURS, TEXT, draw_grid


def plot_prediction(
    grid: PowerGrid,
    prediction: Float[np.ndarray, " nodes"],
    ax: Any = None,
    *,
    quantity: str = "single-node basin stability",
    weak_is_high: bool = False,
) -> Figure:
    """The grid with every node coloured by its prediction; those with P > 0 are circles.

    Args:
        grid: What to draw.
        prediction: One a node.
        ax: Axes to draw into; a new figure unless given.
        quantity: What is predicted.
        weak_is_high: Whether large values call for attention, as those of troublemakers do.
    """
    low, high = float(prediction.min()), float(prediction.max())
    if low >= 0 and high <= 1:
        low, high = (0.0, 1.0) if weak_is_high else (min(np.floor(10 * low) / 10, 0.9), 1.0)
    ax = draw_grid(
        grid,
        prediction,
        ax,
        limits=(low, high),
        label=f"predicted {quantity}",
        colours=f"{COLOURS}_r" if weak_is_high else COLOURS,
        last_is_high=weak_is_high,
    )
    ax.set_title(
        f"{grid.name}: {prediction.mean():.3f} on average, "
        f"{prediction.min():.3f} to {prediction.max():.3f}",
        loc="left",
        fontsize=13,
        fontweight="bold",
        color=TEXT,
    )
    return ax.figure
