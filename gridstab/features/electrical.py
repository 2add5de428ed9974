"""Features of the grid and of its operating point, exact and cheap.

The published sets give each line its coupling, which is K = 9 everywhere; what a file holds in its
place may be another constant, and models whose layers are not invariant to the scale of edge
weights then fail on it. Here the coupling is always that of the swing equation.
"""

import numpy as np
from jaxtyping import Float, Int

from gridstab.features.feature import edge_feature, node_feature
from gridstab.features.operating_state import operating_state
from gridstab.grids.power_grid import PowerGrid


@node_feature(parity=-1)
def power(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """P, generation positive: the one published feature of nodes."""
    return grid.power


@node_feature()
def inertia(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """m of the swing equation; 1 in the published sets."""
    return grid.inertia


@node_feature()
def damping(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """D of the swing equation, the papers' α; 0.1 in the published sets."""
    return grid.damping


@node_feature()
def degree(grid: PowerGrid) -> Int[np.ndarray, " nodes"]:
    """Number of lines."""
    return grid.degree


@node_feature(parity=-1)
def neighbour_power(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """Mean power of the neighbours."""
    a, b = grid.lines.T
    total = _at_ends(grid, grid.power[b], grid.power[a])
    return total / np.maximum(grid.degree, 1)


@node_feature(parity=-1)
def phase(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """θ* relative to the mean of the grid [rad]."""
    theta = operating_state(grid).theta
    return theta - theta.mean()


@node_feature(parity=-1)
def phase_to_neighbours(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """θ* relative to the mean of the neighbours [rad]."""
    difference = operating_state(grid).difference
    return _at_ends(grid, difference, -difference) / np.maximum(grid.degree, 1)


@node_feature()
def throughput(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """Sum of |power| that the lines of the node carry at the operating point."""
    flow = np.abs(operating_state(grid).flow)
    return _at_ends(grid, flow, flow)


@node_feature()
def largest_load(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """Largest share |sin(θ*_a − θ*_b)| of its coupling that a line of the node carries."""
    load = np.abs(np.sin(operating_state(grid).difference))
    largest = np.zeros(grid.num_nodes)
    np.maximum.at(largest, grid.lines, load[:, None])
    return largest


@node_feature()
def node_stiffness(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """Sum of K cos(θ*_a − θ*_b) over the lines of the node."""
    stiffness = operating_state(grid).stiffness
    return _at_ends(grid, stiffness, stiffness)


@node_feature()
def susceptibility(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """Shift of the node's phase by a unit of its own power: the diagonal of the pseudo-inverse of
    the stiffness Laplacian, from which the current-flow closeness of the node follows."""
    return operating_state(grid).susceptibility


@node_feature()
def escape_energy(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """Energy to leave the potential well of the node while its neighbours are held fixed.

    Against Σ_j K_ij e^{iθ*_j} = A e^{iψ} the node is one machine at an infinite bus, which escapes
    over a barrier of 2 √(A² − P²) − |P| (π − 2 arcsin(|P| / A)); zero where |P| ≥ A.
    """
    theta = operating_state(grid).theta
    a, b = grid.lines.T
    bus = np.exp(1j * theta)
    pull = np.abs(_at_ends(grid, grid.coupling * bus[b], grid.coupling * bus[a]))
    load = np.minimum(np.abs(grid.power), pull)
    ratio = np.divide(load, pull, out=np.ones_like(load), where=pull > 0)
    return 2 * np.sqrt(pull**2 - load**2) - load * (np.pi - 2 * np.arcsin(ratio))


@edge_feature()
def coupling(grid: PowerGrid) -> Float[np.ndarray, " lines"]:
    """K: the one published feature of lines."""
    return grid.coupling


@edge_feature(parity=-1, direction=-1)
def linear_flow(grid: PowerGrid) -> Float[np.ndarray, " lines"]:
    """Power from a to b in the linear power flow L θ = P."""
    return grid.coupling * operating_state(grid).linear_difference


@edge_feature(parity=-1, direction=-1)
def load(grid: PowerGrid) -> Float[np.ndarray, " lines"]:
    """sin(θ*_a − θ*_b): the share of its coupling that the line carries from a to b."""
    return np.sin(operating_state(grid).difference)


@edge_feature()
def stiffness(grid: PowerGrid) -> Float[np.ndarray, " lines"]:
    """K cos(θ*_a − θ*_b), the weight of the line in the linearised dynamics."""
    return operating_state(grid).stiffness


@edge_feature()
def bridge(grid: PowerGrid) -> Float[np.ndarray, " lines"]:
    """Stiffness times effective resistance: 1 where the line is the only way, less beside others.

    It is the share of spanning trees, weighted by stiffness, that contain the line.
    """
    state = operating_state(grid)
    return state.stiffness * state.resistance


def _at_ends(grid: PowerGrid, at_first: np.ndarray, at_second: np.ndarray) -> np.ndarray:
    """Sums over the lines of every node: of ``at_first`` where it is a, ``at_second`` where b."""
    total = np.zeros(grid.num_nodes, dtype=np.result_type(at_first, at_second))
    np.add.at(total, grid.lines[:, 0], at_first)
    np.add.at(total, grid.lines[:, 1], at_second)
    return total
