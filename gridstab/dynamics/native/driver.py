"""The loop over blocks of steps: lanes are filled, advanced, checked, and refilled at once.

The system is autonomous, so every lane has its own clock, and a finished trajectory's lane is
given to the next one without waiting for the others. No operation mixes lanes, so an outcome does
not depend on its neighbours, its lane or the batch.
"""

from typing import Any, NamedTuple

import numpy as np

from gnncore.compiled import compiled
from gridstab.dynamics.native.checks import (
    UNSET,
    close_windows,
    kinetic_energy,
    potential_energy,
    winding,
    wrap_angles,
)
from gridstab.dynamics.native.integrator import (
    IS_LATE,
    PROCESSOR,
    displace,
    half_kick,
    inline,
    kick_and_drift,
    process_all,
    process_around,
    set_node,
    track_extremes,
)
from gridstab.dynamics.native.simd import broadcast, load, maximum, minimum, store

# Rows of one value a lane, kept from block to block.
PEAK, QUIETEST, FASTEST, KINETIC, POTENTIAL, WINDING, CHANGE, MEAN, CLOSING = range(9)
LANE_ROWS = 9
EXTREMES_EVERY = 4

# The values of engine.Status and engine.Reason, as numba constants.
UNDECIDED, LEFT, RETURNED = -1, 0, 1
RUNNING = -2
HORIZON, CERTIFIED, SETTLED, PUBLISHED, DIVERGED = range(5)


class Rule(NamedTuple):
    """The stop rule, with its thresholds."""

    published: bool
    certified: bool
    settled: bool
    trapping_energy: float
    """Energy [K] below which a state in the box is trapped."""
    quiet_energy: float
    """Energy below which no frequency can exceed the return frequency again."""
    return_frequency: float
    settled_tolerance: float
    settled_frequency: float


class Start(NamedTuple):
    """The operating point [half turns], and the perturbations [rad, rad/s], in float64."""

    theta: Any
    sine: Any
    cosine: Any
    node: Any
    dtheta: Any
    domega: Any


class Outcome(NamedTuple):
    """Where outcomes are written, one entry a trajectory."""

    status: Any
    reason: Any
    stop_time: Any
    max_frequency: Any


@inline
def set_step(steps: Any, table: Any, lane: int, late: int) -> None:
    """Gives the lane the early or the late step's coefficients."""
    for row in range(table.shape[1]):
        steps[row, lane] = table[late, row]


@inline
def fill_lane(state: Any, windows: Any, start: Any, lane: int, trajectory: int) -> None:
    """Puts the perturbed operating point into the lane."""
    for i in range(state.theta.shape[0]):
        state.theta[i, lane] = start.theta[i]
        state.omega[i, lane] = 0.0
        state.trig[2 * i, lane] = start.sine[i]
        state.trig[2 * i + 1, lane] = start.cosine[i]
        state.turns[i, lane] = 0.0
        windows.start[i, lane] = start.theta[i]
        windows.highest[i, lane] = -UNSET
        windows.lowest[i, lane] = UNSET
        windows.last_mean[i, lane] = UNSET
        windows.last_highest[i, lane] = UNSET
        windows.last_lowest[i, lane] = UNSET
    node = start.node[trajectory]
    theta = start.theta[node] + start.dtheta[trajectory] / np.pi
    set_node(state, lane, node, theta, start.domega[trajectory])
    windows.start[node, lane] = theta


@inline
def advance_block(
    lanes: Any,
    state: Any,
    windows: Any,
    network: Any,
    nodes: Any,
    coupling: Any,
    steps: Any,
    count: int,
    track: bool,
    lane_rows: Any,
) -> None:
    """``count`` steps; updates the largest frequency so far and the quietest step of the block."""
    peak = load(lanes, lane_rows, PEAK)
    quietest = broadcast(lanes, UNSET)
    for step in range(count + 1):
        displace(lanes, state, network, nodes, coupling, steps)
        if step == count:
            half_kick(lanes, state, network, nodes, coupling, steps)
            break
        share = 0.5 if step == 0 else 1.0
        fastest = kick_and_drift(lanes, state, network, nodes, coupling, steps, share)
        peak = maximum(fastest, peak)
        quietest = minimum(fastest, quietest)
        if track and step % EXTREMES_EVERY == EXTREMES_EVERY - 1:
            track_extremes(lanes, state, windows)
    store(peak, lane_rows, PEAK)
    store(quietest, lane_rows, QUIETEST)


@inline
def decide(rule: Any, schedule: Any, clock: int, lane_rows: Any, lane: int) -> Any:
    """(status, reason) of the lane after a block; RUNNING where it goes on."""
    fastest = lane_rows[FASTEST, lane]
    energy = lane_rows[KINETIC, lane] + lane_rows[POTENTIAL, lane]
    if not np.isfinite(energy) or not np.isfinite(fastest):
        return UNDECIDED, DIVERGED
    in_box = rule.certified and lane_rows[WINDING, lane] < 0.25
    trapped = in_box and energy < rule.trapping_energy
    quietest = min(lane_rows[QUIETEST, lane], fastest)
    if rule.published and clock > schedule.not_before and quietest <= rule.return_frequency:
        return RETURNED, PUBLISHED
    if clock >= schedule.end:
        if fastest < rule.return_frequency:
            return RETURNED, HORIZON
        return (UNDECIDED if trapped else LEFT), HORIZON
    if trapped and schedule.end - clock >= schedule.time_to_settle:
        return RETURNED, CERTIFIED
    if in_box and energy < rule.quiet_energy:
        return RETURNED, CERTIFIED
    if (
        lane_rows[CLOSING, lane] > 0.0
        and lane_rows[CHANGE, lane] < rule.settled_tolerance
        and lane_rows[MEAN, lane] > rule.settled_frequency
    ):
        return LEFT, SETTLED
    return RUNNING, HORIZON


@compiled(error_model="numpy")
def run(
    lanes: Any,
    state: Any,
    windows: Any,
    network: Any,
    nodes: Any,
    coupling: Any,
    lines: Any,
    line_coupling: Any,
    line_turns: Any,
    node_turns: Any,
    step_table: Any,
    steps: Any,
    lane_rows: Any,
    schedule: Any,
    rule: Any,
    start: Any,
    outcome: Any,
) -> int:
    """Simulates every perturbation of ``start``; gives the number of lane-steps made."""
    count = state.theta.shape[1]
    total = start.node.shape[0]
    trajectory = np.full(count, -1, np.int64)
    clock = np.zeros(count, np.int64)
    window_end = np.zeros(count, np.int64)
    free = np.ones(count, np.bool_)
    room = np.empty((2, state.theta.shape[0]))
    following = 0
    live = 0
    lane_steps = 0
    while True:
        for lane in range(count):
            if free[lane] and following < total:
                fill_lane(state, windows, start, lane, following)
                lane_rows[PEAK, lane] = abs(start.domega[following])
                set_step(steps, step_table, lane, 0)
                process_around(
                    state, network, nodes, coupling, lane, start.node[following],
                    step_table[0, PROCESSOR], room,
                )  # fmt: skip
                free[lane] = False
                trajectory[lane] = following
                clock[lane] = 0
                window_end[lane] = schedule.window
                following += 1
                live += 1
            elif not free[lane] and clock[lane] == schedule.switch and steps[IS_LATE, lane] == 0.0:
                set_step(steps, step_table, lane, 1)
                process_all(
                    state, network, nodes, coupling, lane,
                    step_table[1, PROCESSOR] - step_table[0, PROCESSOR], room,
                )  # fmt: skip
        if live == 0:
            return lane_steps

        advance_block(
            lanes, state, windows, network, nodes, coupling, steps, schedule.steps,
            rule.settled, lane_rows,
        )  # fmt: skip
        lane_steps += schedule.steps * live

        wrap_angles(lanes, state)
        kinetic, fastest = kinetic_energy(lanes, state, nodes)
        store(kinetic, lane_rows, KINETIC)
        store(fastest, lane_rows, FASTEST)
        slow = False
        closing = False
        for lane in range(count):
            clock[lane] += 2 if steps[IS_LATE, lane] > 0.0 else 1
            lane_rows[CLOSING, lane] = 0.0
            lane_rows[POTENTIAL, lane] = 0.0
            lane_rows[WINDING, lane] = 1.0
            if free[lane]:
                continue
            slow |= lane_rows[KINETIC, lane] < rule.trapping_energy
            if clock[lane] == window_end[lane]:
                window_end[lane] += schedule.window
                lane_rows[CLOSING, lane] = 1.0
                closing = True
        if rule.certified and slow:
            potential = potential_energy(lanes, state, lines, line_coupling, line_turns)
            store(potential, lane_rows, POTENTIAL)
            store(winding(lanes, lines, line_turns, node_turns), lane_rows, WINDING)
        if rule.settled and closing:
            change, mean = close_windows(
                lanes, state, windows, load(lanes, lane_rows, CLOSING) > 0.0,
                schedule.window * schedule.interval,
            )  # fmt: skip
            store(change, lane_rows, CHANGE)
            store(mean, lane_rows, MEAN)

        for lane in range(count):
            if free[lane]:
                continue
            status, reason = decide(rule, schedule, clock[lane], lane_rows, lane)
            if status == RUNNING:
                continue
            k = trajectory[lane]
            outcome.status[k] = status
            outcome.reason[k] = reason
            outcome.stop_time[k] = clock[lane] * schedule.interval
            outcome.max_frequency[k] = max(lane_rows[PEAK, lane], lane_rows[FASTEST, lane])
            free[lane] = True
            live -= 1
