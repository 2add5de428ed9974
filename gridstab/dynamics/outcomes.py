"""What becomes of chosen perturbations: outcomes, reasons and times, one a trajectory."""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from gridstab.arguments import at_least, at_most, positive, shortened
from gridstab.dynamics.engine import (
    Engine,
    Perturbations,
    Trajectories,
    available_threads,
    stop_rule,
)
from gridstab.dynamics.engines import make_engine
from gridstab.dynamics.sampling import within_a_turn
from gridstab.dynamics.settings import LONGEST_HORIZON
from gridstab.dynamics.simulate import known_nodes
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid


def trajectories(
    grid: PowerGrid,
    node: ArrayLike,
    dtheta: ArrayLike,
    domega: ArrayLike,
    *,
    engine: str | Engine = "auto",
    stop: str = "fast",
    horizon: float = 500.0,
    threads: int | None = None,
) -> Trajectories:
    """What becomes of given perturbations: status, reason, stopping time, largest frequency.

    Args:
        grid: The grid.
        node: Perturbed node or nodes; broadcast with the offsets.
        dtheta: Phase offset from the operating point [rad].
        domega: Frequency offset [rad/s].
        engine: Name of an engine, ``auto`` for the fastest that runs here, or an engine.
        stop: Stop rule: ``fast``, ``certified``, ``published`` or ``horizon``.
        horizon: Longest simulated time [s].
        threads: Threads of the engine; all available processors unless given.

    Returns:
        One entry a trajectory, in row-major order of the broadcast shape.

    Raises:
        InvalidParameterError: Unknown nodes, offsets that are not finite or do not broadcast, or a
            grid too fast for the horizon.
        OperatingPointError: The grid has no stable operating point.
        EngineUnavailableError: The engine is unknown or cannot run here.
    """
    nodes, dthetas, domegas = (part.ravel() for part in _broadcast(grid, node, dtheta, domega))
    positive("horizon", horizon)
    at_most("horizon", horizon, LONGEST_HORIZON, " s")
    threads = available_threads() if threads is None else threads
    at_least("threads", threads, 1)
    return make_engine(engine).run(
        SwingModel.of(grid),
        Perturbations(nodes, within_a_turn(dthetas), domegas),
        stop=stop_rule(stop),
        horizon=horizon,
        threads=threads,
    )


def outcomes(
    grid: PowerGrid,
    node: ArrayLike,
    dtheta: ArrayLike,
    domega: ArrayLike,
    *,
    engine: str | Engine = "auto",
    stop: str = "fast",
    horizon: float = 500.0,
    threads: int | None = None,
) -> Int[np.ndarray, "..."]:
    """Whether the grid returns after given perturbations: 1 yes, 0 no, −1 undecided.

    Takes the arguments of :func:`trajectories` and raises its errors.

    Returns:
        ``Status`` values (int8) in the broadcast shape of ``node``, ``dtheta`` and ``domega``.
    """
    shape = _broadcast(grid, node, dtheta, domega)[0].shape
    result = trajectories(
        grid, node, dtheta, domega, engine=engine, stop=stop, horizon=horizon, threads=threads
    )
    return result.status.reshape(shape)


def _broadcast(
    grid: PowerGrid, node: ArrayLike, dtheta: ArrayLike, domega: ArrayLike
) -> tuple[Int[np.ndarray, "*shape"], Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    nodes = known_nodes(node, grid)
    offsets = []
    for name, values in (("dtheta", dtheta), ("domega", domega)):
        try:
            given = np.asanyarray(values)
            if given.dtype.kind not in "biuf" or isinstance(given, np.ma.MaskedArray):
                raise TypeError(f"got {shortened(values)}")
            offset = given.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidParameterError(f"{name} must be numbers: {error}") from error
        for bad in offset[~np.isfinite(offset)][:1]:
            raise InvalidParameterError(f"{name} must be finite, got {bad}")
        offsets.append(offset)
    try:
        nodes, dthetas, domegas = np.broadcast_arrays(nodes, *offsets)
    except ValueError as error:
        raise InvalidParameterError(
            f"node, dtheta and domega must broadcast, got shapes {nodes.shape}, "
            f"{offsets[0].shape} and {offsets[1].shape}"
        ) from error
    return nodes, dthetas, domegas
