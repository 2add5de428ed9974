"""What the kernels work on: the rows of the lanes' states and the tables of the grid.

Rows are arrays of shape ``(rows, lanes)``: column l is the trajectory in lane l. Named tuples of
arrays pass into numba code as they are.
"""

from typing import Any, NamedTuple

import numpy as np

from gridstab.dynamics.native.simd import Lanes, aligned_rows
from gridstab.dynamics.swing import SwingModel

Rows = np.ndarray[Any, Any]


class State(NamedTuple):
    """Every lane's phases and frequencies, one row a node."""

    theta: Rows
    omega: Rows
    sine: Rows
    cosine: Rows
    displaced_sine: Rows
    displaced_cosine: Rows
    turns: Rows
    """Full turns taken out of theta since the window began."""


class Windows(NamedTuple):
    """Every lane's record of the present and the previous observation window, one row a node."""

    start: Rows
    """theta when the window began."""
    highest: Rows
    lowest: Rows
    last_mean: Rows
    last_highest: Rows
    last_lowest: Rows


class Network(NamedTuple):
    """Neighbours in compressed rows."""

    row_start: Rows
    neighbours: Rows


class Lines(NamedTuple):
    """Lines, their operating point, a spanning tree and the chords that close its cycles."""

    tail: Rows
    head: Rows
    phase: Rows
    sine: Rows
    cosine: Rows
    tree_node: Rows
    tree_parent: Rows
    tree_line: Rows
    tree_sign: Rows
    chord: Rows


class Nodes(NamedTuple):
    """Per-node constants; ``early`` and ``late`` hold the drift of the two step sizes."""

    power: Rows
    """P/m."""
    gain: Rows
    """Acceleration by one unit of the neighbour sums: 1/m, or K/m where the sums lack K."""
    half_inertia: Rows
    friction: Rows
    """D/m."""
    early: Rows
    """Rows ∫decay, its integral, decay; see ``integrator.drift_coefficients``."""
    late: Rows


def make_state(nodes: int, lanes: Lanes) -> State:
    """Zeroed rows for ``nodes``."""
    return State(*(aligned_rows(nodes, lanes) for _ in State._fields))


def make_windows(nodes: int, lanes: Lanes) -> Windows:
    """Zeroed rows for ``nodes``."""
    return Windows(*(aligned_rows(nodes, lanes) for _ in Windows._fields))


def make_network(model: SwingModel) -> Network:
    """The model's neighbours."""
    return Network(model.row_start, model.neighbours)


def make_lines(model: SwingModel, lanes: Lanes) -> Lines:
    """The model's lines, in the lanes' precision."""

    def convert(values: Rows) -> Rows:
        return values.astype(lanes.dtype)

    tail, head = np.ascontiguousarray(model.grid.lines.T)
    phase = model.phase_difference
    return Lines(
        tail=tail,
        head=head,
        phase=convert(phase),
        sine=convert(np.sin(phase)),
        cosine=convert(np.cos(phase)),
        tree_node=model.tree_node,
        tree_parent=model.tree_parent,
        tree_line=model.tree_line,
        tree_sign=convert(model.tree_sign),
        chord=model.chord,
    )
