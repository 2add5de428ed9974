"""The swing equation of a grid around its operating point, as arrays that every engine reads.

    dθ_i/dt = ω_i
    m_i dω_i/dt = P_i − D_i ω_i + Σ_j K_ij sin(θ_j − θ_i)

with inertia m, damping D (the papers' α), power P and coupling K; second-order Kuramoto model,
Nauck et al. 2022 (arXiv:2206.06369), section II.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from gridstab.arguments import instance
from gridstab.dynamics.operating_point import operating_point
from gridstab.dynamics.rates import slowest_decay
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid


@dataclass(frozen=True, eq=False)
class SwingModel:
    """A grid, its operating point, and the tables derived from both.

    Build it with :meth:`of`. Neighbours are in compressed rows: the neighbours of node ``i`` are
    ``neighbours[row_start[i]:row_start[i + 1]]``, coupled by the same slice of
    ``neighbour_coupling``.

    Attributes:
        grid: The power grid.
        theta: Phases of the operating point [rad], shape ``(nodes,)``.
        phase_difference: θ*_a − θ*_b of each line (a, b) at the operating point [rad].
        row_start: Start of each node's neighbours, shape ``(nodes + 1,)``.
        neighbours: Node numbers, shape ``(2 lines,)``.
        neighbour_coupling: Coupling K_ij, shape ``(2 lines,)``.
        lowest_barrier: Energy that a state must hold to leave the basin box
            −π − φ*_e < θ_a − θ_b < π − φ*_e of the operating point; 0 where a line carries
            more than a quarter turn and no such bound exists. See ``docs/certificate.md``.
        tree_node, tree_parent, tree_line, tree_sign: A spanning tree, breadth first from node 0:
            the i-th entry reaches ``tree_node`` from ``tree_parent`` over ``tree_line``, which is
            directed towards ``tree_node`` where ``tree_sign`` is −1. Shape ``(nodes − 1,)``.
        chord: The lines outside the tree; each closes one fundamental cycle.
    """

    grid: PowerGrid
    theta: Float[np.ndarray, " nodes"]
    phase_difference: Float[np.ndarray, " lines"]
    row_start: Int[np.ndarray, " nodes+1"]
    neighbours: Int[np.ndarray, " 2*lines"]
    neighbour_coupling: Float[np.ndarray, " 2*lines"]
    lowest_barrier: float
    tree_node: Int[np.ndarray, " nodes-1"]
    tree_parent: Int[np.ndarray, " nodes-1"]
    tree_line: Int[np.ndarray, " nodes-1"]
    tree_sign: Float[np.ndarray, " nodes-1"]
    chord: Int[np.ndarray, " chords"]

    @classmethod
    def of(cls, grid: PowerGrid, theta: Float[np.ndarray, " nodes"] | None = None) -> "SwingModel":
        """Tables for ``grid``; ``theta`` defaults to :func:`operating_point` of the grid.

        Raises:
            InvalidParameterError: ``theta`` is not one finite number a node, or ``grid`` no grid.
            OperatingPointError: The grid has no stable operating point.
        """
        instance("grid", grid, PowerGrid, "make one with gridstab.grids")
        theta = operating_point(grid) if theta is None else _known_phases(theta, grid)
        tail, head = grid.lines.T
        lines = np.arange(grid.num_lines)
        # Line numbers as matrix entries give neighbours and couplings in one sorted structure;
        # they are shifted by one because a sparse matrix drops explicit zeros.
        numbers = csr_array(
            (np.concatenate([lines, lines]) + 1, (np.r_[tail, head], np.r_[head, tail])),
            shape=(grid.num_nodes, grid.num_nodes),
        )
        numbers.sort_indices()
        line_of_entry = numbers.data - 1

        order, parent = breadth_first_order(numbers, 0, directed=False)
        node = order[1:].astype(np.int64)
        parents = parent[node].astype(np.int64)
        # SciPy cannot index with empty arrays: a single node has no tree.
        reached = numbers[parents, node] if len(node) else np.zeros(0)
        tree_line = np.asarray(reached).ravel().astype(np.int64) - 1

        phase_difference = theta[tail] - theta[head]
        return cls(
            grid=grid,
            theta=theta,
            row_start=numbers.indptr.astype(np.int64),
            neighbours=numbers.indices.astype(np.int64),
            neighbour_coupling=grid.coupling[line_of_entry],
            phase_difference=phase_difference,
            lowest_barrier=_lowest_barrier(grid.coupling, phase_difference),
            tree_node=node,
            tree_parent=parents,
            tree_line=tree_line,
            tree_sign=np.where(tail[tree_line] == node, 1.0, -1.0),
            chord=np.setdiff1d(lines, tree_line),
        )

    @cached_property
    def slowest_decay(self) -> float:
        """Rate at which the last small swing around the operating point dies out [1/s]."""
        return slowest_decay(self.grid, self.phase_difference)


def _known_phases(theta: object, grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    try:
        phases = np.asarray(theta, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(f"theta must be numbers: {error}") from error
    if phases.shape != (grid.num_nodes,) or not np.isfinite(phases).all():
        raise InvalidParameterError(
            f"theta must be {grid.num_nodes} finite phases, got shape {phases.shape}"
        )
    return phases


def _lowest_barrier(
    coupling: Float[np.ndarray, " lines"], phase_difference: Float[np.ndarray, " lines"]
) -> float:
    """min over lines of K [2 cos|φ*| − (π − 2|φ*|) sin|φ*|], the energy at the nearer box wall."""
    angle = np.abs(phase_difference)
    if not len(angle) or angle.max() >= np.pi / 2:
        return 0.0
    wall = coupling * (2 * np.cos(angle) - (np.pi - 2 * angle) * np.sin(angle))
    return float(wall.min())
