"""Grids of networkx graphs."""

from typing import TYPE_CHECKING, Any

from gridstab.errors import InvalidGridError
from gridstab.grids.power_grid import (
    PUBLISHED_COUPLING,
    PUBLISHED_DAMPING,
    PUBLISHED_INERTIA,
    PowerGrid,
)

if TYPE_CHECKING:
    import networkx as nx


def from_networkx(graph: "nx.Graph") -> PowerGrid:
    """The grid of a networkx graph; the inverse of :meth:`PowerGrid.to_networkx`.

    Nodes keep the order of the graph and need ``power``; ``inertia``, ``damping`` and, on edges,
    ``coupling`` default to the published values. If every node has ``x`` and ``y``, they become
    coordinates. The couplings of parallel edges of a multigraph are added.

    Args:
        graph: An undirected graph.

    Raises:
        InvalidGridError: The graph is directed, a node has no ``power``, or a value is invalid.
    """
    name = str(graph.graph.get("name") or "grid")
    if graph.is_directed():
        raise InvalidGridError(f"{name!r} is a directed graph; convert it with to_undirected()")
    for node, data in graph.nodes(data=True):
        if "power" not in data:
            raise InvalidGridError(f"node {node!r} of {name!r} has no attribute 'power'")

    def values(attribute: str, default: float | None = None) -> list[Any]:
        return [data.get(attribute, default) for _, data in graph.nodes(data=True)]

    number = {node: index for index, node in enumerate(graph)}
    coupling: dict[tuple[int, int], Any] = {}
    for a, b, data in graph.edges(data=True):
        line = (min(number[a], number[b]), max(number[a], number[b]))
        value = data.get("coupling", PUBLISHED_COUPLING)
        coupling[line] = coupling[line] + value if line in coupling else value
    has_place = all("x" in data and "y" in data for _, data in graph.nodes(data=True))
    return PowerGrid.from_arrays(
        list(coupling),
        values("power"),
        inertia=values("inertia", PUBLISHED_INERTIA),
        damping=values("damping", PUBLISHED_DAMPING),
        coupling=list(coupling.values()),
        coordinates=list(zip(values("x"), values("y"), strict=True)) if has_place else None,
        name=name,
    )
