"""A swing model as the kernels read it: nodes in a good order, numbers in their precision."""

from typing import Any, Literal

import numpy as np
from scipy.sparse.csgraph import reverse_cuthill_mckee

from gridstab.dynamics.native import integrator
from gridstab.dynamics.native.simd import Lanes
from gridstab.dynamics.native.state import Lines, Network, Nodes, Rows
from gridstab.dynamics.swing import SwingModel

VECTOR_BYTES = 64
"""Lanes fill one cache line: 16 in float32, 8 in float64, whatever the processor's registers."""

NODES_PER_BLOCK = 512


def lanes_of(precision: Literal["float32", "float64"]) -> Lanes:
    """The lanes of one cache line."""
    dtype = np.float32 if precision == "float32" else np.float64
    return Lanes(dtype, VECTOR_BYTES // np.dtype(dtype).itemsize)


class Tables:
    """The model in the lanes' precision, for the step sizes ``step`` and twice that.

    Attributes:
        order: The node of every row, see :func:`node_order`.
        rank: The row of every node.
        coupling: One entry a neighbour; None where the grid is homogeneous, which spares the
            kernels a multiplication a neighbour.
    """

    def __init__(self, model: SwingModel, lanes: Lanes, step: float) -> None:
        grid = model.grid
        self.model, self.lanes = model, lanes
        self.order = node_order(model)
        self.rank = np.argsort(self.order)
        homogeneous = grid.is_homogeneous and grid.num_lines > 0
        scale = float(grid.coupling[0]) if homogeneous else 1.0
        gain = scale / grid.inertia
        friction = grid.damping / grid.inertia

        self.network, coupling = make_network(model, self.order)
        self.lines = make_lines(model, self.order, lanes)
        self.coupling = None if homogeneous else self._convert(coupling)
        self.line_coupling = self._convert(grid.coupling)
        drifts = [
            np.vstack(
                [
                    integrator.drift_coefficients(friction, h),
                    integrator.remains_at_look(friction, h, step),
                ]
            )
            for h in (step, 2 * step)
        ]
        self.nodes = Nodes(
            power=self._convert(grid.power[self.order] / scale),
            gain=self._convert(gain[self.order]),
            half_inertia=self._convert(grid.inertia[self.order] / 2),
            friction=self._convert(friction[self.order]),
            early=self._convert(drifts[0][:, self.order]),
            late=self._convert(drifts[1][:, self.order]),
        )
        self.step_table = np.zeros((2, integrator.STEP_ROWS), lanes.dtype)
        for late, (h, drift) in enumerate(zip((step, 2 * step), drifts, strict=True)):
            row = self.step_table[late]
            row[integrator.KICK] = h * (gain[0] if homogeneous else 1.0)
            row[integrator.DISPLACEMENT] = h * h / 12 * (gain[0] if homogeneous else 1.0)
            row[integrator.DRIFT], row[integrator.DECAY], row[integrator.REMAINS] = drift[:, 0]
            row[integrator.IS_LATE] = late
            row[integrator.PROCESSOR] = h * h / 12

    def _convert(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.ascontiguousarray(values, self.lanes.dtype)


def node_order(model: SwingModel) -> Rows:
    """The order in which the kernels store the nodes: ``order[row]`` is the node of a row.

    Neighbours are brought near each other (reverse Cuthill–McKee), so that rows of large grids are
    found in the nearest cache; within a block, nodes are sorted by degree, so that the length of
    the loop over neighbours seldom changes and the processor predicts its end.
    """
    near = np.asarray(reverse_cuthill_mckee(model.grid.adjacency(), symmetric_mode=True))
    block = np.arange(len(near)) // NODES_PER_BLOCK
    return near[np.lexsort((model.grid.degree[near], block))].astype(np.int64)


def make_network(model: SwingModel, order: Rows) -> tuple[Network, Rows]:
    """The neighbours of every row, in rows, and their coupling."""
    rank = np.argsort(order)
    starts, ends = model.row_start[order], model.row_start[order + 1]
    entries = np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)])
    row_start = np.concatenate([[0], np.cumsum(ends - starts)])
    neighbours = rank[model.neighbours[entries]]
    # Unsigned, because numba would look at every signed index for counting from the end.
    network = Network(row_start.astype(np.uint64), (2 * neighbours).astype(np.uint64))
    return network, model.neighbour_coupling[entries]


def make_lines(model: SwingModel, order: Rows, lanes: Lanes) -> Lines:
    """The model's lines between rows, in the lanes' precision."""
    rank = np.argsort(order)

    def convert(values: Rows) -> Rows:
        return values.astype(lanes.dtype)

    tail, head = rank[model.grid.lines.T]
    phase = model.phase_difference
    return Lines(
        tail=tail,
        head=head,
        phase=convert(phase / np.pi),
        sine=convert(np.sin(phase)),
        cosine=convert(np.cos(phase)),
        tree_root=int(rank[0]),
        tree_node=rank[model.tree_node],
        tree_parent=rank[model.tree_parent],
        tree_line=model.tree_line,
        tree_sign=convert(model.tree_sign),
        chord=model.chord,
    )
