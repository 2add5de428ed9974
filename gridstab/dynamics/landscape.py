"""Stability landscapes: for every node an image of the perturbations from which the grid returns.

The plane of perturbations, phase by frequency, that single-node basin stability draws from at
random is cut into pixels, and the centre of each is simulated (Nauck et al. 2026,
arXiv:2605.23708, count random perturbations in such pixels). The share of the pixels that return
is the node's basin stability by the midpoint rule.
"""

import numpy as np
from jaxtyping import Float, Int

from gridstab.arguments import at_least, at_most, instance, positive
from gridstab.dynamics.basin_map import FINEST_RESOLUTION, BasinMap
from gridstab.dynamics.engine import Engine, Perturbations, available_threads, stop_rule
from gridstab.dynamics.engines import make_engine
from gridstab.dynamics.sampling import DOMEGA_RANGE, DTHETA_RANGE
from gridstab.dynamics.settings import LARGEST_DOMEGA, LONGEST_HORIZON
from gridstab.dynamics.simulate import known_nodes
from gridstab.dynamics.swing import SwingModel
from gridstab.grids.power_grid import PowerGrid

RESOLUTION = 20
"""Pixels along each axis of the published landscapes."""

BATCH = 100_000
"""Pixels handed to the engine at once; memory grows with these alone."""


def stability_landscape(
    grid: PowerGrid,
    node: int,
    *,
    resolution: int = RESOLUTION,
    domega_range: float = DOMEGA_RANGE,
    engine: str | Engine = "auto",
    stop: str = "fast",
    horizon: float = 500.0,
    threads: int | None = None,
) -> BasinMap:
    """The stability landscape of one node.

    ``status`` of the result is the image, frequencies in its rows and phases in its columns, both
    ascending; ``share`` is the node's basin stability; undecided pixels are -1 and counted apart.

    Args:
        grid: The grid.
        node: The node to perturb.
        resolution: Pixels along each axis, 2 to 5000.
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
    instance("grid", grid, PowerGrid, "make one with gridstab.grids")
    at_least("node", node, 0)
    nodes = known_nodes([node], grid)
    require_raster(resolution, domega_range)
    positive("horizon", horizon)
    at_most("horizon", horizon, LONGEST_HORIZON, " s")
    threads = available_threads() if threads is None else threads
    at_least("threads", threads, 1)
    made = make_engine(engine)
    status = landscapes_of(
        SwingModel.of(grid),
        nodes,
        resolution,
        domega_range=domega_range,
        engine=made,
        stop=stop,
        horizon=horizon,
        threads=threads,
    )
    dtheta, domega = raster(resolution, domega_range)
    settings = {"engine": made.name, "stop": stop_rule(stop).name, "horizon": horizon}
    return BasinMap(grid, int(nodes[0]), dtheta, domega, status[0], settings)


def landscapes_of(
    model: SwingModel,
    nodes: Int[np.ndarray, " nodes"],
    resolution: int,
    *,
    domega_range: float,
    engine: Engine,
    stop: str,
    horizon: float,
    threads: int = 1,
) -> Int[np.ndarray, "nodes rows columns"]:
    """The images of some nodes; the same however nodes are divided among calls.

    Args:
        model: The grid and its operating point.
        nodes: Nodes to perturb.
        resolution: Pixels along each axis.
        domega_range: Largest frequency offset [rad/s].
        engine: The engine.
        stop: Stop rule.
        horizon: Longest simulated time [s].
        threads: Threads of the engine.

    Returns:
        ``Status`` of every pixel: 1 returned, 0 left, -1 undecided.
    """
    dtheta, domega = raster(resolution, domega_range)
    pixels = resolution**2
    status = np.empty(len(nodes) * pixels, np.int8)
    for first in range(0, len(status), BATCH):
        place = np.arange(first, min(first + BATCH, len(status)))
        row, column = np.divmod(place % pixels, resolution)
        outcome = engine.run(
            model,
            Perturbations(nodes[place // pixels], dtheta[column], domega[row]),
            stop=stop_rule(stop),
            horizon=horizon,
            threads=threads,
        )
        status[place] = outcome.status
    return status.reshape(len(nodes), resolution, resolution)


def raster(
    resolution: int, domega_range: float = DOMEGA_RANGE
) -> tuple[Float[np.ndarray, " columns"], Float[np.ndarray, " rows"]]:
    """Phase offset of the centre of every column [rad], frequency offset of every row [rad/s]."""
    centre = (2 * np.arange(resolution) + 1) / resolution - 1
    return centre * DTHETA_RANGE, centre * domega_range


def require_raster(resolution: int, domega_range: float = DOMEGA_RANGE) -> None:
    """Nothing, if images can be of that kind.

    Raises:
        InvalidParameterError: They cannot.
    """
    at_least("resolution", resolution, 2)
    at_most("resolution", resolution, FINEST_RESOLUTION)
    positive("domega_range", domega_range)
    at_most("domega_range", domega_range, LARGEST_DOMEGA, " rad/s")
