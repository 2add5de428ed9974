"""The basin of one node: which phase and frequency offsets the grid returns from."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from gridstab.arguments import at_least, at_most, positive
from gridstab.dynamics.engine import Engine, Status, stop_rule
from gridstab.dynamics.engines import make_engine
from gridstab.dynamics.outcomes import outcomes
from gridstab.dynamics.sampling import DOMEGA_RANGE, DTHETA_RANGE
from gridstab.dynamics.settings import LARGEST_DOMEGA
from gridstab.grids.power_grid import PowerGrid

if TYPE_CHECKING:
    import h5py


FINEST_RESOLUTION = 5000
"""Most cells along an axis: 25 million trajectories, and pixels."""

CELLS_AT_ONCE = 1_000_000
"""Cells handed to the engine at once; memory grows with these alone."""


@dataclass(frozen=True, eq=False)
class BasinMap:
    """Outcomes over the plane of perturbations of one node.

    Attributes:
        grid: The grid.
        node: The perturbed node.
        dtheta: Phase offset of each column, the centres of its cells [rad].
        domega: Frequency offset of each row, the centres of its cells [rad/s].
        status: ``Status`` of each cell: 1 returned, 0 left, −1 undecided.
        settings: Engine, stop rule and horizon.
    """

    grid: PowerGrid
    node: int
    dtheta: Float[np.ndarray, " columns"]
    domega: Float[np.ndarray, " rows"]
    status: Int[np.ndarray, "rows columns"]
    settings: dict[str, object] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Share of cells that return: the midpoint rule for the node's SNBS."""
        return float((self.status == Status.RETURNED).mean())

    @property
    def undecided(self) -> int:
        """Number of cells that are undecided, and count as not returned in :attr:`share`."""
        return int((self.status == Status.UNDECIDED).sum())

    @property
    def label(self) -> str:
        """What the node is called."""
        return self.grid.labels[self.node]

    def save(self, path: str | Path) -> None:
        """Write the map as HDF5: ``status``, ``dtheta``, ``domega`` and how they were made.

        Its picture is ``gridstab.report.plots.plot_basin_map``.

        Raises:
            StorageError: The file cannot be written.
        """
        from gnncore.storage import create_dataset, write_hdf5

        def fill(file: "h5py.File") -> None:
            for name in ("status", "dtheta", "domega"):
                create_dataset(file, name, getattr(self, name))
            origin = {
                "node": self.node,
                "grid": self.grid.name,
                "grid_sha256": self.grid.content_hash,
            }
            if self.grid.has_own_labels:
                origin["label"] = self.label
            file.attrs.update(origin | self.settings)

        write_hdf5(path, fill)

    def __repr__(self) -> str:
        size = f"{len(self.domega)}×{len(self.dtheta)}"
        return f"BasinMap({self.grid.name!r}, node={self.node}, {size}, share={self.share:.4f})"


def basin_map(
    grid: PowerGrid,
    node: int,
    *,
    resolution: int = 100,
    domega_range: float = DOMEGA_RANGE,
    engine: str | Engine = "auto",
    stop: str = "fast",
    horizon: float = 500.0,
    threads: int | None = None,
) -> BasinMap:
    """Simulate a regular raster of perturbations of one node.

    Args:
        grid: The grid.
        node: The node to perturb.
        resolution: Cells along each axis, 2 to 5000.
        domega_range: Largest frequency offset [rad/s]; phases cover the whole turn.
        engine: Name of an engine, ``auto`` for the fastest that runs here, or an engine.
        stop: Stop rule: ``fast``, ``certified``, ``published`` or ``horizon``.
        horizon: Longest simulated time [s].
        threads: Threads of the engine; all available processors unless given.

    Raises:
        InvalidParameterError: A parameter is outside its range.
        OperatingPointError: The grid has no stable operating point.
        EngineUnavailableError: The engine is unknown or cannot run here.
    """
    at_least("node", node, 0)
    at_least("resolution", resolution, 2)
    at_most("resolution", resolution, FINEST_RESOLUTION)
    positive("domega_range", domega_range)
    at_most("domega_range", domega_range, LARGEST_DOMEGA, " rad/s")
    made = make_engine(engine)
    centre = (2 * np.arange(resolution) + 1) / resolution - 1
    dtheta, domega = centre * DTHETA_RANGE, centre * domega_range
    status = np.empty((resolution, resolution), np.int8)
    rows = max(1, CELLS_AT_ONCE // resolution)
    for first in range(0, resolution, rows):
        part = slice(first, first + rows)
        status[part] = outcomes(
            grid,
            node,
            dtheta,
            domega[part, None],
            engine=made,
            stop=stop,
            horizon=horizon,
            threads=threads,
        )
    settings = {"engine": made.name, "stop": stop_rule(stop).name, "horizon": horizon}
    return BasinMap(grid, node, dtheta, domega, status, settings)
