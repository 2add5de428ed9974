"""The pictures that a finished run leaves in its folder."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridstab.datasets.run_folder import RunFolder
    from gridstab.dynamics.result import StabilityResult


def draw_pictures(folder: "RunFolder") -> None:
    """``grid.png``, the first grid; with several, ``distribution.png`` over all their nodes.

    Raises:
        StorageError: A picture cannot be written.
    """
    from gnncore.figures import save_figure
    from gridstab.report.plots import plot_distribution, plot_grid

    if not (folder.path / "grid.png").exists():
        save_figure(plot_grid(folder.result(1)), folder.path / "grid.png")
    if folder.num_grids > 1 and not (folder.path / "distribution.png").exists():
        save_figure(plot_distribution(_pooled(folder)), folder.path / "distribution.png")


def _pooled(folder: "RunFolder") -> "StabilityResult":
    """All nodes of all grids as if of one grid without lines; holds no histograms."""
    from dataclasses import replace

    import numpy as np

    from gridstab.dynamics.counts import NodeCounts
    from gridstab.dynamics.result import StabilityResult
    from gridstab.grids.power_grid import PowerGrid

    power, counts = [], []
    for grid_id in folder.grid_ids:
        result = folder.result(grid_id)
        power.append(result.grid.power)
        nodes = len(power[-1])
        counts.append(
            replace(
                NodeCounts.zeros(nodes, 0),
                n_samples=result.n_samples,
                n_stable=result.n_stable,
                n_undecided=result.n_undecided,
                max_frequency_counts=np.zeros((nodes, 0), np.int64),
            )
        )
    grid = PowerGrid.from_arrays([], np.concatenate(power), name=f"{len(power):,} grids")
    return StabilityResult.of(grid, NodeCounts.concatenate(counts), {})
