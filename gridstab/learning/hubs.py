"""Nodes of so many lines that features of solitary states need more memory than there is.

Those features want the answer of all neighbours of a node to one another, at hundreds of
frequencies.
"""

from collections.abc import Iterable

from gnncore.memory import machine_memory
from gridstab.errors import DatasetError
from gridstab.features import parametric, solitary
from gridstab.features.feature_set import FeatureSet
from gridstab.grids.power_grid import PowerGrid

FREQUENCIES = {
    name: round((solitary.HIGHEST_FREQUENCY - solitary.LOWEST_FREQUENCY) / solitary.FREQUENCY_STEP)
    for name in ("solitary_state", "solitary_drain", "solitary_trap")
} | {
    "solitary_gain": round(
        (solitary.HIGHEST_FREQUENCY - 2 * parametric.LOWEST_FREQUENCY) / parametric.FREQUENCY_STEP
    )
}
"""Features that need the answers, and at how many frequencies at most."""

_COPIES = 5
"""Complex numbers for each pair of neighbours and frequency that are there at a time, measured."""

_PLANNED = 9.0
"""Bytes for each triple of neighbours while the elimination is planned, measured, …"""

_KEPT = 1.5
"""… and those of its steps, which stay."""


def hub_memory(lines: int, frequencies: int) -> float:
    """Memory that the answers around one node need [bytes], to about a tenth.

    Args:
        lines: Number of lines of the node.
        frequencies: Number of frequencies at which they are computed.
    """
    answers = 16 * _COPIES * frequencies * lines**2
    return max(_PLANNED * lines**3, _KEPT * lines**3 + answers)


def require_memory(features: FeatureSet, grids: Iterable[PowerGrid]) -> None:
    """Refuse a grid with a hub whose features would not fit into the memory of this machine.

    Args:
        features: What is to be computed.
        grids: The grids.

    Raises:
        DatasetError: There is one; its node, lines and features are named.
    """
    needing = [name for name in features.node if name in FREQUENCIES]
    there = machine_memory()
    if not needing or there is None:
        return
    frequencies = max(FREQUENCIES[name] for name in needing)
    for grid in grids:
        if hub_memory(grid.num_nodes, frequencies) <= there:
            continue  # whatever its degrees
        hub = int(grid.degree.argmax())
        lines = int(grid.degree[hub])
        needed = hub_memory(lines, frequencies)
        if needed > there:
            raise DatasetError(
                f"node {grid.labels[hub]} of {grid.name!r} has {lines:,} lines, for which the "
                f"features {', '.join(needing)} need about {needed / 1e9:,.0f} GB of memory, and "
                f"there are {there / 1e9:,.0f} GB; train with others, such as --features published"
            )
