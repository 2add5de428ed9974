"""The Julia engine behind the shared interface."""

import math

import numpy as np
from jaxtyping import Float

from gridstab.dynamics.engine import (
    Availability,
    Perturbations,
    StopRule,
    Trajectories,
    available_threads,
)
from gridstab.dynamics.julia.embedded import EmbeddedJulia, embedded_julia, obstacle
from gridstab.dynamics.julia.find import find_julia, find_source, julia_version
from gridstab.dynamics.julia.request import METHODS, Arrays, Problem, make_problem
from gridstab.dynamics.julia.server import JuliaServer, server_of_this_thread
from gridstab.dynamics.sampling import DOMEGA_RANGE
from gridstab.dynamics.schedule import run_by_speed
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import EngineUnavailableError, InvalidParameterError

SMALLEST_TOLERANCE = 1e-14


class JuliaEngine:
    """GridDynamics.jl: the ``native`` engine's method, or adaptive Runge–Kutta, in Julia.

    Runs in this process where that is safe, else in a julia process for each thread; the choice
    is made anew at every call. ``GRIDSTAB_JULIA_MODE=subprocess`` forces the latter.

    Args:
        method: ``"fast"`` (default), ``"tsit5"`` or ``"dop853"``.
        tolerance: Relative and absolute tolerance of a step of the adaptive methods (default:
            1e-9).

    Raises:
        InvalidParameterError: No such method, or a tolerance below 1e-14.
    """

    def __init__(self, method: str = "fast", tolerance: float = 1e-9) -> None:
        if method not in METHODS:
            raise InvalidParameterError(
                f"unknown method {method!r}; choose one of {', '.join(METHODS)}"
            )
        if not (math.isfinite(tolerance) and tolerance >= SMALLEST_TOLERANCE):
            raise InvalidParameterError(
                f"tolerance must be at least {SMALLEST_TOLERANCE}, got {tolerance}"
            )
        self.name = "julia" if method == "fast" else f"julia-{method}"
        self.method, self.tolerance = method, float(tolerance)

    def availability(self) -> Availability:
        """Usable where Julia is found; the version says in which mode it would run now."""
        try:
            version = f"Julia {julia_version(find_julia())}"
            find_source()
            reason = obstacle()
        except EngineUnavailableError as error:
            return Availability(False, str(error), "")
        return Availability(True, "", f"{version}, {'subprocess' if reason else 'in-process'}")

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
            threads: Most threads of Julia to use (default: 1).

        Raises:
            InvalidParameterError: An unknown node, horizon or threads below their range, or a grid
                too fast for the horizon.
            EngineUnavailableError: Julia was not found, or is too old.
            EngineFailedError: GridDynamics failed, or the julia process died.
        """

        def run(part: Perturbations, fastest_offset: float) -> Trajectories:
            problem = self._problem(model, part, stop, horizon, threads, fastest_offset)
            outcome = Trajectories.empty(len(part))
            if len(part):
                self._julia(threads).run(problem, vars(outcome))
            return outcome

        if self.method == "fast":
            return run_by_speed(perturbations, run)
        return run(perturbations, DOMEGA_RANGE)

    def final_states(
        self, model: SwingModel, perturbations: Perturbations, time: float, *, threads: int = 1
    ) -> tuple[Float[np.ndarray, "trajectories nodes"], Float[np.ndarray, "trajectories nodes"]]:
        """Phases [rad], not wrapped, and frequencies [rad/s] of every trajectory at ``time`` [s].

        Raises:
            InvalidParameterError: An unknown node, or time or threads below their range.
            EngineUnavailableError: Julia was not found, or is too old.
            EngineFailedError: GridDynamics failed, or the julia process died.
        """
        fastest = max(DOMEGA_RANGE, float(np.abs(perturbations.domega).max(initial=0.0)))
        problem = self._problem(model, perturbations, StopRule("horizon"), time, threads, fastest)
        theta, omega = problem.empty_states()
        if len(perturbations):
            outputs: Arrays = {"theta_out": theta, "omega_out": omega}
            self._julia(threads).run(problem, outputs, float(time))
        return theta, omega

    def _julia(self, threads: int) -> EmbeddedJulia | JuliaServer:
        julia = find_julia()
        julia_version(julia)
        if not obstacle():
            try:
                return embedded_julia(julia, available_threads())
            except EngineUnavailableError:  # a Julia without its library; do not try again
                assert obstacle()
        return server_of_this_thread(julia, threads)

    def _problem(
        self,
        model: SwingModel,
        perturbations: Perturbations,
        stop: StopRule,
        horizon: float,
        threads: int,
        fastest_offset: float,
    ) -> Problem:
        """Compiled code would read beyond its arrays, so everything is checked here."""
        node, nodes = perturbations.node, model.grid.num_nodes
        for bad in node[(node < 0) | (node >= nodes)][:1]:
            raise InvalidParameterError(f"no node {bad} to perturb; nodes are 0 to {nodes - 1}")
        if not (math.isfinite(horizon) and horizon > 0):
            raise InvalidParameterError(f"horizon must be positive and finite, got {horizon}")
        if threads < 1:
            raise InvalidParameterError(f"threads must be at least 1, got {threads}")
        return make_problem(
            model,
            perturbations,
            method=self.method,
            tolerance=self.tolerance,
            stop=stop,
            horizon=horizon,
            threads=threads,
            fastest_offset=fastest_offset,
        )
