"""Where a grid cannot carry its power: a minimum cut.

A line carries at most K, because |sin| ≤ 1. If no assignment of flows within these limits serves
every node, then there is no power flow, and by the max-flow min-cut theorem some set of nodes
shows it: its surplus exceeds the coupling of all lines that leave it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from gridstab.arguments import instance
from gridstab.grids.power_grid import PowerGrid

# SciPy's capacities and flows are 32-bit integers.
_UNITS = 2**30


@dataclass(frozen=True, eq=False)
class Bottleneck:
    """Nodes whose common surplus (or deficit) leaves the lines around them no reserve.

    Attributes:
        nodes: The smaller side of the cut.
        surplus: |Σ P| over these nodes.
        capacity: Σ K of the lines that leave them.
        lines: Numbers of these lines.
    """

    nodes: Int[np.ndarray, " inside"]
    surplus: float
    capacity: float
    lines: Int[np.ndarray, " cut"]


def find_bottleneck(grid: PowerGrid) -> Bottleneck | None:
    """A cut of a connected, balanced grid that is loaded to its limit or beyond, otherwise None.

    A cut loaded exactly to its limit may have a power flow, but one on the verge of instability.
    None does not mean that a power flow exists: phases add up to zero around every cycle, which
    flows need not. Powers and couplings are resolved to about a billionth of the total generation;
    cuts whose reserve is below that count as loaded to the limit.
    """
    instance("grid", grid, PowerGrid, "make one with gridstab.grids")
    tail, head = grid.lines.T
    nodes = np.arange(grid.num_nodes)
    source, sink = grid.num_nodes, grid.num_nodes + 1
    generation = np.maximum(grid.power, 0)
    consumption = np.maximum(-grid.power, 0)
    if not generation.any():
        return None
    # A power of two, so that whole numbers stay exact.
    unit = 2.0 ** np.ceil(np.log2(generation.sum() / _UNITS))
    # One unit less than a line carries: a flow that still exists leaves every line a reserve.
    reserved = np.maximum(np.ceil(np.minimum(grid.coupling / unit, _UNITS)) - 1, 0)
    capacities = csr_array(
        (
            np.r_[
                reserved,
                reserved,
                np.floor(generation / unit),
                np.ceil(consumption / unit),
            ].astype(np.int32),
            (
                np.r_[tail, head, np.full_like(nodes, source), nodes],
                np.r_[head, tail, nodes, np.full_like(nodes, sink)],
            ),
        ),
        shape=(grid.num_nodes + 2, grid.num_nodes + 2),
    )
    flow = maximum_flow(capacities, source, sink)
    if flow.flow_value >= np.floor(generation / unit).sum():
        return None
    residual = capacities - flow.flow
    residual.eliminate_zeros()
    inside = np.zeros(grid.num_nodes + 2, dtype=bool)
    inside[breadth_first_order(residual, source, return_predecessors=False)] = True
    inside = inside[: grid.num_nodes]
    cut = np.flatnonzero(inside[tail] != inside[head])
    if 2 * inside.sum() > grid.num_nodes:
        inside = ~inside
    return Bottleneck(
        nodes=np.flatnonzero(inside),
        surplus=float(abs(grid.power[inside].sum())),
        capacity=float(grid.coupling[cut].sum()),
        lines=cut,
    )
