"""The CPU engine behind the shared interface: tables, schedule, threads, outcomes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np

from gridstab.dynamics.engine import (
    RETURN_FREQUENCY,
    Availability,
    Perturbations,
    StopRule,
    Trajectories,
)
from gridstab.dynamics.native import driver, integrator, state
from gridstab.dynamics.native.simd import aligned_rows
from gridstab.dynamics.native.tables import Tables, lanes_of
from gridstab.dynamics.schedule import (
    EARLY_STEP,
    Schedule,
    make_schedule,
    run_by_speed,
    single_precision_suffices,
)
from gridstab.dynamics.swing import SwingModel
from gridstab.dynamics.thresholds import thresholds


class NativeEngine:
    """Many trajectories a core in SIMD lanes, compiled by numba; the default engine.

    Args:
        precision: Number type of the state. float32 is the default: its rounding changes fewer
            outcomes than the step size does (see ``benchmarks/SIMULATION.md``). Grids that need
            steps below 0.5 ms, are damped by D/m above 40 1/s, or whose couplings differ too much
            for its certificate, are computed in float64 all the same.
        early_step: Upper bound of the step size in the first 40 s; twice that later [s].
    """

    def __init__(
        self,
        precision: Literal["float32", "float64"] = "float32",
        early_step: float = EARLY_STEP,
    ) -> None:
        self.name = "native" if precision == "float32" else "native64"
        self.lanes = lanes_of(precision)
        self.early_step = early_step

    def availability(self) -> Availability:
        """Usable wherever numba is."""
        import numba

        return Availability(True, "", f"numba {numba.__version__}")

    def run(
        self,
        model: SwingModel,
        perturbations: Perturbations,
        *,
        stop: StopRule,
        horizon: float = 500.0,
        threads: int = 1,
    ) -> Trajectories:
        """Outcomes of the perturbations; the same whatever the batch and the threads.

        Raises:
            InvalidParameterError: The grid is too fast for the horizon, see
                :func:`~gridstab.dynamics.schedule.make_schedule`.
        """
        return run_by_speed(
            perturbations,
            lambda part, offset: self._run(model, part, stop, horizon, threads, offset),
        )

    def _run(
        self,
        model: SwingModel,
        perturbations: Perturbations,
        stop: StopRule,
        horizon: float,
        threads: int,
        fastest_offset: float,
    ) -> Trajectories:
        schedule = make_schedule(model, stop, horizon, self.early_step, fastest_offset)
        single = single_precision_suffices(model, stop, schedule)
        tables = Tables(model, self.lanes if single else lanes_of("float64"), schedule.step)
        rule = make_rule(model, stop)

        def simulate(part: slice) -> None:
            _run_part(tables, schedule, rule, perturbations[part], outcome, part)

        outcome = Trajectories.empty(len(perturbations))
        # Large parts: at the end of each, lanes wait for its slowest trajectory.
        size = max(16 * self.lanes.count, -(-len(perturbations) // (2 * threads)))
        size = size if threads > 1 else max(len(perturbations), 1)
        parts = [slice(i, i + size) for i in range(0, len(perturbations), size)]
        if threads == 1 or len(parts) == 1:
            for part in parts:
                simulate(part)
            return outcome
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(simulate, parts):
                pass
        return outcome


def _run_part(
    tables: Tables,
    schedule: Schedule,
    rule: driver.Rule,
    perturbations: Perturbations,
    outcome: Trajectories,
    part: slice,
) -> None:
    lanes, nodes = tables.lanes, len(tables.order)
    theta = tables.model.theta[tables.order]
    driver.run(
        lanes,
        state.make_state(nodes, lanes),
        state.make_windows(nodes, lanes),
        tables.network,
        tables.nodes,
        tables.coupling,
        tables.lines,
        tables.line_coupling,
        aligned_rows(len(tables.line_coupling), lanes),
        aligned_rows(nodes, lanes),
        tables.step_table,
        aligned_rows(integrator.STEP_ROWS, lanes),
        aligned_rows(driver.LANE_ROWS, lanes),
        schedule,
        rule,
        driver.Start(
            theta / np.pi,
            np.sin(theta),
            np.cos(theta),
            tables.rank[perturbations.node],
            np.ascontiguousarray(perturbations.dtheta, np.float64),
            np.ascontiguousarray(perturbations.domega, np.float64),
        ),
        driver.Outcome(
            outcome.status[part],
            outcome.reason[part],
            outcome.stop_time[part],
            outcome.max_frequency[part],
        ),
    )


def make_rule(model: SwingModel, stop: StopRule) -> driver.Rule:
    """The stop rule with the thresholds of this model."""
    limits = thresholds(stop, model)
    return driver.Rule(
        published=stop.published,
        certified=stop.certified,
        settled=stop.settled,
        trapping_energy=limits.trapping_energy,
        quiet_energy=limits.quiet_energy,
        return_frequency=RETURN_FREQUENCY,
        settled_tolerance=stop.settled_tolerance,
        settled_frequency=stop.settled_frequency,
    )
