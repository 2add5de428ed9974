r"""How the lines of a node answer to torques on them, for every node of a grid at once.

Let u_j be the small deviation of neighbour j of node i, v that of the node itself, and let the
lines of i, taken away, act on both ends with torques τ_j and −τ_j that swing at frequency ω. Then
u_j − v = Σ_k S_jk(ω) τ_k with

    S_jk = χ_jk + χ_i,   χ = (L − ω² M + iω D)⁻¹,   χ_i = 1/(−ω² m_i + iω D_i),

L being the Laplacian of K cos(θ*_a − θ*_b) without i and without its lines, whose stiffness is zero
on average while i rotates.

The whole grid gives all S at once. Let the columns of B be e_j − e_i for the lines of i, W their
stiffness, and T = Bᵀ G B with G the resolvent of the whole grid. Taking the lines away is an update
of rank deg(i), S = (T⁻¹ − W)⁻¹, for which G is needed at the node and its neighbours alone
(``selected_inverse``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float, Int

from gridstab.features.operating_state import operating_state
from gridstab.features.selected_inverse import SelectedInverse, neighbour_pairs
from gridstab.grids.power_grid import PowerGrid


@dataclass(frozen=True, eq=False)
class StarResponse:
    """Of all nodes of one degree.

    Attributes:
        nodes: The nodes.
        response: S at every frequency.
        force: K_ij e^{−iθ*_j} of their lines, in the order of S.
    """

    nodes: Int[np.ndarray, " nodes"]
    response: Complex[np.ndarray, "nodes frequencies degree degree"]
    force: Complex[np.ndarray, "nodes degree"]


def star_responses(
    grid: PowerGrid, frequency: Float[np.ndarray, " frequencies"]
) -> Iterator[StarResponse]:
    """The response of every node with lines, degree by degree, at positive frequencies [rad/s].

    Raises:
        OperatingPointError: The grid has no stable operating point.
        InvalidGridError: The grid is disconnected, or its powers do not sum to zero.
    """
    state = operating_state(grid)
    if not grid.num_lines:
        return
    neighbours: list[list[int]] = [[] for _ in range(grid.num_nodes)]
    lines_of: list[list[int]] = [[] for _ in range(grid.num_nodes)]
    for line, (a, b) in enumerate(grid.lines.tolist()):
        for node, other in ((a, b), (b, a)):
            neighbours[node].append(other)
            lines_of[node].append(line)
    among = neighbour_pairs(neighbours)
    pairs = np.unique(np.concatenate([grid.lines, among]), axis=0)
    on_line = np.zeros(len(pairs), bool)
    keys = pairs @ [grid.num_nodes, 1]
    on_line[np.searchsorted(keys, grid.lines @ [grid.num_nodes, 1])] = True

    whole = np.zeros(grid.num_nodes)
    np.add.at(whole, grid.lines, state.stiffness[:, None])
    diagonal = (
        whole[:, None]
        - grid.inertia[:, None] * frequency**2
        + 1j * grid.damping[:, None] * frequency
    )
    off_diagonal = np.zeros((len(pairs), len(frequency)))
    off_diagonal[on_line] = -state.stiffness[:, None]
    inverse = SelectedInverse(grid.num_nodes, pairs)
    resolvent = inverse(diagonal, off_diagonal)

    for degree in sorted(set(grid.degree.tolist())):
        nodes = np.flatnonzero(grid.degree == degree)
        lines = np.array([lines_of[node] for node in nodes])
        around = np.array([neighbours[node] for node in nodes])
        star = np.concatenate([nodes[:, None], around], axis=1)
        rows = inverse.row_of(star[:, :, None], star[:, None, :])
        force = grid.coupling[lines] * np.exp(-1j * state.theta[around])
        yield StarResponse(nodes, _without_lines(resolvent[rows], state.stiffness[lines]), force)


def _without_lines(
    resolvent: Complex[np.ndarray, "nodes degree+1 degree+1 frequencies"],
    stiffness: Float[np.ndarray, "nodes degree"],
) -> Complex[np.ndarray, "nodes frequencies degree degree"]:
    """(T⁻¹ − W)⁻¹, from G at each node (first) and its neighbours."""
    g = np.moveaxis(resolvent, -1, 1)
    t = g[..., 1:, 1:] - g[..., 1:, :1] - g[..., :1, 1:] + g[..., :1, :1]
    return np.linalg.solve(np.eye(stiffness.shape[1]) - t * stiffness[:, None, None, :], t)
