"""How fast and how slowly a grid moves: what the engines' steps and waiting times follow from."""

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh
from scipy.sparse import coo_array, csc_array, diags_array
from scipy.sparse.linalg import eigsh

from gridstab.grids.power_grid import PowerGrid

DENSE_NODES = 200
"""Up to here all modes are computed; of larger grids, the slowest ones."""


def oscillation_rates(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """√(2 Σ_j K_ij / m_i) of every node [rad/s]; the largest bounds all frequencies of the lines.

    The squares of these frequencies are eigenvalues of M⁻¹L with the Laplacian L of the couplings,
    which lie in Gershgorin's discs: around Σ_j K_ij / m_i, as wide as that.
    """
    total_coupling = np.zeros(grid.num_nodes)
    np.add.at(total_coupling, grid.lines.ravel(), np.repeat(grid.coupling, 2))
    return np.sqrt(2 * (total_coupling / grid.inertia))


def damping_rates(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """D/m of every node [1/s]: how fast its frequency decays where nothing drives it."""
    return grid.damping / grid.inertia


def rotation_rates(grid: PowerGrid, horizon: float) -> Float[np.ndarray, " nodes"]:
    """Frequency that every node out of step comes to by the horizon by its own power [rad/s].

    |P|/D in the end; |P|/m · horizon without damping. Groups of nodes come to less than their
    fastest member would.
    """
    friction = damping_rates(grid)
    x = friction * horizon
    time = np.divide(-np.expm1(-x), friction, out=np.full_like(x, horizon), where=x > 0)
    return np.abs(grid.power) / grid.inertia * time


def slowest_decay(grid: PowerGrid, phase_difference: Float[np.ndarray, " lines"]) -> float:
    """Rate at which the last small swing around the operating point dies out [1/s].

    One friction γ = D/m for all nodes leaves modes s² + γ s + γ μ = 0, where μ is an eigenvalue of
    D⁻¹L and L the Laplacian of K cos φ*. They decay at γ/2 where γ < 4 μ; beyond that they creep,
    at γ/2 − √(γ²/4 − γ μ), in the end at μ. Of nodes with different frictions, the slower of the
    smallest and the largest friction counts, which is no theorem but leaves some time to spare.

    Args:
        grid: The grid.
        phase_difference: φ* of each line [rad].

    Returns:
        The rate; 0 where a node is undamped.
    """
    friction = damping_rates(grid)
    if friction.min() <= 0:
        return 0.0
    creep = _slowest_creep(grid, phase_difference)
    rates = []
    for gamma in (float(friction.min()), float(friction.max())):
        half = gamma / 2
        if half <= 2 * creep:
            rates.append(half)
        else:
            # γ/2 − √(γ²/4 − γ μ), without the cancellation.
            rates.append(gamma * creep / (half + np.sqrt(half * half - gamma * creep)))
    return float(min(rates))


def _slowest_creep(grid: PowerGrid, phase_difference: Float[np.ndarray, " lines"]) -> float:
    """The smallest eigenvalue of D⁻¹L that moves nodes against each other."""
    nodes = grid.num_nodes
    if nodes == 1:
        return float("inf")
    tail, head = grid.lines.T
    weight = grid.coupling * np.cos(phase_difference)
    rows, columns = np.r_[tail, head, tail, head], np.r_[head, tail, tail, head]
    values = np.r_[-weight, -weight, weight, weight]
    laplacian = csc_array(coo_array((values, (rows, columns)), shape=(nodes, nodes)))
    if nodes <= DENSE_NODES:
        modes = eigh(laplacian.toarray(), np.diag(grid.damping), eigvals_only=True)
        return max(float(modes[1]), 0.0)
    # Around a shift below zero, where the matrix is regular; a start of one's own repeats itself.
    shift = -1e-3 * float(weight.mean() / grid.damping.mean())
    start = np.cos(np.arange(nodes))
    modes = eigsh(
        laplacian, 2, diags_array(grid.damping).tocsc(), sigma=shift, v0=start,
        return_eigenvectors=False,
    )  # fmt: skip
    return max(float(np.sort(modes)[1]), 0.0)
