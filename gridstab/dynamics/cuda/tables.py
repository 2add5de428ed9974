"""What the kernel reads: the grid, its steps and the stop rule, as the fields of one structure."""

from typing import Any, NamedTuple

import numpy as np

from gridstab.dynamics.cuda.layout import Layout
from gridstab.dynamics.engine import RETURN_FREQUENCY, StopRule
from gridstab.dynamics.native.integrator import remains_at_look
from gridstab.dynamics.sampling import DOMEGA_RANGE
from gridstab.dynamics.schedule import make_schedule, single_precision_suffices
from gridstab.dynamics.swing import SwingModel
from gridstab.dynamics.thresholds import thresholds
from gridstab.errors import InvalidParameterError

STEP = np.dtype(
    [
        (name, np.float32)
        for name in (
            "half_kick",
            "displace",
            "process",
            "drift",
            "drift_power",
            "decay",
            "remains",
            "look_power",
        )
    ]
)

GRID_TABLES = (
    "row_start",
    "neighbours",
    "gain",
    "rest",
    "power",
    "half_inertia",
    "friction",
    "flow",
    "look",
    "line_ends",
    "line",
    "cycle_start",
    "cycle",
)
PERTURBATIONS = ("node", "dtheta", "domega")
OUTCOMES = ("status", "reason", "stop_clock", "max_frequency")
WORKSPACE = (
    "lanes",
    "state",
    "rows",
    "extent",
    "last_extent",
    "last_mean",
    "turns",
    "window_theta",
    "counters",
)
SIZES = (
    "nodes",
    "lines",
    "cycles",
    "trajectories",
    "rounds",
    "round_steps",
    "late_after",
    "horizon",
    "time_to_settle",
    "window",
    "published_after",
    "published",
    "certified",
    "settled",
)
THRESHOLDS = (
    "window_length",
    "return_frequency",
    "trapping_energy",
    "quiet_energy",
    "settled_tolerance",
    "settled_frequency",
)

PARAMETERS = np.dtype(
    [(name, np.uintp) for name in GRID_TABLES + PERTURBATIONS + OUTCOMES + WORKSPACE]
    + [(name, np.int32) for name in SIZES]
    + [(name, np.float32) for name in THRESHOLDS]
    + [("steps", STEP, 2)],
    align=True,
)
"""The structure ``Parameters`` of swing.cu, field by field; pointers as addresses."""

LANE = np.dtype([("trajectory", np.int32), ("clock", np.int32), ("peak", np.float32)])
"""The structure ``Lane`` of swing.cu."""


class Problem(NamedTuple):
    """A grid and a stop rule, ready for the kernel."""

    tables: dict[str, np.ndarray[Any, Any]]
    """Arrays for the pointers named in ``GRID_TABLES``."""
    parameters: np.ndarray[Any, Any]
    """One entry of ``PARAMETERS`` with all numbers filled in and all pointers zero."""
    interval: float
    """What one tick of the lanes' clocks lasts [s]."""


def make_problem(
    model: SwingModel,
    stop: StopRule,
    horizon: float,
    layout: Layout,
    fastest_offset: float = DOMEGA_RANGE,
) -> Problem:
    """Tables in float32, computed in float64.

    Raises:
        InvalidParameterError: Single precision is not enough for the grid, or the grid is too fast
            for the horizon.
    """
    grid = model.grid
    schedule = make_schedule(model, stop, horizon, fastest_offset=fastest_offset)
    if not single_precision_suffices(model, stop, schedule):
        raise InvalidParameterError(
            f"engine 'cuda' computes in float32, which is too coarse for the steps of "
            f"{schedule.step:.2g} s, the damping or the different couplings of {grid.name!r}; "
            "take engine 'native'"
        )
    step = schedule.step
    friction = grid.damping / grid.inertia
    power = grid.power / grid.inertia
    gain = _gain(model, layout)
    flows = [drift_coefficients(friction, h) for h in (step, 2 * step)]
    looks = [look_coefficients(friction, h, step) for h in (step, 2 * step)]
    cycle_start, cycle = fundamental_cycles(model)
    phase = model.phase_difference
    tables = {
        "row_start": model.row_start.astype(np.int32),
        "neighbours": model.neighbours.astype(np.int32),
        "gain": gain.astype(np.float32),
        "rest": _wrapped(model.theta).astype(np.float32),
        "power": power.astype(np.float32),
        "half_inertia": (grid.inertia / 2).astype(np.float32),
        "friction": friction.astype(np.float32),
        "flow": np.array(
            [np.stack([a, e, b * power, a * power], 1) for a, b, e in flows], np.float32
        ),
        "look": np.array([np.stack([left, c * power], 1) for left, c in looks], np.float32),
        "line_ends": grid.lines.astype(np.int32),
        "line": np.array([grid.coupling, phase, np.cos(phase), np.sin(phase)], np.float32).T.copy(),
        "cycle_start": cycle_start,
        "cycle": cycle,
    }

    parameters = np.zeros(1, PARAMETERS)
    late = np.array([1, 2])
    parameters["steps"]["half_kick"] = late * step / 2
    parameters["steps"]["displace"] = (late * step) ** 2 / 12
    parameters["steps"]["process"] = np.diff((late * step) ** 2 / 12, prepend=0.0)
    if layout.homogeneous:
        parameters["steps"]["half_kick"] *= gain[0]
        parameters["steps"]["displace"] *= gain[0]
        for row, (a, b, e) in enumerate(flows):
            parameters["steps"]["drift"][0, row] = a[0]
            parameters["steps"]["drift_power"][0, row] = b[0]
            parameters["steps"]["decay"][0, row] = e[0]
        for row, (left, c) in enumerate(looks):
            parameters["steps"]["remains"][0, row] = left[0]
            parameters["steps"]["look_power"][0, row] = c[0]

    limits = thresholds(stop, model)
    values = {
        "nodes": grid.num_nodes,
        "lines": grid.num_lines,
        "cycles": len(cycle_start) - 1,
        "round_steps": schedule.steps,
        "late_after": schedule.switch,
        "horizon": schedule.end,
        "time_to_settle": schedule.time_to_settle,
        "window": schedule.window,
        "published_after": schedule.not_before,
        "published": stop.published,
        "certified": stop.certified,
        "settled": stop.settled,
        "window_length": schedule.window * schedule.interval,
        "return_frequency": RETURN_FREQUENCY,
        "trapping_energy": limits.trapping_energy,
        "quiet_energy": limits.quiet_energy,
        "settled_tolerance": stop.settled_tolerance,
        "settled_frequency": stop.settled_frequency,
    }
    for name, value in values.items():
        parameters[name] = value
    return Problem(tables, parameters, schedule.interval)


def drift_coefficients(
    friction: np.ndarray[Any, Any], step: float
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """a = (1 − e)/γ, b = (h − a)/γ and e = exp(−γh), the exact flow of θ' = ω, ω' = P/m − γω.

    It is θ + a ω + b P/m and e ω + a P/m; without friction a = h and b = h²/2.
    """
    x = friction * step
    slow = x < 1e-4
    safe = np.where(slow, 1.0, x)
    a = step * np.where(slow, 1 - x / 2 + x**2 / 6, -np.expm1(-safe) / safe)
    b = step**2 * np.where(slow, 0.5 - x / 6, (safe + np.expm1(-safe)) / safe**2)
    return a, b, np.exp(-x)


def look_coefficients(
    friction: np.ndarray[Any, Any], step: float, early_step: float
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """e^(−γτ) and (1 − e^(−γτ))/γ: what is left of ω when it is looked at, and what P/m adds.

    τ = h/√6 after the middle of a kick; 1 and 0 where friction is weak, see
    :func:`~gridstab.dynamics.native.integrator.remains_at_look`.
    """
    left = remains_at_look(friction, step, early_step)
    gained = np.divide(1 - left, friction, out=np.zeros_like(left), where=left < 1)
    return left, gained


def fundamental_cycles(
    model: SwingModel,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The cycle that each chord closes over the spanning tree, in compressed rows.

    Returns:
        Where each cycle starts, shape ``(chords + 1,)``, and its lines with the direction in which
        the cycle runs through them, +1 from tail to head, shape ``(entries, 2)``.
    """
    nodes = model.grid.num_nodes
    parent, line, sign, depth = ([0] * nodes for _ in range(4))
    tree = zip(
        model.tree_node.tolist(),
        model.tree_parent.tolist(),
        model.tree_line.tolist(),
        model.tree_sign.tolist(),
        strict=True,
    )
    for node, above, over, towards in tree:
        parent[node], line[node], sign[node] = above, over, int(towards)
        depth[node] = depth[above] + 1

    starts, entries = [0], []
    for chord in model.chord.tolist():
        tail, head = model.grid.lines[chord].tolist()
        entries.append((chord, 1))
        while tail != head:
            if depth[head] >= depth[tail]:
                entries.append((line[head], sign[head]))
                head = parent[head]
            else:
                entries.append((line[tail], -sign[tail]))
                tail = parent[tail]
        starts.append(len(entries))
    return np.array(starts, np.int32), np.array(entries, np.int32).reshape(-1, 2)


def _gain(model: SwingModel, layout: Layout) -> np.ndarray[Any, Any]:
    """K_ij/m_i of every neighbour; of all alike, only the first is read."""
    inertia = np.repeat(model.grid.inertia, np.diff(model.row_start))
    gain = model.neighbour_coupling / inertia
    return gain[:1] if layout.homogeneous and len(gain) else gain


def _wrapped(theta: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Angles within half a turn, where float32 is finest."""
    return theta - 2 * np.pi * np.rint(theta / (2 * np.pi))
