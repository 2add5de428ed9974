"""The stability landscapes of a grid as one picture: a small map a node, the weakest first."""

import math

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gridstab.arguments import at_least, instance
from gridstab.datasets.landscape_folder import GridLandscapes
from gridstab.dynamics.engine import Status
from gridstab.report.plots import LEFT, LINE, RETURNED, TEXT, UNDECIDED

MOST = 20
COLUMNS = 5


def plot_landscapes(found: GridLandscapes, most: int = MOST) -> Figure:
    """The images of the weakest nodes, phases to the right and frequencies upwards.

    Args:
        found: The landscapes of a grid.
        most: Draw so many nodes at most.

    Raises:
        InvalidParameterError: ``most`` is below 1.
    """
    instance("found", found, GridLandscapes, "take one of a folder of gridstab landscape")
    at_least("most", most, 1)
    snbs = found.snbs
    shown = np.argsort(snbs, kind="stable")[:most].tolist()
    columns = min(COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(1.9 * columns + 0.4, 2.1 * rows + 0.9), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    colours = ListedColormap([UNDECIDED, LEFT, RETURNED])
    top = float(found.domega[-1]) * len(found.domega) / (len(found.domega) - 1)
    side = float(found.dtheta[-1]) * len(found.dtheta) / (len(found.dtheta) - 1)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    for panel, node in zip(panels, shown, strict=False):
        panel.imshow(
            found.status[node],
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            extent=(-side, side, -top, top),
            cmap=colours,
            norm=BoundaryNorm([-1.5, -0.5, 0.5, 1.5], 3),
        )
        panel.set_title(f"node {found.grid.labels[node]}: {snbs[node]:.3f}", fontsize=9, color=TEXT)
        panel.set_xticks([])
        panel.set_yticks([])
        for spine in panel.spines.values():
            spine.set_color(LINE)
    which = "all nodes" if len(shown) == len(snbs) else f"the {len(shown)} weakest nodes"
    figure.suptitle(
        f"{found.grid.name}: {which}, basin stability above each", color=TEXT, fontsize=11
    )
    labels = {
        Status.RETURNED: ("returns", RETURNED),
        Status.LEFT: ("does not return", LEFT),
        Status.UNDECIDED: ("undecided", UNDECIDED),
    }
    figure.legend(
        handles=[
            Patch(facecolor=colour, edgecolor=LINE, label=label)
            for status, (label, colour) in labels.items()
            if status != Status.UNDECIDED or found.n_undecided.any()
        ],
        loc="outside lower center",
        ncols=3,
        frameon=False,
        labelcolor=TEXT,
    )
    return figure
