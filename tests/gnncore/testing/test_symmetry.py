"""The assertions of the battery catch layers that are wrong on purpose, and pass right ones."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import GCNConv, LayerNorm, global_add_pool
from torch_geometric.utils import scatter

from gnncore.testing import (
    assert_batch_invariant,
    assert_edge_order_invariant,
    assert_permutation_equivariant,
    random_graph,
)

Signals = tuple[Tensor, Tensor | None]
GRAPH = random_graph(12, in_channels=3, edge_channels=2)
ASSERTIONS = (
    assert_permutation_equivariant,
    assert_edge_order_invariant,
    assert_batch_invariant,
)


def good(x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor | None) -> Signals:
    source, target = edge_index
    gathered = scatter(x[source] * edge_attr[:, :1], target, dim_size=len(x))
    return torch.tanh(x + gathered), edge_attr + (x[target] - x[source])[:, :2]


def reads_node_numbers(x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: object) -> Signals:
    return x + 1e-3 * torch.arange(len(x))[:, None], edge_attr


def reads_node_numbers_on_edges(
    x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: object
) -> Signals:
    return x, edge_attr + (edge_index[:1] < edge_index[1:]).T.double()


def reads_edge_order(x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: object) -> Signals:
    weight = torch.linspace(0.0, 1.0, edge_index.size(1), dtype=x.dtype)[:, None]
    return x + scatter(weight * x[edge_index[0]], edge_index[1], dim_size=len(x)), edge_attr


def hands_edges_on_sorted(
    x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: object
) -> Signals:
    return x, edge_attr[edge_attr[:, 0].argsort()]


def keeps_the_last_edge(x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: object) -> Signals:
    last = x.clone()
    for source, target in edge_index.T.tolist():
        last[target] = x[source]
    return last, edge_attr


def leaks_through_a_mean(x: Tensor, edge_index: Tensor, edge_attr: Tensor, b: object) -> Signals:
    return x - x.mean(dim=0), edge_attr


def leaks_through_edges(x: Tensor, edge_index: Tensor, edge_attr: Tensor, b: object) -> Signals:
    return x, edge_attr / edge_attr.sum()


def leaks_through_padding(
    x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor | None
) -> Signals:
    batch = torch.zeros(len(x), dtype=torch.long) if batch is None else batch
    sizes = batch.bincount()
    return x / sizes.max() if len(sizes) else x, edge_attr


def ignores_a_missing_batch(
    x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor | None
) -> Signals:
    return (x if batch is None else 2 * x), edge_attr


def counts_nodes_by_edges(
    x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: object
) -> Signals:
    gathered = scatter(x[edge_index[0]], edge_index[1])  # lacks trailing isolated nodes
    return gathered, edge_attr


@pytest.mark.parametrize("check", ASSERTIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_right_layer_passes(check: Callable[..., None], dtype: torch.dtype) -> None:
    check(good, random_graph(12, 3, 2, dtype=dtype))


@pytest.mark.parametrize(
    ("check", "wrong", "message"),
    [
        (ASSERTIONS[0], reads_node_numbers, "the output depends on numbers of nodes"),
        (ASSERTIONS[0], reads_node_numbers_on_edges, "the edge output depends on numbers"),
        (ASSERTIONS[0], counts_nodes_by_edges, "11 rows for 12 nodes"),
        (ASSERTIONS[1], reads_edge_order, "the output depends on the order of edges"),
        (ASSERTIONS[1], keeps_the_last_edge, "the output depends on the order of edges"),
        (ASSERTIONS[1], hands_edges_on_sorted, "the edge output depends on the order"),
        (ASSERTIONS[2], leaks_through_a_mean, "differs from itself alone"),
        (ASSERTIONS[2], leaks_through_edges, "on edges"),
        (ASSERTIONS[2], leaks_through_padding, "differs from itself alone"),
        (ASSERTIONS[2], ignores_a_missing_batch, "given no batch"),
    ],
)
def test_a_wrong_layer_is_caught(
    check: Callable[..., None], wrong: Callable[..., Signals], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        check(wrong, GRAPH)


def test_the_smallest_leak_is_caught() -> None:
    def leaks(x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: object) -> Tensor:
        return x + 1e-8 * len(x)

    with pytest.raises(AssertionError, match="differs from itself alone"):
        assert_batch_invariant(leaks, GRAPH)
    assert_batch_invariant(leaks, GRAPH, tolerance=1e-3)


def test_values_that_are_not_numbers_are_caught() -> None:
    def undefined(x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: object) -> Tensor:
        return x * torch.nan

    for check in ASSERTIONS:
        with pytest.raises(AssertionError, match="nan"):
            check(undefined, GRAPH)


def test_layer_norm_of_pyg_differs_without_a_batch_vector() -> None:
    norm = LayerNorm(3).double()

    def layer(x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor | None) -> Tensor:
        return norm(x, batch) if len(x) else x

    with pytest.raises(AssertionError, match="no batch"):
        assert_batch_invariant(layer, GRAPH)


class Pooled(nn.Module):
    """A model of whole graphs with dropout, which evaluation must silence."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = GCNConv(3, 2)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None, batch: Tensor | None
    ) -> Tensor:
        x = nn.functional.dropout(self.convolution(x, edge_index), 0.5, self.training)
        size = int(batch.max()) + 1 if batch is not None and len(batch) else 1
        return global_add_pool(x, batch, size=None if batch is None else size)


def test_models_of_graphs() -> None:
    model = Pooled().double().train()
    assert_permutation_equivariant(model, GRAPH, level="graph")
    assert_edge_order_invariant(model, GRAPH)
    assert_batch_invariant(model, GRAPH, level="graph")
    assert model.training
    assert model.convolution.training

    def first_node(x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: object) -> Tensor:
        return x[:1]

    with pytest.raises(AssertionError, match="numbers of nodes"):
        assert_permutation_equivariant(first_node, GRAPH, level="graph")
    with pytest.raises(AssertionError, match="1 outputs for a batch of"):
        assert_batch_invariant(first_node, GRAPH, level="graph")


def test_nodes_of_a_batch_are_exchanged_within_their_graphs() -> None:
    batch = Batch.from_data_list([random_graph(5, 3, 2), random_graph(7, 3, 2, seed=1)])

    def sorted_only(x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor) -> Tensor:
        assert bool((batch.diff() >= 0).all())
        return x + scatter(x, batch, reduce="mean")[batch]

    assert_permutation_equivariant(sorted_only, batch)


def test_random_graphs_are_what_they_say() -> None:
    graph = random_graph(9, 3, 2, seed=5)
    assert graph.x.shape == (9, 3)
    assert graph.edge_attr.shape == (graph.num_edges, 2)
    assert not graph.has_self_loops()
    assert graph.is_coalesced()
    assert graph.is_undirected() is False  # by its edge signals; as a graph it is:
    graph.edge_attr = None
    assert graph.is_undirected()
    assert graph.edge_index.max() == 7  # node 8 is the isolated one
    assert torch.equal(random_graph(9, 3, 2, seed=5).x, graph.x)
    assert not torch.equal(random_graph(9, 3, 2, seed=6).x, graph.x)
    assert torch.equal(random_graph(9, 3, dtype=torch.float32).x, random_graph(9, 3).x.float())
    for num_nodes in (0, 1, 2, 3):
        small = random_graph(num_nodes, 3, 2)
        small.validate()
        assert small.num_nodes == num_nodes
