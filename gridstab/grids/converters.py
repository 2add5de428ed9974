"""Grids of networkx graphs."""

import numbers
from collections.abc import Collection, Hashable
from typing import TYPE_CHECKING, Any

from gridstab.arguments import shortened
from gridstab.errors import InvalidGridError
from gridstab.grids.grid_checks import NUMBER
from gridstab.grids.power_grid import (
    PUBLISHED_COUPLING,
    PUBLISHED_DAMPING,
    PUBLISHED_INERTIA,
    PowerGrid,
)

if TYPE_CHECKING:
    import networkx as nx


KNOWN = {
    "node": frozenset(["power", "inertia", "damping", "x", "y", "label"]),
    "edge": frozenset(["coupling"]),
}
"""Attributes of nodes and edges that mean something here."""


def from_networkx(graph: "nx.Graph", *, ignore: Collection[str] = ()) -> PowerGrid:
    """The grid of a networkx graph; the inverse of :meth:`PowerGrid.to_networkx`.

    Nodes keep the order of the graph and need ``power``; ``inertia``, ``damping`` and, on edges,
    ``coupling`` default to the published values. If every node has ``x`` and ``y``, they become
    coordinates. The couplings of parallel edges of a multigraph are added. Numbers may be written
    as texts, as file formats do. A number under any other name is refused, for it may be a power or
    a coupling by another name; texts and the like are left out.

    The labels are the attribute ``label`` where every node has one of its own, otherwise the nodes
    themselves.

    Args:
        graph: An undirected graph.
        ignore: Names of attributes to leave out although they are numbers.

    Raises:
        InvalidGridError: The graph is directed, a node has no ``power``, a number has another
            name, or a value is invalid.
    """
    if not callable(getattr(graph, "is_directed", None)):
        raise InvalidGridError(f"graph must be a networkx graph, got {shortened(graph)}")
    name = str(graph.graph.get("name") or "grid")
    if graph.is_directed():
        advice = "build an undirected one in which every line is one edge"
        if not graph.is_multigraph():  # there, both directions of a line would become two lines
            advice = "convert it with to_undirected()"
        raise InvalidGridError(f"{name!r} is a directed graph; {advice}")
    refuse_other_numbers(graph, ignore)
    for node, data in graph.nodes(data=True):
        if "power" not in data:
            raise InvalidGridError(f"node {node!r} of {name!r} has no attribute 'power'")

    def values(attribute: str, default: float | None = None) -> list[float]:
        return [
            _number(data.get(attribute, default), attribute, "node", node)
            for node, data in graph.nodes(data=True)
        ]

    number = {node: index for index, node in enumerate(graph)}
    coupling: dict[tuple[int, int], float] = {}
    for a, b, data in graph.edges(data=True):
        line = (min(number[a], number[b]), max(number[a], number[b]))
        value = _number(data.get("coupling", PUBLISHED_COUPLING), "coupling", "edge", a, b)
        coupling[line] = coupling.get(line, 0.0) + value
    has_coordinates = all("x" in data and "y" in data for _, data in graph.nodes(data=True))
    return PowerGrid.from_arrays(
        list(coupling),
        values("power"),
        inertia=values("inertia", PUBLISHED_INERTIA),
        damping=values("damping", PUBLISHED_DAMPING),
        coupling=list(coupling.values()),
        coordinates=list(zip(values("x"), values("y"), strict=True)) if has_coordinates else None,
        name=name,
        labels=node_labels(graph),
    )


def refuse_other_numbers(graph: "nx.Graph", ignore: Collection[str] = ()) -> None:
    """Check that all numbers of a graph have a name in :data:`KNOWN` or one to be left out.

    Raises:
        InvalidGridError: One has not.
    """
    for kind, items in (("node", graph.nodes(data=True)), ("edge", graph.edges(data=True))):
        for *_, data in items:
            for name in data.keys() - KNOWN[kind] - set(ignore):
                if isinstance(data[name], numbers.Real) and not isinstance(data[name], bool):
                    raise InvalidGridError(
                        f"{kind}s have a number {name!r}, which may mean anything; those known are "
                        f"{', '.join(sorted(KNOWN[kind]))}: rename it, or remove it"
                    )


def node_labels(graph: "nx.Graph") -> list[str]:
    """What the nodes of a graph are called: see :func:`from_networkx`."""
    labels = [data.get("label") for _, data in graph.nodes(data=True)]
    if all(isinstance(label, str) for label in labels) and len(set(labels)) == len(labels):
        return labels
    return [str(node) for node in graph]


def _number(value: Any, what: str, kind: str, *key: Hashable) -> float:
    """The value of an attribute, also where a file has it as text."""
    if not isinstance(value, bool | str) or (
        isinstance(value, str) and NUMBER.fullmatch(value.strip())
    ):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    where = " to ".join(map(repr, key))
    raise InvalidGridError(f"{what} must be a number, got {shortened(value)} at {kind} {where}")
