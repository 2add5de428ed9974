"""A campaign cut into pieces of work: blocks of nodes of one grid, or part of a node's samples.

The cut depends on the configuration alone, so an interrupted campaign finds its finished pieces
again on any machine and with any number of workers. The results do not depend on it at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass

TRAJECTORY_NODES_PER_SECOND = 2.0e6
"""Trajectories × (nodes + lines) that one slow core simulates in a second."""

SHORTEST_UNIT = 0.5
LONGEST_UNIT = 10.0
"""Seconds of one slow core; what an abrupt end of the machine may cost per worker."""

UNITS_PER_CAMPAIGN = 64
"""Small campaigns are cut into about this many units, to keep every core of a machine busy."""


@dataclass(frozen=True, order=True)
class WorkUnit:
    """Some trajectories of one grid.

    Attributes:
        grid_id: Global number of the grid, from 1.
        first_node, stop_node: The nodes ``range(first_node, stop_node)``, 0-based.
        first_sample: First perturbation of every node.
        samples: Perturbations a node.
    """

    grid_id: int
    first_node: int
    stop_node: int
    first_sample: int
    samples: int

    @property
    def nodes(self) -> range:
        """The nodes that are perturbed."""
        return range(self.first_node, self.stop_node)

    @property
    def trajectories(self) -> int:
        """Number of trajectories (at most, where sampling stops at a precision)."""
        return len(self.nodes) * self.samples

    def __str__(self) -> str:
        last_node, last_sample = self.stop_node - 1, self.first_sample + self.samples - 1
        return (
            f"grid-{self.grid_id:05d}-nodes-{self.first_node}-{last_node}"
            f"-samples-{self.first_sample}-{last_sample}"
        )


def unit_seconds(grids: int, nodes: int, lines: int, samples: int) -> float:
    """How long a unit of this campaign should take on one slow core [s]."""
    total = grids * nodes * samples * (nodes + lines) / TRAJECTORY_NODES_PER_SECOND
    return min(max(total / UNITS_PER_CAMPAIGN, SHORTEST_UNIT), LONGEST_UNIT)


def units_of_grid(
    grid_id: int,
    nodes: int,
    lines: int,
    samples: int,
    *,
    seconds: float = LONGEST_UNIT,
    whole_nodes: bool = False,
) -> Iterator[WorkUnit]:
    """The work of one grid, every (node, sample) once, in order.

    Args:
        grid_id: Global number of the grid.
        nodes: Nodes of the grid.
        lines: Lines of the grid; only an estimate of the cost, so the expected number will do.
        samples: Perturbations a node.
        seconds: Aim for units of this duration on one slow core.
        whole_nodes: Keep all samples of a node in one unit (needed where sampling is adaptive).
    """
    budget = max(1, int(seconds * TRAJECTORY_NODES_PER_SECOND / (nodes + lines)))
    block = max(1, budget // samples)
    pieces = 1 if whole_nodes else -(-samples // budget)
    length = -(-samples // pieces)
    for first_node in range(0, nodes, block):
        stop_node = min(first_node + block, nodes)
        for first_sample in range(0, samples, length):
            count = min(length, samples - first_sample)
            yield WorkUnit(grid_id, first_node, stop_node, first_sample, count)
