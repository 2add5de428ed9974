"""The operating state of a grid: phases, flows and stiffness of its lines, computed once."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from gridstab.dynamics.operating_point import operating_point
from gridstab.features.selected_inverse import SelectedInverse
from gridstab.grids.power_grid import PowerGrid


@dataclass(frozen=True, eq=False)
class OperatingState:
    """How a grid answers to small disturbances; get it from :func:`operating_state`.

    Attributes:
        grid: The grid.
        theta: Phases θ* of the operating point [rad].
        difference: θ*_a − θ*_b of each line (a, b) [rad].
    """

    grid: PowerGrid
    theta: Float[np.ndarray, " nodes"]
    difference: Float[np.ndarray, " lines"]

    @property
    def flow(self) -> Float[np.ndarray, " lines"]:
        """Power K sin(θ*_a − θ*_b) that each line carries from a to b."""
        return self.grid.coupling * np.sin(self.difference)

    @property
    def stiffness(self) -> Float[np.ndarray, " lines"]:
        """K cos(θ*_a − θ*_b), the weight of each line in the linearised dynamics."""
        return self.grid.coupling * np.cos(self.difference)

    @cached_property
    def linear_difference(self) -> Float[np.ndarray, " lines"]:
        """Phase differences of the linear power flow L θ = P, with L weighted by K [rad]."""
        power = self.grid.power - self.grid.power.mean()
        theta = np.r_[0.0, _grounded_solve(self.grid, self.grid.coupling, power[1:])]
        return _differences(self.grid, theta)

    @cached_property
    def compliance(self) -> Float[np.ndarray, "nodes nodes"]:
        """Pseudo-inverse of the Laplacian of :attr:`stiffness`: phases in answer to powers.

        Entry (i, j) is the shift of phase i, relative to the mean, by one unit of power at j. It is
        dense; :attr:`susceptibility` and :attr:`resistance` do without.
        """
        nodes = self.grid.num_nodes
        inverse = np.zeros((nodes, nodes))
        inverse[1:, 1:] = _grounded_solve(self.grid, self.stiffness, np.eye(nodes - 1))
        # Centred on both sides, any generalised inverse is the pseudo-inverse.
        mean = inverse.mean(axis=0)
        return inverse - mean[None, :] - mean[:, None] + mean.mean()

    @cached_property
    def susceptibility(self) -> Float[np.ndarray, " nodes"]:
        """Shift of each node's phase, relative to the mean, by a unit of its own power.

        The diagonal of :attr:`compliance`.
        """
        inverse, _ = self._grounded_inverse
        nodes = self.grid.num_nodes
        mean = np.r_[0.0, _grounded_solve(self.grid, self.stiffness, np.full(nodes - 1, 1 / nodes))]
        diagonal = np.r_[0.0, inverse[: nodes - 1]]
        return diagonal - 2 * mean + mean.mean()

    @cached_property
    def resistance(self) -> Float[np.ndarray, " lines"]:
        """Effective resistance between the ends of each line in the network of stiffnesses."""
        inverse, rows = self._grounded_inverse
        a, b = self.grid.lines.T
        diagonal = np.r_[0.0, inverse[: self.grid.num_nodes - 1]]
        mutual = np.zeros(self.grid.num_lines)
        mutual[a > 0] = inverse[rows]
        return diagonal[a] + diagonal[b] - 2 * mutual

    @cached_property
    def _grounded_inverse(self) -> tuple[Float[np.ndarray, " entries"], Int[np.ndarray, " lines"]]:
        """Inverse of the Laplacian without node 0 on its pattern, and where its lines are."""
        lines = self.grid.lines[self.grid.lines[:, 0] > 0] - 1
        whole = np.zeros(self.grid.num_nodes)
        np.add.at(whole, self.grid.lines, self.stiffness[:, None])
        inverse = SelectedInverse(self.grid.num_nodes - 1, lines)
        off_diagonal = -self.stiffness[self.grid.lines[:, 0] > 0]
        entries = inverse(whole[1:, None], off_diagonal[:, None])[:, 0]
        return entries, inverse.row_of(*lines.T)


@lru_cache(maxsize=4)
def operating_state(grid: PowerGrid) -> OperatingState:
    """The operating state of a grid; the latest few are remembered.

    Raises:
        OperatingPointError: The grid has no stable operating point.
        InvalidGridError: The grid is disconnected, or its powers do not sum to zero.
    """
    theta = operating_point(grid)
    return OperatingState(grid, theta, _differences(grid, theta))


def _differences(
    grid: PowerGrid, theta: Float[np.ndarray, " nodes"]
) -> Float[np.ndarray, " lines"]:
    return theta[grid.lines[:, 0]] - theta[grid.lines[:, 1]]


def _grounded_solve(
    grid: PowerGrid, weights: Float[np.ndarray, " lines"], right: Float[np.ndarray, "unknowns *k"]
) -> Float[np.ndarray, "unknowns *k"]:
    """Solutions of the weighted Laplacian's equations without those of node 0, held at zero."""
    if grid.num_nodes == 1:
        return right
    a, b = grid.lines.T
    laplacian = csc_array(
        (np.r_[weights, weights, -weights, -weights], (np.r_[a, b, a, b], np.r_[a, b, b, a])),
        shape=(grid.num_nodes, grid.num_nodes),
    )
    factors = splu(
        laplacian[1:, 1:],
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return factors.solve(right)
