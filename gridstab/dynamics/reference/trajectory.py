"""Batches of trajectories, one after the other: to a stop, to given times, or in fixed steps."""

import math

import numpy as np
from jaxtyping import Float, Int

from gnncore.compiled import compiled
from gridstab.dynamics.engine import RETURN_FREQUENCY, Reason, Status
from gridstab.dynamics.reference.crests import highest_crest
from gridstab.dynamics.reference.runge_kutta import (
    Workspace,
    accept_step,
    adaptive_step,
    attempt_step,
    first_step,
    make_workspace,
    start,
)
from gridstab.dynamics.reference.stopping import (
    Certificate,
    Stops,
    Window,
    basin_energy,
    certified,
    close_window,
    largest_frequency,
    make_window,
    open_first_window,
    widen_window,
)
from gridstab.dynamics.reference.swing_equation import SwingArrays
from gridstab.dynamics.reference.tableaus import Tableau

# Compiled code returns plain numbers, not members of an enumeration.
UNDECIDED, LEFT, RETURNED = int(Status.UNDECIDED), int(Status.LEFT), int(Status.RETURNED)
AT_HORIZON, CERTIFIED, SETTLED, PUBLISHED, DIVERGED = (int(reason) for reason in Reason)

PUBLISHED_FIRST_TIME = 1.0
"""The published rule is silent before this time [s]."""


@compiled()
def follow(
    workspace: Workspace,
    window: Window,
    swing: SwingArrays,
    certificate: Certificate,
    tableau: Tableau,
    stops: Stops,
    horizon: float,
    rtol: float,
    atol: float,
) -> tuple[int, int, float, float]:
    """Runs the started trajectory to its stop: status, reason, stop time, largest |ω|.

    Steps end on the multiples of the check interval and of the window, so that certified and
    settled stops happen at the same times in every engine.
    """
    nodes = len(workspace.sine)
    theta, omega = workspace.state[:nodes], workspace.state[nodes:]
    largest = largest_frequency(omega)
    open_first_window(window, theta)
    time = 0.0
    step = first_step(workspace, swing, tableau, horizon, rtol, atol)
    checks = windows = 1
    while True:
        next_check = checks * stops.check_interval if stops.certified else math.inf
        next_window = windows * stops.settled_window if stops.settled else math.inf
        limit = min(next_check, next_window, horizon)
        before = time
        time, step = adaptive_step(workspace, swing, tableau, time, limit, step, rtol, atol)
        if step == 0.0:
            return UNDECIDED, DIVERGED, time, largest
        fastest = largest_frequency(omega)
        largest = highest_crest(workspace, time - before, max(largest, fastest))

        if time >= horizon:
            status = RETURNED if fastest < RETURN_FREQUENCY else LEFT
            if status == LEFT and stops.certified:
                trapped = basin_energy(theta, omega, certificate) < stops.trapping_energy
                status = UNDECIDED if trapped else LEFT
            return status, AT_HORIZON, time, largest
        if stops.published and time >= PUBLISHED_FIRST_TIME and fastest <= RETURN_FREQUENCY:
            return RETURNED, PUBLISHED, time, largest
        if time >= next_check:
            checks += 1
            if certified(basin_energy(theta, omega, certificate), horizon - time, stops):
                return RETURNED, CERTIFIED, time, largest
        if stops.settled:
            widen_window(window, omega)
            if time >= next_window:
                windows += 1
                if close_window(window, theta, stops):
                    return LEFT, SETTLED, time, largest


@compiled()
def run_to_stop(
    node: Int[np.ndarray, " trajectories"],
    dtheta: Float[np.ndarray, " trajectories"],
    domega: Float[np.ndarray, " trajectories"],
    theta: Float[np.ndarray, " nodes"],
    swing: SwingArrays,
    certificate: Certificate,
    tableau: Tableau,
    stops: Stops,
    horizon: float,
    rtol: float,
    atol: float,
    status: Int[np.ndarray, " trajectories"],
    reason: Int[np.ndarray, " trajectories"],
    stop_time: Float[np.ndarray, " trajectories"],
    max_frequency: Float[np.ndarray, " trajectories"],
) -> None:
    """Fills the last four arrays, the outcomes of the perturbations."""
    workspace = make_workspace(len(theta), len(tableau.weights))
    window = make_window(len(theta))
    for k in range(len(node)):
        start(workspace, swing, theta, node[k], dtheta[k], domega[k])
        status[k], reason[k], stop_time[k], max_frequency[k] = follow(
            workspace, window, swing, certificate, tableau, stops, horizon, rtol, atol
        )


@compiled()
def run_to_times(
    node: Int[np.ndarray, " trajectories"],
    dtheta: Float[np.ndarray, " trajectories"],
    domega: Float[np.ndarray, " trajectories"],
    theta: Float[np.ndarray, " nodes"],
    swing: SwingArrays,
    tableau: Tableau,
    times: Float[np.ndarray, " times"],
    rtol: float,
    atol: float,
    states: Float[np.ndarray, "trajectories times 2*nodes"],
) -> None:
    """Fills ``states``; what the integration does not reach stays as it was."""
    workspace = make_workspace(len(theta), len(tableau.weights))
    for k in range(len(node)):
        start(workspace, swing, theta, node[k], dtheta[k], domega[k])
        time = 0.0
        step = first_step(workspace, swing, tableau, times[-1], rtol, atol)
        for sample in range(len(times)):
            while time < times[sample] and step > 0.0:
                time, step = adaptive_step(
                    workspace, swing, tableau, time, times[sample], step, rtol, atol
                )
            if step > 0.0:
                states[k, sample] = workspace.state


@compiled()
def run_fixed_steps(
    node: Int[np.ndarray, " trajectories"],
    dtheta: Float[np.ndarray, " trajectories"],
    domega: Float[np.ndarray, " trajectories"],
    theta: Float[np.ndarray, " nodes"],
    swing: SwingArrays,
    tableau: Tableau,
    step: float,
    steps: int,
    states: Float[np.ndarray, "trajectories 2*nodes"],
) -> None:
    """Fills ``states`` with the states after ``steps`` equal steps."""
    workspace = make_workspace(len(theta), len(tableau.weights))
    for k in range(len(node)):
        start(workspace, swing, theta, node[k], dtheta[k], domega[k])
        for _ in range(steps):
            attempt_step(workspace, swing, tableau, step)
            accept_step(workspace)
        states[k] = workspace.state
