"""The published task as a benchmark: grids, perturbations, initial states, outcomes."""

import numpy as np
from jaxtyping import Bool

from benchmarks.peers import States
from gridstab.dynamics.engine import RETURN_FREQUENCY, Perturbations, Status, Trajectories
from gridstab.dynamics.sampling import DOMEGA_RANGE, DTHETA_RANGE
from gridstab.dynamics.swing import SwingModel
from gridstab.grids.growth import random_grid

HORIZON = 500.0


def model_of(nodes: int, seed: int) -> SwingModel:
    """A random grid in the published setting (P = ±1, α = 0.1, K = 9), prepared for engines."""
    return SwingModel.of(random_grid(nodes, seed=seed))


def perturb(model: SwingModel, count: int, seed: int) -> Perturbations:
    """Published perturbations of uniformly drawn nodes, so that any first part is a fair sample."""
    rng = np.random.default_rng(seed)
    node = rng.integers(model.grid.num_nodes, size=count)
    dtheta, domega = rng.uniform(-1, 1, (2, count)) * [[DTHETA_RANGE], [DOMEGA_RANGE]]
    return Perturbations(node, dtheta, domega)


def initial_states(model: SwingModel, perturbations: Perturbations) -> States:
    """The perturbed operating points: θ of every node, then ω, one row a trajectory."""
    nodes, count = model.grid.num_nodes, len(perturbations)
    states = np.zeros((count, 2 * nodes))
    states[:, :nodes] = model.theta
    rows = np.arange(count)
    states[rows, perturbations.node] += perturbations.dtheta
    states[rows, nodes + perturbations.node] += perturbations.domega
    return states


def returned(states: States) -> Bool[np.ndarray, " batch"]:
    """Whether every |ω| is below the published threshold."""
    omega = states[:, states.shape[1] // 2 :]
    return np.abs(omega).max(axis=1) < RETURN_FREQUENCY


def has_returned(outcomes: Trajectories) -> Bool[np.ndarray, " trajectories"]:
    """The same label from an engine's outcomes."""
    return outcomes.status == Status.RETURNED
