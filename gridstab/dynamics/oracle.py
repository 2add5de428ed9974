"""The dynamics once more, as plainly as possible: the oracle that every engine is tested against.

NumPy and SciPy only, one trajectory at a time, formulas as in the papers, no speed.
"""

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

from gridstab.dynamics.swing import SwingModel
from gridstab.errors import InvalidParameterError

TOLERANCE = 1e-11


def perturbed_state(
    model: SwingModel, node: int, dtheta: float, domega: float
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """Phases and frequencies of the operating point with one node perturbed.

    Raises:
        InvalidParameterError: No such node.
    """
    nodes = model.grid.num_nodes
    if not 0 <= node < nodes:
        raise InvalidParameterError(f"no node {node} to perturb; nodes are 0 to {nodes - 1}")
    theta, omega = model.theta.copy(), np.zeros(nodes)
    theta[node] += dtheta
    omega[node] += domega
    return theta, omega


def coupling_force(
    model: SwingModel, theta: Float[np.ndarray, " nodes"]
) -> Float[np.ndarray, " nodes"]:
    """Σ_j K_ij sin(θ_j − θ_i) at every node."""
    tail, head = model.grid.lines.T
    flow = model.grid.coupling * np.sin(theta[head] - theta[tail])
    return _gather(model, flow)


def right_hand_side(
    model: SwingModel, theta: Float[np.ndarray, " nodes"], omega: Float[np.ndarray, " nodes"]
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """dθ/dt and dω/dt of the swing equation."""
    grid = model.grid
    force = grid.power - grid.damping * omega + coupling_force(model, theta)
    return omega, force / grid.inertia


def simulate_trajectory(
    model: SwingModel,
    node: int,
    dtheta: float,
    domega: float,
    times: Float[np.ndarray, " times"],
    tolerance: float = TOLERANCE,
) -> tuple[Float[np.ndarray, "times nodes"], Float[np.ndarray, "times nodes"]]:
    """Phases [rad], not wrapped, and frequencies [rad/s] at ``times``, by SciPy's DOP853.

    Args:
        model: The grid around its operating point.
        node: The perturbed node.
        dtheta: Its phase offset [rad].
        domega: Its frequency offset [rad/s].
        times: Increasing and not negative [s].
        tolerance: Relative and absolute tolerance of a step (default: 1e-11).

    Raises:
        InvalidParameterError: No such node.
    """
    nodes = model.grid.num_nodes
    start = np.concatenate(perturbed_state(model, node, dtheta, domega))

    def slope(time: float, state: np.ndarray) -> np.ndarray:
        return np.concatenate(right_hand_side(model, state[:nodes], state[nodes:]))

    solution = solve_ivp(
        slope, (0.0, times[-1]), start, "DOP853", times, rtol=tolerance, atol=tolerance
    )
    return solution.y[:nodes].T, solution.y[nodes:].T


def energy(
    model: SwingModel, theta: Float[np.ndarray, " nodes"], omega: Float[np.ndarray, " nodes"]
) -> float:
    """Energy above the operating point, ½ Σ m ω² + U(θ) − U(θ*), which damping alone changes.

    U(θ) = −Σ_lines K cos(θ_a − θ_b) − Σ_nodes P θ, hence dE/dt = −Σ D ω².
    """
    grid = model.grid
    tail, head = grid.lines.T
    phase = theta[tail] - theta[head]
    stored = grid.coupling * (np.cos(model.phase_difference) - np.cos(phase))
    fed = grid.power * (theta - model.theta)
    return float(0.5 * (grid.inertia * omega**2).sum() + stored.sum() - fed.sum())


def basin_energy(
    model: SwingModel, theta: Float[np.ndarray, " nodes"], omega: Float[np.ndarray, " nodes"]
) -> float:
    """:func:`energy` after taking whole turns off the nodes so that the state lies in the box
    −π − φ*_e < θ_a − θ_b < π − φ*_e of the operating point; infinite where no turns do that.
    """
    grid = model.grid
    tail, head = grid.lines.T
    turns = np.rint((theta[tail] - theta[head] + model.phase_difference) / (2 * np.pi))
    incidence = np.zeros((grid.num_lines, grid.num_nodes))
    incidence[np.arange(grid.num_lines), tail] = 1
    incidence[np.arange(grid.num_lines), head] = -1
    # Least squares finds the turns of the nodes up to a constant; from node 0 they are whole.
    node_turns = np.linalg.pinv(incidence) @ turns
    node_turns = np.rint(node_turns - node_turns[0])
    if (incidence @ node_turns != turns).any():
        return float("inf")
    return energy(model, theta - 2 * np.pi * node_turns, omega)


def takahashi_imada(
    model: SwingModel,
    theta: Float[np.ndarray, " nodes"],
    omega: Float[np.ndarray, " nodes"],
    step: float,
    steps: int,
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """``steps`` steps of the processed Takahashi–Imada splitting, of order 4.

    A step is half a kick, a drift, half a kick. The drift solves θ' = ω, ω' = P/m − γω with
    γ = D/m exactly; the kick adds the accelerations f of the lines, evaluated at angles displaced
    by (h²/12) f, which contributes the force gradient (Takahashi and Imada, J. Phys. Soc. Japan 53
    (1984) 3765). On its own that is of order 2; the change of variables before and after raises it
    to 4 (Blanes, Casas and Ros, SIAM J. Sci. Comput. 21 (1999) 711).

    Args:
        model: The grid around its operating point.
        theta: Phases at the start [rad].
        omega: Frequencies at the start [rad/s].
        step: Step size h [s].
        steps: Number of steps.
    """
    damping_rate = model.grid.damping / model.grid.inertia
    acceleration = model.grid.power / model.grid.inertia
    decay = np.exp(-damping_rate * step)
    # a = (1 − e^(−γh)) / γ and b = (h − a) / γ, with their limits h and h²/2 at γ = 0.
    rate = np.where(damping_rate > 0, damping_rate, 1.0)
    a = np.where(damping_rate > 0, -np.expm1(-damping_rate * step) / rate, step)
    b = np.where(damping_rate > 0, (step - a) / rate, step**2 / 2)

    theta, omega = _process(model, theta, omega, step**2 / 12)
    for _ in range(steps):
        omega = omega + 0.5 * step * _displaced_acceleration(model, theta, step**2 / 12)
        theta = theta + a * omega + b * acceleration
        omega = decay * omega + a * acceleration
        omega = omega + 0.5 * step * _displaced_acceleration(model, theta, step**2 / 12)
    return _process(model, theta, omega, -(step**2) / 12)


def _displaced_acceleration(
    model: SwingModel, theta: Float[np.ndarray, " nodes"], scale: float
) -> Float[np.ndarray, " nodes"]:
    """Accelerations at θ + scale·f(θ), with sine and cosine turned to first order in scale·f.

    The first order is all that the order of the scheme needs, and saves a second sine.
    """
    tail, head = model.grid.lines.T
    displacement = scale * coupling_force(model, theta) / model.grid.inertia
    sine, cosine = np.sin(theta), np.cos(theta)
    sine, cosine = sine + cosine * displacement, cosine - sine * displacement
    flow = sine[head] * cosine[tail] - cosine[head] * sine[tail]
    return _gather(model, model.grid.coupling * flow) / model.grid.inertia


def _process(
    model: SwingModel,
    theta: Float[np.ndarray, " nodes"],
    omega: Float[np.ndarray, " nodes"],
    scale: float,
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """θ − scale·f, ω + scale·(f'(θ) ω + γ f); the opposite scale undoes it to order h⁴."""
    grid = model.grid
    tail, head = grid.lines.T
    f = coupling_force(model, theta) / grid.inertia
    stiffness = grid.coupling * np.cos(theta[head] - theta[tail])
    change = _gather(model, stiffness * (omega[head] - omega[tail])) / grid.inertia
    return theta - scale * f, omega + scale * (change + grid.damping / grid.inertia * f)


def _gather(model: SwingModel, on_tail: Float[np.ndarray, " lines"]) -> Float[np.ndarray, " nodes"]:
    """Sums line terms that act on the first node as given and on the second with opposite sign."""
    tail, head = model.grid.lines.T
    nodes = model.grid.num_nodes
    return np.bincount(tail, on_tail, nodes) - np.bincount(head, on_tail, nodes)
