"""Random graphs of ten families, as Corso et al. (2020) mix them.

"Principal Neighbourhood Aggregation for Graph Nets", NeurIPS 2020, arXiv 2004.05718: a family is
drawn by its weight, then a tenth of the edges is moved at random, and graphs with isolated nodes
are drawn again. The families and weights are theirs; the graphs are not, as the streams differ.
"""

from collections.abc import Callable

import networkx as nx
import numpy as np
from jaxtyping import Bool

KEPT = 0.9
"""Share of the edges that the perturbation keeps, on average."""

Draw = Callable[[int, np.random.Generator], nx.Graph]


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _rows_and_columns(nodes: int) -> tuple[int, int]:
    """The most square factorisation."""
    rows = max(k for k in range(1, int(nodes**0.5) + 1) if nodes % k == 0)
    return rows, nodes // rows


def _erdos_renyi(nodes: int, rng: np.random.Generator) -> nx.Graph:
    return nx.fast_gnp_random_graph(nodes, rng.random(), seed=_seed(rng))


def _barabasi_albert(nodes: int, rng: np.random.Generator) -> nx.Graph:
    return nx.barabasi_albert_graph(nodes, int(rng.integers(1, nodes)), seed=_seed(rng))


def _tree(nodes: int, rng: np.random.Generator) -> nx.Graph:
    return nx.random_powerlaw_tree(nodes, seed=_seed(rng), tries=10_000)


def _ladder(nodes: int, rng: np.random.Generator) -> nx.Graph:
    graph = nx.ladder_graph(nodes // 2)
    if nodes % 2:
        graph.add_edge(0, nodes - 1)
    return graph


def _caterpillar(nodes: int, rng: np.random.Generator) -> nx.Graph:
    spine = int(rng.integers(1, nodes))
    graph = nx.path_graph(spine)
    graph.add_edges_from((node, int(rng.integers(spine))) for node in range(spine, nodes))
    return graph


def _lobster(nodes: int, rng: np.random.Generator) -> nx.Graph:
    spine = int(rng.integers(1, nodes))
    legs = int(rng.integers(spine + 1, nodes + 1))
    graph = nx.path_graph(spine)
    graph.add_edges_from((node, int(rng.integers(spine))) for node in range(spine, legs))
    graph.add_edges_from((node, int(rng.integers(spine, legs))) for node in range(legs, nodes))
    return graph


FAMILIES: dict[str, tuple[float, Draw]] = {
    "erdos_renyi": (0.2, _erdos_renyi),
    "barabasi_albert": (0.2, _barabasi_albert),
    "grid": (0.05, lambda nodes, rng: nx.grid_2d_graph(*_rows_and_columns(nodes))),
    "caveman": (0.05, lambda nodes, rng: nx.caveman_graph(*_rows_and_columns(nodes))),
    "tree": (0.15, _tree),
    "ladder": (0.05, _ladder),
    "line": (0.05, lambda nodes, rng: nx.path_graph(nodes)),
    "star": (0.05, lambda nodes, rng: nx.star_graph(nodes - 1)),
    "caterpillar": (0.1, _caterpillar),
    "lobster": (0.1, _lobster),
}
"""Weight and generator of each family."""


def random_adjacency(nodes: int, rng: np.random.Generator) -> Bool[np.ndarray, "nodes nodes"]:
    """The adjacency matrix of a graph without isolated nodes; it need not be connected."""
    weights = [weight for weight, _ in FAMILIES.values()]
    family = list(FAMILIES)[rng.choice(len(FAMILIES), p=weights)]
    while True:
        graph = FAMILIES[family][1](nodes, rng)
        order = list(graph)
        rng.shuffle(order)
        adjacency = _perturbed(nx.to_numpy_array(graph, order) > 0, rng)
        if adjacency.any(axis=0).all():
            return adjacency


def _perturbed(
    adjacency: Bool[np.ndarray, "nodes nodes"], rng: np.random.Generator
) -> Bool[np.ndarray, "nodes nodes"]:
    """Some edges taken away and others put in, as many on average."""
    pairs = np.triu_indices(len(adjacency), k=1)
    present = adjacency[pairs]
    edges, gaps = int(present.sum()), int((~present).sum())
    if edges <= gaps:
        stays, appears = KEPT, (1 - KEPT) * edges / max(gaps, 1)
    else:
        stays, appears = 1 - (1 - KEPT) * gaps / edges, 1 - KEPT
    chosen = rng.random(len(present)) < np.where(present, stays, appears)
    result = np.zeros_like(adjacency)
    result[pairs] = chosen
    return result | result.T
