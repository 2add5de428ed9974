"""The stability landscapes that a model predicts, above those that were simulated, if any were."""

import math

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from gridstab.arguments import at_least
from gridstab.grids.power_grid import PowerGrid
from gridstab.report.landscape_plots import COLUMNS
from gridstab.report.plots import COLOURS, LINE, TEXT

MOST = 10
SHARES = Normalize(0.0, 1.0)


def plot_predicted_landscapes(
    grid: PowerGrid,
    predicted: Float[np.ndarray, "nodes rows columns"],
    domega_range: float,
    simulated: Float[np.ndarray, "nodes rows columns"] | None = None,
    most: int = MOST,
) -> Figure:
    """The images of the nodes that are predicted to be the weakest, frequencies upwards.

    Args:
        grid: The grid.
        predicted: Predicted share of every pixel that returns.
        domega_range: Largest frequency offset [rad/s].
        simulated: The same as it was simulated, drawn below each; None without.
        most: Draw so many nodes at most.

    Raises:
        InvalidParameterError: ``most`` is below 1.
    """
    at_least("most", most, 1)
    snbs = predicted.mean(axis=(1, 2))
    shown = np.argsort(snbs, kind="stable")[:most].tolist()
    columns = min(COLUMNS, len(shown))
    kinds = [("predicted", predicted)]
    kinds += [] if simulated is None else [("simulated", simulated)]
    rows = len(kinds) * math.ceil(len(shown) / columns)
    figure = Figure(figsize=(1.9 * columns + 1.0, 2.1 * rows + 0.7), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in panels.ravel():
        panel.set_axis_off()
    for place, node in enumerate(shown):
        for below, (kind, images) in enumerate(kinds):
            panel = panels[len(kinds) * (place // columns) + below, place % columns]
            panel.set_axis_on()
            panel.imshow(
                images[node],
                origin="lower",
                aspect="auto",
                interpolation="nearest",
                extent=(-math.pi, math.pi, -domega_range, domega_range),
                cmap=COLOURS,
                norm=SHARES,
            )
            panel.set_title(
                f"node {grid.labels[node]}, {kind}: {images[node].mean():.3f}",
                fontsize=7.5,
                color=TEXT,
            )
            panel.set_xticks([])
            panel.set_yticks([])
            for spine in panel.spines.values():
                spine.set_color(LINE)
    which = "all nodes" if len(shown) == len(snbs) else f"the {len(shown)} weakest nodes"
    figure.suptitle(f"{grid.name}: {which}, basin stability above each", color=TEXT, fontsize=11)
    figure.colorbar(
        ScalarMappable(SHARES, COLOURS),
        ax=panels,
        label="share of a pixel that returns",
        shrink=0.6,
    )
    return figure
