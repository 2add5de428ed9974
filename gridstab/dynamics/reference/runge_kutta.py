"""One step of any explicit embedded Runge–Kutta method, fixed or with error control.

Error norm, step control and first step are those of Hairer, Nørsett and Wanner, *Solving Ordinary
Differential Equations I*, sections II.4 and II.5, with SciPy's constants, so that both take the
same steps.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gnncore.compiled import compiled
from gridstab.dynamics.reference.swing_equation import SwingArrays, right_hand_side
from gridstab.dynamics.reference.tableaus import Tableau

SAFETY = 0.9
SMALLEST_FACTOR = 0.2
LARGEST_FACTOR = 10.0


class Workspace(NamedTuple):
    """The arrays of one trajectory; ``slopes[0]`` belongs to ``state`` between steps.

    ``old_state`` and ``old_slope`` are those before the last accepted step.
    """

    state: Float[np.ndarray, " 2*nodes"]
    new_state: Float[np.ndarray, " 2*nodes"]
    slopes: Float[np.ndarray, "stages+1 2*nodes"]
    sine: Float[np.ndarray, " nodes"]
    cosine: Float[np.ndarray, " nodes"]
    old_state: Float[np.ndarray, " 2*nodes"]
    old_slope: Float[np.ndarray, " 2*nodes"]


@compiled()
def make_workspace(nodes: int, stages: int) -> Workspace:
    """Room for one trajectory."""
    return Workspace(
        np.zeros(2 * nodes),
        np.zeros(2 * nodes),
        np.zeros((stages + 1, 2 * nodes)),
        np.zeros(nodes),
        np.zeros(nodes),
        np.zeros(2 * nodes),
        np.zeros(2 * nodes),
    )


@compiled()
def start(
    workspace: Workspace,
    swing: SwingArrays,
    theta: Float[np.ndarray, " nodes"],
    node: int,
    dtheta: float,
    domega: float,
) -> None:
    """Puts the operating point with one node perturbed into the workspace."""
    nodes = len(theta)
    workspace.state[:nodes] = theta
    workspace.state[nodes:] = 0.0
    workspace.state[node] += dtheta
    workspace.state[nodes + node] += domega
    right_hand_side(workspace.state, workspace.slopes[0], workspace.sine, workspace.cosine, swing)


@compiled()
def combine(
    workspace: Workspace, coefficients: Float[np.ndarray, " stages"], count: int, step: float
) -> None:
    """new_state = state + step Σ_k coefficients[k] slopes[k] over the first ``count`` slopes."""
    new_state = workspace.new_state
    new_state[:] = workspace.state
    for stage in range(count):
        weight = step * coefficients[stage]
        if weight != 0.0:
            slope = workspace.slopes[stage]
            for i in range(len(new_state)):
                new_state[i] += weight * slope[i]


@compiled()
def attempt_step(workspace: Workspace, swing: SwingArrays, tableau: Tableau, step: float) -> None:
    """Fills ``new_state`` and all slopes; the last slope belongs to ``new_state``."""
    stages = len(tableau.weights)
    for stage in range(1, stages):
        combine(workspace, tableau.matrix[stage], stage, step)
        right_hand_side(
            workspace.new_state, workspace.slopes[stage], workspace.sine, workspace.cosine, swing
        )
    combine(workspace, tableau.weights, stages, step)
    right_hand_side(
        workspace.new_state, workspace.slopes[stages], workspace.sine, workspace.cosine, swing
    )


@compiled()
def accept_step(workspace: Workspace) -> None:
    """The new state becomes the state."""
    workspace.old_state[:] = workspace.state
    workspace.old_slope[:] = workspace.slopes[0]
    workspace.state[:] = workspace.new_state
    workspace.slopes[0] = workspace.slopes[-1]


@compiled()
def error_norm(
    workspace: Workspace, tableau: Tableau, step: float, rtol: float, atol: float
) -> float:
    """Estimated error of the attempted step in units of the tolerance; below 1 is accepted.

    h e² / √(n (e² + 0.01 e_c²)) with the norms e of the error and e_c of the correction (Hairer
    et al., section II.10); without a correction this is the root mean square h e / √n.
    """
    size = len(workspace.state)
    squared = 0.0
    squared_correction = 0.0
    for i in range(size):
        error = 0.0
        correction = 0.0
        for stage in range(len(tableau.error)):
            error += tableau.error[stage] * workspace.slopes[stage, i]
            correction += tableau.error_correction[stage] * workspace.slopes[stage, i]
        scale = atol + rtol * max(abs(workspace.state[i]), abs(workspace.new_state[i]))
        squared += (error / scale) ** 2
        squared_correction += (correction / scale) ** 2
    if squared == 0.0:
        return 0.0
    return step * squared / math.sqrt((squared + 0.01 * squared_correction) * size)


@compiled()
def first_step(
    workspace: Workspace,
    swing: SwingArrays,
    tableau: Tableau,
    interval: float,
    rtol: float,
    atol: float,
) -> float:
    """A first step from the sizes of the state, its slope and its curvature (section II.4)."""
    state, slope = workspace.state, workspace.slopes[0]
    scale = atol + rtol * np.abs(state)
    root = math.sqrt(len(state))
    size = float(np.linalg.norm(state / scale)) / root
    speed = float(np.linalg.norm(slope / scale)) / root
    small = 1e-6 if size < 1e-5 or speed < 1e-5 else 0.01 * size / speed
    small = min(small, interval)
    workspace.new_state[:] = state + small * slope
    right_hand_side(
        workspace.new_state, workspace.slopes[1], workspace.sine, workspace.cosine, swing
    )
    change = (workspace.slopes[1] - slope) / scale
    curvature = float(np.linalg.norm(change)) / root / small
    if max(speed, curvature) <= 1e-15:
        step = max(1e-6, 1e-3 * small)
    else:
        step = (0.01 / max(speed, curvature)) ** (1.0 / (tableau.error_order + 1))
    return min(100.0 * small, step, interval)


@compiled()
def adaptive_step(
    workspace: Workspace,
    swing: SwingArrays,
    tableau: Tableau,
    time: float,
    limit: float,
    step: float,
    rtol: float,
    atol: float,
) -> tuple[float, float]:
    """One accepted step that ends at ``limit`` at the latest.

    Returns:
        The new time and the proposed next step; a step of 0 says that no step is small enough.
    """
    exponent = -1.0 / (tableau.error_order + 1)
    rejected = False
    while step > 10.0 * np.spacing(time):
        lands = time + step >= limit
        trial = limit - time if lands else step
        attempt_step(workspace, swing, tableau, trial)
        error = error_norm(workspace, tableau, trial, rtol, atol)
        if error < 1.0:
            factor = LARGEST_FACTOR
            if error > 0.0:
                factor = min(LARGEST_FACTOR, SAFETY * error**exponent)
            if rejected:
                factor = min(1.0, factor)
            accept_step(workspace)
            # A step cut short by the limit says little about the next one.
            return (limit, max(step, trial * factor)) if lands else (time + step, step * factor)
        factor = SMALLEST_FACTOR
        if math.isfinite(error):
            factor = max(SMALLEST_FACTOR, SAFETY * error**exponent)
        step = trial * factor
        rejected = True
    return time, 0.0
