"""The reference engines: adaptive Runge–Kutta in double precision, every trajectory on its own."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from jaxtyping import Float

from gridstab.dynamics.engine import Availability, Perturbations, StopRule, Trajectories
from gridstab.dynamics.reference.stopping import make_certificate, make_stops
from gridstab.dynamics.reference.swing_equation import swing_arrays
from gridstab.dynamics.reference.tableaus import METHODS, Tableau
from gridstab.dynamics.reference.trajectory import run_fixed_steps, run_to_stop, run_to_times
from gridstab.dynamics.schedule import make_schedule
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import InvalidParameterError

CHUNK = 16
"""Trajectories a thread takes at a time; their lengths differ, so few keep all threads busy."""

SMALLEST_TOLERANCE = 1e-14


class ReferenceEngine:
    """Adaptive Runge–Kutta with its own step size for every trajectory.

    ``dop853`` at 1e-9 is the truth that faster engines are compared with; ``tsit5`` at 1e-6 is
    the solver of the published data (Nauck et al. 2022). Largest frequencies are those at the
    steps and the crests between them.

    Args:
        method: ``"dop853"`` (default), ``"dopri5"`` or ``"tsit5"``.
        rtol: Relative tolerance of a step (default: 1e-9).
        atol: Absolute tolerance of a step [rad, rad/s] (default: 1e-9).

    Raises:
        InvalidParameterError: No such method, or a tolerance below 1e-14.
    """

    def __init__(self, method: str = "dop853", rtol: float = 1e-9, atol: float = 1e-9) -> None:
        self.name = method
        self.tableau = _tableau(method)
        self.rtol, self.atol = _tolerances(rtol, atol)

    def availability(self) -> Availability:
        """Usable wherever numba is."""
        return Availability(usable=True, why="", version=f"numba {numba.__version__}")

    def run(
        self,
        model: SwingModel,
        perturbations: Perturbations,
        *,
        stop: StopRule,
        horizon: float = 500.0,
        threads: int = 1,
    ) -> Trajectories:
        """Outcomes of the perturbations, bit for bit the same in any batch and on any threads.

        Args:
            model: The grid around its operating point.
            perturbations: One node and its offsets a trajectory.
            stop: When a trajectory may stop early.
            horizon: Longest time [s].
            threads: Trajectories that run at a time (default: 1).

        Raises:
            InvalidParameterError: An unknown node, horizon or threads below their range, or a grid
                too fast for the horizon.
        """
        _check_nodes(model, perturbations)
        if not (math.isfinite(horizon) and horizon > 0):
            raise InvalidParameterError(f"horizon must be positive and finite, got {horizon}")
        if threads < 1:
            raise InvalidParameterError(f"threads must be at least 1, got {threads}")
        # An explicit method's steps are as short as those of the fixed-step engines, or nearly so.
        make_schedule(model, stop, horizon)
        swing = swing_arrays(model)
        stops = make_stops(stop, model)

        def work(part: Perturbations) -> Trajectories:
            outcome = Trajectories.empty(len(part))
            run_to_stop(
                *_columns(part),
                model.theta.copy(),
                swing,
                make_certificate(model),
                self.tableau,
                stops,
                float(horizon),
                self.rtol,
                self.atol,
                outcome.status,
                outcome.reason,
                outcome.stop_time,
                outcome.max_frequency,
            )
            return outcome

        if threads == 1 or len(perturbations) <= CHUNK:
            return work(perturbations)
        with ThreadPoolExecutor(threads) as pool:
            return Trajectories.concatenate(list(pool.map(work, _chunks(perturbations))))


def integrate(
    model: SwingModel,
    perturbations: Perturbations,
    times: Float[np.ndarray, " times"],
    *,
    method: str = "dop853",
    rtol: float = 1e-9,
    atol: float = 1e-9,
) -> tuple[
    Float[np.ndarray, "trajectories times nodes"], Float[np.ndarray, "trajectories times nodes"]
]:
    """Phases [rad] and frequencies [rad/s] of every trajectory at ``times``.

    A trajectory that leaves the finite numbers is NaN from there on. Phases are not wrapped.

    Args:
        model: The grid around its operating point.
        perturbations: One node and its offsets a trajectory.
        times: Increasing and not negative [s]; steps end on them.
        method: As in :class:`ReferenceEngine`.
        rtol: Relative tolerance of a step (default: 1e-9).
        atol: Absolute tolerance of a step (default: 1e-9).

    Raises:
        InvalidParameterError: An unknown node or method, a bad tolerance, or unordered times.
    """
    _check_nodes(model, perturbations)
    times = np.array(times, dtype=np.float64)
    if not (times.size and np.isfinite(times).all() and (np.diff(times, prepend=0.0) >= 0).all()):
        raise InvalidParameterError(f"times must increase from 0 or later, got {times.tolist()}")
    nodes = model.grid.num_nodes
    states = np.full((len(perturbations), len(times), 2 * nodes), np.nan)
    run_to_times(
        *_columns(perturbations),
        model.theta.copy(),
        swing_arrays(model),
        _tableau(method),
        times,
        *_tolerances(rtol, atol),
        states,
    )
    return states[..., :nodes], states[..., nodes:]


def integrate_fixed(
    model: SwingModel,
    perturbations: Perturbations,
    step: float,
    steps: int,
    *,
    method: str = "dop853",
) -> tuple[Float[np.ndarray, "trajectories nodes"], Float[np.ndarray, "trajectories nodes"]]:
    """Phases and frequencies after ``steps`` equal steps of length ``step`` [s].

    Raises:
        InvalidParameterError: An unknown node or method, or a step or count that is not positive.
    """
    _check_nodes(model, perturbations)
    if not (step > 0 and steps > 0):
        raise InvalidParameterError(f"step and steps must be positive, got {step} and {steps}")
    nodes = model.grid.num_nodes
    states = np.zeros((len(perturbations), 2 * nodes))
    run_fixed_steps(
        *_columns(perturbations),
        model.theta.copy(),
        swing_arrays(model),
        _tableau(method),
        float(step),
        int(steps),
        states,
    )
    return states[:, :nodes], states[:, nodes:]


def _tableau(method: str) -> Tableau:
    if method not in METHODS:
        raise InvalidParameterError(
            f"unknown method {method!r}; choose one of {', '.join(METHODS)}"
        )
    return METHODS[method]


def _tolerances(rtol: float, atol: float) -> tuple[float, float]:
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if not (math.isfinite(tolerance) and tolerance >= SMALLEST_TOLERANCE):
            raise InvalidParameterError(
                f"{name} must be at least {SMALLEST_TOLERANCE}, got {tolerance}"
            )
    return float(rtol), float(atol)


def _check_nodes(model: SwingModel, perturbations: Perturbations) -> None:
    """Compiled code would read beyond its arrays."""
    node, nodes = perturbations.node, model.grid.num_nodes
    for bad in node[(node < 0) | (node >= nodes)][:1]:
        raise InvalidParameterError(f"no node {bad} to perturb; nodes are 0 to {nodes - 1}")


def _columns(
    perturbations: Perturbations,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array(perturbations.node, np.int64),
        np.array(perturbations.dtheta, np.float64),
        np.array(perturbations.domega, np.float64),
    )


def _chunks(perturbations: Perturbations) -> Iterator[Perturbations]:
    for first in range(0, len(perturbations), CHUNK):
        yield perturbations[first : first + CHUNK]
