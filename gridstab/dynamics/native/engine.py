"""The CPU engine behind the shared interface: prepares tables, starts threads, collects outcomes."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np

from gridstab.dynamics.engine import (
    RETURN_FREQUENCY,
    Availability,
    Perturbations,
    StopRule,
    Trajectories,
)
from gridstab.dynamics.native import driver, integrator, state
from gridstab.dynamics.native.simd import Lanes, aligned_rows
from gridstab.dynamics.swing import SwingModel

VECTOR_BYTES = 64
"""Lanes fill one cache line: 16 in float32, 8 in float64, whatever the processor's registers."""

EARLY_STEP = 0.05
"""Step [s] while the perturbation is fresh; it doubles afterwards."""

EARLY_TIME = 20.0
"""How long the early step lasts [s]."""

LARGEST_PHASE_STEP = 0.8
"""Largest early step times fastest oscillation of the network; stiffer grids take shorter steps."""

TRAJECTORIES_PER_TASK = 4096


class NativeEngine:
    """Many trajectories a core in SIMD lanes, compiled by numba; the default engine.

    Args:
        precision: Number type of the state. float32 is the default: its rounding changes fewer
            outcomes than the step size does (see ``benchmarks/README.md``).
        early_step: Upper bound of the step size in the first 20 s; twice that later [s].
    """

    def __init__(
        self,
        precision: Literal["float32", "float64"] = "float32",
        early_step: float = EARLY_STEP,
    ) -> None:
        self.name = "native" if precision == "float32" else "native64"
        dtype = np.float32 if precision == "float32" else np.float64
        self.lanes = Lanes(dtype, VECTOR_BYTES // np.dtype(dtype).itemsize)
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
        """Outcomes of the perturbations; the same whatever the batch and the threads."""
        prepared = _Prepared(model, self.lanes, self.early_step, stop, horizon)
        outcome = Trajectories.empty(len(perturbations))
        # Few enough trajectories a task to keep the threads busy to the end, enough to fill lanes.
        size = max(16 * self.lanes.count, -(-len(perturbations) // (8 * threads)))
        size = min(size, TRAJECTORIES_PER_TASK) if threads > 1 else len(perturbations)
        parts = [slice(i, i + size) for i in range(0, len(perturbations), max(size, 1))]
        if threads == 1 or len(parts) == 1:
            for part in parts:
                prepared.run(perturbations, outcome, part)
            return outcome
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda part: prepared.run(perturbations, outcome, part), parts):
                pass
        return outcome


class _Prepared:
    """A model in the engine's number type, with the tables of one stop rule and horizon."""

    def __init__(
        self, model: SwingModel, lanes: Lanes, early_step: float, stop: StopRule, horizon: float
    ) -> None:
        grid = model.grid
        self.model, self.lanes = model, lanes
        self.schedule = make_schedule(model, stop, horizon, early_step)
        step = self.schedule.interval / self.schedule.steps
        homogeneous = grid.is_homogeneous and grid.num_lines > 0
        gain = (grid.coupling[0] if homogeneous else 1.0) / grid.inertia
        friction = grid.damping / grid.inertia
        drifts = [integrator.drift_coefficients(friction, h) for h in (step, 2 * step)]

        self.network = state.make_network(model)
        self.lines = state.make_lines(model, lanes)
        self.coupling = None if homogeneous else self._convert(model.neighbour_coupling)
        self.line_coupling = self._convert(grid.coupling)
        self.nodes = state.Nodes(
            power=self._convert(grid.power / grid.inertia),
            gain=self._convert(gain),
            half_inertia=self._convert(grid.inertia / 2),
            friction=self._convert(friction),
            early=self._convert(drifts[0]),
            late=self._convert(drifts[1]),
        )
        self.step_table = np.zeros((2, integrator.STEP_ROWS), lanes.dtype)
        for late, (h, drift) in enumerate(zip((step, 2 * step), drifts, strict=True)):
            scale = gain[0] if homogeneous else 1.0
            row = self.step_table[late]
            row[integrator.KICK] = h * scale
            row[integrator.DISPLACEMENT] = h * h / 12 * scale
            row[integrator.DRIFT : integrator.DECAY + 1] = drift[:, 0]
            row[integrator.IS_LATE] = late
            row[integrator.PROCESSOR] = h * h / 12
        self.rule = driver.Rule(
            published=stop.published,
            certified=stop.certified,
            settled=stop.settled,
            trapped_below=stop.margin * model.lowest_barrier,
            # ½ m ω² < E, so no |ω| exceeds the threshold once E is below this; 2 % for rounding.
            still_below=(
                0.98 * 0.5 * float(grid.inertia.min()) * RETURN_FREQUENCY**2
                if model.lowest_barrier > 0
                else 0.0
            ),
            return_frequency=RETURN_FREQUENCY,
            settled_tolerance=stop.settled_tolerance,
            settled_frequency=stop.settled_frequency,
        )

    def _convert(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.ascontiguousarray(values, self.lanes.dtype)

    def run(self, perturbations: Perturbations, outcome: Trajectories, part: slice) -> int:
        """Simulates a part of the perturbations into ``outcome``; gives the lane-steps made."""
        chosen = perturbations[part]
        grid, lanes, theta = self.model.grid, self.lanes, self.model.theta
        return driver.run(
            lanes,
            state.make_state(grid.num_nodes, lanes),
            state.make_windows(grid.num_nodes, lanes),
            self.network,
            self.nodes,
            self.coupling,
            self.lines,
            self.line_coupling,
            aligned_rows(max(grid.num_lines, 1), lanes),
            aligned_rows(grid.num_nodes, lanes),
            self.step_table,
            aligned_rows(integrator.STEP_ROWS, lanes),
            aligned_rows(driver.LANE_ROWS, lanes),
            self.schedule,
            self.rule,
            driver.Start(
                theta,
                np.sin(theta),
                np.cos(theta),
                np.ascontiguousarray(chosen.node, np.int64),
                np.ascontiguousarray(chosen.dtheta, np.float64),
                np.ascontiguousarray(chosen.domega, np.float64),
            ),
            driver.Outcome(
                outcome.status[part],
                outcome.reason[part],
                outcome.stop_time[part],
                outcome.max_frequency[part],
            ),
        )


def make_schedule(
    model: SwingModel, stop: StopRule, horizon: float, early_step: float = EARLY_STEP
) -> driver.Schedule:
    """Divides the horizon into whole check intervals, and those into whole steps.

    The step is ``early_step``, or shorter where the fastest oscillation of the network,
    √(2 max_i Σ_j K_ij / m_i), asks for it.
    """
    grid = model.grid
    total_coupling = np.zeros(grid.num_nodes)
    np.add.at(total_coupling, grid.lines.ravel(), np.repeat(grid.coupling, 2))
    fastest = math.sqrt(2 * float((total_coupling / grid.inertia).max()))
    step = min(early_step, LARGEST_PHASE_STEP / fastest if fastest else early_step)

    # Late blocks last two intervals; they must meet the horizon and the windows' ends exactly, so
    # all of these are even.
    intervals = 2 * max(1, math.ceil(horizon / (2 * stop.check_interval) - 1e-9))
    interval = horizon / intervals
    switch = 2 * math.ceil(EARLY_TIME / (2 * interval) - 1e-9)
    window = 2 * max(1, round(stop.settled_window / (2 * interval)))
    return driver.Schedule(
        interval=interval,
        steps=math.ceil(interval / step - 1e-9),
        switch=switch,
        end=intervals,
        window=window,
        time_to_settle=math.ceil(stop.time_to_settle / interval),
        not_before=math.ceil(1.0 / interval - 1e-9),
    )
