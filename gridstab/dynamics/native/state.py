"""What the kernels work on: rows of the lanes' states, and arrays of the grid.

Rows are arrays of shape ``(rows, lanes)``: column l is the trajectory in lane l. Named tuples of
arrays pass into numba code as they are.
"""

from typing import Any, NamedTuple

import numpy as np

from gridstab.dynamics.native.simd import Lanes, aligned_rows

Rows = np.ndarray[Any, Any]


class State(NamedTuple):
    """Every lane's phases and frequencies, one row a node."""

    theta: Rows
    """In half turns, θ/π."""
    omega: Rows
    """In rad/s."""
    trig: Rows
    """Row 2i is the sine of node i's phase, row 2i + 1 its cosine, so that they share a page."""
    displaced: Rows
    """The same at the displaced phases."""
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
    """Rows of the neighbours' sines in ``State.trig``: twice their numbers."""


class Lines(NamedTuple):
    """Lines, their operating point, a spanning tree and the chords that close its cycles."""

    tail: Rows
    head: Rows
    phase: Rows
    """In half turns."""
    sine: Rows
    cosine: Rows
    tree_root: int
    tree_node: Rows
    tree_parent: Rows
    tree_line: Rows
    tree_sign: Rows
    chord: Rows


class Nodes(NamedTuple):
    """Per-node constants; ``early`` and ``late`` hold the drift of the two step sizes."""

    power: Rows
    """P, or P/K where the grid is homogeneous and the neighbour sums lack K."""
    gain: Rows
    """Acceleration by one unit of power and neighbour sums: 1/m, or K/m."""
    half_inertia: Rows
    friction: Rows
    """D/m."""
    early: Rows
    """Rows a [half turns a rad/s], e and e^(−γτ), see ``integrator``."""
    late: Rows


def make_state(nodes: int, lanes: Lanes) -> State:
    """Zeroed rows for ``nodes``."""
    return State(
        theta=aligned_rows(nodes, lanes),
        omega=aligned_rows(nodes, lanes),
        trig=aligned_rows(2 * nodes, lanes),
        displaced=aligned_rows(2 * nodes, lanes),
        turns=aligned_rows(nodes, lanes),
    )


def make_windows(nodes: int, lanes: Lanes) -> Windows:
    """Zeroed rows for ``nodes``."""
    return Windows(*(aligned_rows(nodes, lanes) for _ in Windows._fields))
