"""How a grid is laid out on a GPU: lanes and groups of a block, and where its rows lie."""

from dataclasses import dataclass

LARGEST_BLOCK = 1024
MOST_LANES = 32
NODES_PER_THREAD = 8
"""States that a thread keeps in registers without spilling, at 64 registers a thread."""
ROW_BYTES = 16
"""Two pairs of floats for each node of a lane."""
SCRATCH_BYTES = 16
"""Four floats for each thread."""


@dataclass(frozen=True)
class Layout:
    """What the kernel is compiled for.

    Attributes:
        lanes: Trajectories of a block.
        groups: Threads that share the nodes of a trajectory, a power of two.
        nodes_per_group: States in the registers of a thread; 0 keeps them in the workspace.
        shared_rows: Rows in shared memory instead of the workspace.
        homogeneous: One inertia, damping and coupling for all nodes and lines.
    """

    lanes: int
    groups: int
    nodes_per_group: int
    shared_rows: bool
    homogeneous: bool

    @classmethod
    def of(cls, nodes: int, *, homogeneous: bool, shared_bytes: int) -> "Layout":
        """As many lanes as the shared memory of a block and its threads' registers can hold.

        Beyond about 14,000 nodes even one lane is too much (at 227 KiB of shared memory): rows
        and states move to the workspace in global memory, where a few lanes make full sectors.

        Args:
            nodes: Nodes of the grid.
            homogeneous: Whether the grid is.
            shared_bytes: Shared memory that the device grants one block.
        """
        lanes = MOST_LANES
        while lanes >= 1:
            groups = _power_of_two(nodes / NODES_PER_THREAD, LARGEST_BLOCK // lanes)
            per_group = -(-nodes // groups)
            layout = cls(lanes, groups, per_group, True, homogeneous)
            # The last resort, one lane, may spill some registers: better than global memory.
            fits = per_group <= NODES_PER_THREAD or lanes == 1
            if fits and layout.shared_memory(nodes) <= shared_bytes:
                return layout
            lanes //= 2
        return cls(
            lanes=8, groups=64, nodes_per_group=0, shared_rows=False, homogeneous=homogeneous
        )

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.lanes * self.groups

    def shared_memory(self, nodes: int) -> int:
        """Shared memory of a block [bytes]."""
        rows = nodes * self.lanes * ROW_BYTES if self.shared_rows else 0
        return rows + self.threads * SCRATCH_BYTES

    @property
    def definitions(self) -> tuple[str, ...]:
        """Options that compile the kernel for this layout."""
        return (
            f"-DLANES={self.lanes}",
            f"-DGROUPS={self.groups}",
            f"-DNODES_PER_GROUP={self.nodes_per_group}",
            f"-DSHARED_ROWS={int(self.shared_rows)}",
            f"-DHOMOGENEOUS={int(self.homogeneous)}",
        )


def _power_of_two(at_least: float, at_most: int) -> int:
    power = 1
    while power < at_least and power < at_most:
        power *= 2
    return power
