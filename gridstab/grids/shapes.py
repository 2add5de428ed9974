"""Grids of textbook shapes: ring, tree, lattice and small world.

All have the published coupling, damping and inertia unless said otherwise, and powers ±1 that sum
to zero. An operating point is not guaranteed: a long chain of consumers overloads the line to it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Int

from gridstab.arguments import MOST_NODES, at_least, between, whole
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid
from gridstab.grids.random_power import balanced_power, make_generator

if TYPE_CHECKING:
    import networkx as nx

Powers = Literal["alternating", "random"]


def ring(
    nodes: int, *, power: Powers = "alternating", seed: int | Sequence[int] = 0, **parameters: Any
) -> PowerGrid:
    """A cycle of at least 3 nodes, in the order of their numbers.

    Args:
        nodes: Number of nodes.
        power: ``"alternating"`` gives +1, −1, +1, … in the order of the nodes, ``"random"`` draws
            half of the nodes as consumers. If their number is odd, one node has zero power.
        seed: Seed of the random powers, and of random shapes.
        parameters: ``coupling``, ``damping``, ``inertia`` as in :meth:`PowerGrid.from_arrays`.

    Raises:
        InvalidParameterError: The shape does not exist with these numbers.
    """
    import networkx as nx

    whole("nodes", nodes, 3, MOST_NODES)
    return _grid(nx.cycle_graph(nodes), f"ring-{nodes}", power, make_generator(seed), parameters)


def tree(
    nodes: int,
    *,
    branching: int | None = None,
    power: Powers = "alternating",
    seed: int | Sequence[int] = 0,
    **parameters: Any,
) -> PowerGrid:
    """A tree: uniformly random among all labelled trees, or filled up level by level.

    Args:
        nodes: Number of nodes.
        branching: Children of every inner node; None draws a random tree.
        power: As for :func:`ring`.
        seed: As for :func:`ring`.
        parameters: As for :func:`ring`.

    Raises:
        InvalidParameterError: The shape does not exist with these numbers.
    """
    import networkx as nx

    whole("nodes", nodes, 1, MOST_NODES)
    rng = make_generator(seed)
    if branching is None:
        graph = nx.random_labeled_tree(nodes, seed=int(rng.integers(2**31)))
    else:
        whole("branching", branching, 1, MOST_NODES)
        graph = nx.full_rary_tree(branching, nodes)
    return _grid(graph, f"tree-{nodes}", power, rng, parameters)


def lattice(
    rows: int,
    columns: int,
    *,
    power: Powers = "alternating",
    seed: int | Sequence[int] = 0,
    **parameters: Any,
) -> PowerGrid:
    """A square lattice without wrap-around, numbered row by row, with coordinates.

    Alternating powers form a chessboard.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        power: As for :func:`ring`.
        seed: As for :func:`ring`.
        parameters: As for :func:`ring`.

    Raises:
        InvalidParameterError: The shape does not exist with these numbers.
    """
    import networkx as nx

    whole("rows", rows, 1, MOST_NODES)
    whole("columns", columns, 1, MOST_NODES)
    whole("rows * columns", rows * columns, 1, MOST_NODES)
    coordinates = np.array([(column, -row) for row in range(rows) for column in range(columns)])
    graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(rows, columns), ordering="sorted")
    parameters = {"coordinates": coordinates, **parameters}
    chessboard = coordinates.sum(axis=1) % 2
    return _grid(
        graph, f"lattice-{rows}x{columns}", power, make_generator(seed), parameters, chessboard
    )


def watts_strogatz(
    nodes: int,
    *,
    neighbours: int = 4,
    rewiring: float = 0.1,
    power: Powers = "alternating",
    seed: int | Sequence[int] = 0,
    **parameters: Any,
) -> PowerGrid:
    """A connected small world: a ring of near neighbours with some lines rewired at random.

    Args:
        nodes: Number of nodes.
        neighbours: Even number of nearest neighbours before rewiring.
        rewiring: Probability that a line is rewired.
        power: As for :func:`ring`.
        seed: As for :func:`ring`.
        parameters: As for :func:`ring`.

    Raises:
        InvalidParameterError: The shape does not exist with these numbers, or 100 draws were all
            disconnected.
    """
    import networkx as nx

    whole("nodes", nodes, 3, MOST_NODES)
    at_least("neighbours", neighbours, 2)
    if neighbours >= nodes or neighbours % 2:
        raise InvalidParameterError(
            f"neighbours must be even, at least 2 and below nodes ({nodes}), got {neighbours}"
        )
    between("rewiring", rewiring, 0, 1)
    rng = make_generator(seed)
    try:
        graph = nx.connected_watts_strogatz_graph(
            nodes, neighbours, rewiring, tries=100, seed=int(rng.integers(2**31))
        )
    except nx.NetworkXError as error:
        raise InvalidParameterError(
            f"100 small worlds of {nodes} nodes and {neighbours} neighbours were disconnected; "
            "raise neighbours or lower rewiring"
        ) from error
    return _grid(graph, f"watts-strogatz-{nodes}", power, rng, parameters)


def _grid(
    graph: "nx.Graph",
    name: str,
    power: Powers,
    rng: np.random.Generator,
    parameters: dict[str, Any],
    colour: Int[np.ndarray, " nodes"] | None = None,
) -> PowerGrid:
    nodes = graph.number_of_nodes()
    if power == "alternating":
        values = np.where(np.arange(nodes) % 2 if colour is None else colour, -1.0, 1.0)
        if nodes % 2:
            values[-1] = 0.0
    elif power == "random":
        values = balanced_power(nodes, rng)
    else:
        raise InvalidParameterError(f"power must be 'alternating' or 'random', got {power!r}")
    return PowerGrid.from_arrays(list(graph.edges), values, **{"name": name, **parameters})
