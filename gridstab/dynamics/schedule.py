"""When the fixed-step engines step, look and stop: whole steps in whole check intervals.

``native``, ``julia`` and ``cuda`` share it. ``docs/integrator.md`` says why steps are as long as
they are.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gridstab.dynamics.engine import Perturbations, StopRule, Trajectories
from gridstab.dynamics.rates import damping_rates, oscillation_rates, rotation_rates
from gridstab.dynamics.sampling import DOMEGA_RANGE
from gridstab.dynamics.swing import SwingModel
from gridstab.dynamics.thresholds import thresholds
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid

EARLY_STEP = 0.04
"""Step [s] while the perturbation is fresh; it doubles afterwards."""

EARLY_TIME = 40.0
"""How long the early step lasts [s], at least; see :data:`EARLY_DECAYS`."""

EARLY_DECAYS = 4.0
"""How often the slowest node's frequency has decayed by 1/e before the step doubles."""

LARGEST_PHASE_STEP = 0.8
"""Largest early step times fastest oscillation of the network; stiffer grids take shorter steps."""

LARGEST_DECAY_STEP = 0.2
"""Largest early step times fastest damping D/m."""

LARGEST_ROTATION_STEP = EARLY_STEP * DOMEGA_RANGE
"""Largest early step times fastest rotation [rad]."""

MOST_STEPS = 20_000_000
"""Steps a trajectory, some 3,000 times the usual number, beyond which a grid is refused."""

SHORTEST_SINGLE_STEP = 0.0005
"""Shorter steps [s] add so little to a phase that single precision would round it away."""

STRONGEST_SINGLE_FRICTION = 40.0
"""Stronger damping D/m [1/s] lets phases creep so slowly that they stick in single precision."""

SINGLE_ROUNDING = 4e-7
"""Error of one line's energy in single precision, in units of its coupling."""


class Schedule(NamedTuple):
    """Times in whole check intervals, so that clocks are exact."""

    interval: float
    """Length of a check interval [s]; an early block lasts one, a late block two."""
    steps: int
    """Steps a block."""
    switch: int
    """When a lane doubles its step."""
    end: int
    """The horizon."""
    window: int
    time_to_settle: int
    not_before: int
    """The published rule holds after this."""

    @property
    def step(self) -> float:
        """The early step [s]."""
        return self.interval / self.steps


def make_schedule(
    model: SwingModel,
    stop: StopRule,
    horizon: float,
    early_step: float = EARLY_STEP,
    fastest_offset: float = DOMEGA_RANGE,
) -> Schedule:
    """Divides the horizon into whole check intervals, and those into whole steps.

    The step is ``early_step``, or shorter where something in the grid is faster: its lines
    (√(2 Σ_j K_ij / m_i)), its damping (D/m), or a rotating node (|P|/D, or the perturbation).

    Args:
        model: The grid around its operating point.
        stop: The stop rule, for its check interval and its times.
        horizon: Longest simulated time [s].
        early_step: Longest step while the perturbation is fresh [s].
        fastest_offset: Largest frequency offset of the perturbations [rad/s].

    Raises:
        InvalidParameterError: A trajectory would take more than :data:`MOST_STEPS` steps; the
            message names what is fast, where, and what can be done.
    """
    friction = damping_rates(model.grid)
    step = min(early_step, *(limit.step for limit in _limits(model.grid, horizon, fastest_offset)))
    slowest = float(friction.min())
    early_time = EARLY_DECAYS / slowest if slowest > 0 else math.inf
    early_time = min(max(EARLY_TIME, early_time), max(horizon, EARLY_TIME))
    if (horizon + min(early_time, horizon)) / (2 * step) > MOST_STEPS:
        raise InvalidParameterError(_too_many_steps(model.grid, horizon, step, fastest_offset))

    # Late blocks last two intervals; they must end exactly where the horizon and the windows do, so
    # all of these are even.
    intervals = 2 * max(1, math.ceil(horizon / (2 * stop.check_interval) - 1e-9))
    interval = horizon / intervals
    limits = thresholds(stop, model)
    return Schedule(
        interval=interval,
        steps=math.ceil(interval / step - 1e-9),
        switch=2 * math.ceil(early_time / (2 * interval) - 1e-9),
        end=intervals,
        window=2 * max(1, round(min(limits.settled_window, 2 * horizon) / (2 * interval))),
        time_to_settle=math.ceil(min(limits.time_to_settle, 2 * horizon) / interval),
        not_before=math.ceil(1.0 / interval - 1e-9),
    )


def single_precision_suffices(model: SwingModel, stop: StopRule, schedule: Schedule) -> bool:
    """Whether float32 resolves what a step adds, and the energy that the certificate compares."""
    rounding = SINGLE_ROUNDING * float(np.linalg.norm(model.grid.coupling))
    # A third of what the stop rule leaves below the barrier.
    resolved = not stop.certified or rounding <= model.lowest_barrier / 100
    creeps = float(damping_rates(model.grid).max()) > STRONGEST_SINGLE_FRICTION
    return resolved and not creeps and schedule.step >= SHORTEST_SINGLE_STEP


def run_by_speed(
    perturbations: Perturbations, run: Callable[[Perturbations, float], Trajectories]
) -> Trajectories:
    """Outcomes of ``run(part, fastest_offset)``, for parts of like frequency offsets.

    Offsets up to 15 rad/s are one part, up to 30 the next, then 60, …, so that the step of a
    trajectory, and with it the outcome, depends on no other trajectory.
    """
    with np.errstate(divide="ignore"):
        doublings = np.ceil(np.log2(np.abs(perturbations.domega) / DOMEGA_RANGE) - 1e-12)
    # What is not finite diverges at any step.
    doublings = np.where(np.isfinite(doublings), np.maximum(doublings, 0.0), 0.0)
    kinds = np.unique(doublings)
    if len(kinds) <= 1:
        return run(perturbations, DOMEGA_RANGE * 2.0 ** float(kinds.max(initial=0.0)))
    outcome = Trajectories.empty(len(perturbations))
    for kind in kinds:
        chosen = np.flatnonzero(doublings == kind)
        part = run(perturbations[chosen], DOMEGA_RANGE * 2.0 ** float(kind))
        for field, values in vars(outcome).items():
            values[chosen] = getattr(part, field)
    return outcome


class _Limit(NamedTuple):
    """The longest step that something fast allows, and its name for a message."""

    step: float
    what: str


def _limits(grid: PowerGrid, horizon: float, fastest_offset: float) -> list[_Limit]:
    def limit(largest: float, rates: Float[np.ndarray, " nodes"], what: str) -> _Limit:
        node = int(rates.argmax())
        rate = float(rates[node])
        step = largest / rate if rate > 0 else math.inf
        return _Limit(step, what.format(node=node, rate=f"{rate:.4g}"))

    return [
        limit(
            LARGEST_PHASE_STEP,
            oscillation_rates(grid),
            "the lines of node {node} swing it at up to {rate} rad/s (√(2 ΣK/m))",
        ),
        limit(
            LARGEST_DECAY_STEP,
            damping_rates(grid),
            "the frequency of node {node} decays at D/m = {rate} 1/s",
        ),
        limit(
            LARGEST_ROTATION_STEP,
            rotation_rates(grid, horizon),
            "node {node}, once out of step, turns at up to {rate} rad/s (|P|/D, or |P|/m a second)",
        ),
        _Limit(
            LARGEST_ROTATION_STEP / fastest_offset,
            f"a perturbation turns its node at up to {fastest_offset:.4g} rad/s",
        ),
    ]


def _too_many_steps(grid: PowerGrid, horizon: float, step: float, fastest_offset: float) -> str:
    fastest = min(_limits(grid, horizon, fastest_offset), key=lambda limit: limit.step)
    usual = fastest.step >= EARLY_STEP * (1 - 1e-9)
    why = "" if usual else f"{fastest.what}, so that "
    what_else = "" if usual else ", or check the units of inertia, damping, coupling and power"
    return (
        f"{why}a horizon of {horizon:g} s takes {horizon / step:.2g} steps of {step:.2g} s, more "
        f"than {MOST_STEPS:,}; shorten the horizon to {MOST_STEPS * step:.2g} s{what_else}"
    )
