"""Numbers given to nodes and edges mean nothing, and graphs of a batch never meet."""

import torch
from torch_geometric.data import Batch, Data

from gnncore.testing.graphs import degenerate_graphs, permute_edges, permute_nodes, random_graph
from gnncore.testing.running import GraphFunction, Level, assert_close, assert_rows, evaluate


def assert_permutation_equivariant(
    function: GraphFunction,
    graph: Data,
    *,
    level: Level = "node",
    tolerance: float | None = None,
    seed: int = 0,
    repeats: int = 3,
) -> None:
    r"""Nodes numbered otherwise give the same result at the renumbered nodes.

    For every permutation π of nodes, :math:`f(πx, πE) = π f(x, E)`; with ``level="graph"`` the
    output must not change at all. Signals on edges stay with their edges in both cases. Of a
    batch, nodes are exchanged within each graph only.

    Args:
        function: Layer, model or function; modules are run in evaluation.
        graph: Data with ``x``, ``edge_index``, and where it applies ``edge_attr`` and ``batch``.
        level: Whether the output has rows of nodes or of graphs.
        tolerance: Allowed relative difference; None takes it from :data:`TOLERANCES`.
        seed: Seed of the permutations.
        repeats: Number of permutations.

    Raises:
        AssertionError: Some node's number has an influence.
    """
    __tracebackhide__ = True
    generator = torch.Generator().manual_seed(seed)
    expected = evaluate(function, graph)
    if level == "node":
        assert_rows(expected, graph, "the output")
    for _ in range(repeats):
        permutation = torch.randperm(len(graph.x), generator=generator)
        if "batch" in graph:
            permutation = permutation[graph.batch[permutation].argsort(stable=True)]
        actual = evaluate(function, permute_nodes(graph, permutation))
        nodes = expected.nodes[permutation] if level == "node" else expected.nodes
        assert_close(actual.nodes, nodes, "the output depends on numbers of nodes", tolerance)
        assert_close(
            actual.edges, expected.edges, "the edge output depends on numbers of nodes", tolerance
        )


def assert_edge_order_invariant(
    function: GraphFunction,
    graph: Data,
    *,
    tolerance: float | None = None,
    seed: int = 0,
    repeats: int = 3,
) -> None:
    """Edges listed in another order give the same result; edge signals go along.

    Args:
        function: Layer, model or function; modules are run in evaluation.
        graph: Data with ``x``, ``edge_index``, and where it applies ``edge_attr`` and ``batch``.
        tolerance: Allowed relative difference; None takes it from :data:`TOLERANCES`.
        seed: Seed of the orders.
        repeats: Number of orders.

    Raises:
        AssertionError: The order of edges has an influence.
    """
    __tracebackhide__ = True
    generator = torch.Generator().manual_seed(seed)
    expected = evaluate(function, graph)
    for _ in range(repeats):
        permutation = torch.randperm(graph.edge_index.size(1), generator=generator)
        actual = evaluate(function, permute_edges(graph, permutation))
        edges = None if expected.edges is None else expected.edges[permutation]
        claim = "output depends on the order of edges"
        assert_close(actual.nodes, expected.nodes, f"the {claim}", tolerance)
        assert_close(actual.edges, edges, f"the edge {claim}", tolerance)


def assert_batch_invariant(
    function: GraphFunction,
    graph: Data,
    *,
    level: Level = "node",
    tolerance: float | None = None,
    other_graphs: list[Data] | None = None,
) -> None:
    """A graph alone, with and without a ``batch`` vector, has its result from any batch.

    Args:
        function: Layer, model or function; modules are run in evaluation.
        graph: Data of one graph with ``x``, ``edge_index`` and where it applies ``edge_attr``.
        level: Whether the output has rows of nodes or of graphs.
        tolerance: Allowed relative difference; None takes it from :data:`TOLERANCES`.
        other_graphs: The other graphs of the batch; None takes a larger one of ten times the
            signal, a small one, a single node and a graph without nodes.

    Raises:
        AssertionError: A graph's result depends on the others.
    """
    __tracebackhide__ = True
    others = _other_graphs(graph) if other_graphs is None else other_graphs
    graphs = [*others, graph, *others[::-1], graph]
    batch = Batch.from_data_list(graphs)
    together = evaluate(function, batch)
    if level == "graph" and len(together.nodes) != len(graphs):
        raise AssertionError(f"{len(together.nodes)} outputs for a batch of {len(graphs)} graphs")
    first_edge = 0
    for number, member in enumerate(graphs):
        claim = f"graph {number} of a batch of {len(graphs)} differs from itself alone"
        one = member.clone()
        one.batch = torch.zeros(len(one.x), dtype=torch.long)
        rows = slice(number, number + 1) if level == "graph" else slice(*batch.ptr[number:][:2])
        edges = slice(first_edge, first_edge + member.edge_index.size(1))
        first_edge = edges.stop
        for vector, alone in (("no batch", member), ("a batch", one)):
            if level == "graph" and not len(alone.x):
                continue  # without nodes nothing says that there is a graph
            expected = evaluate(function, alone)
            where = f"{claim} (given {vector} vector)"
            assert_close(together.nodes[rows], expected.nodes, where, tolerance)
            if together.edges is not None:
                assert_close(together.edges[edges], expected.edges, f"{where}, on edges", tolerance)


def _other_graphs(graph: Data) -> list[Data]:
    dtype, in_channels = graph.x.dtype, graph.x.size(1)
    edge_channels = 0 if graph.edge_attr is None else graph.edge_attr.size(1)
    large = random_graph(2 * len(graph.x) + 1, in_channels, edge_channels, seed=1, dtype=dtype)
    large.x = 10 * large.x
    small = random_graph(4, in_channels, edge_channels, seed=2, dtype=dtype)
    degenerate = degenerate_graphs(in_channels, edge_channels, dtype=dtype)
    return [large, degenerate["the empty graph"], small, degenerate["a single node"]]
