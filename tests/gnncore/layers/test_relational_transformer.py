"""The relational transformer against its formula, node by node, and against dense attention."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from gnncore.errors import SpecificationError
from gnncore.layers import RelationalTransformerLayer, make_layer
from gnncore.layers.relational_transformer import _reversed
from gnncore.testing import random_graph

EXACT = 1e-10


def built(*channels: int, **options: object) -> RelationalTransformerLayer:
    torch.manual_seed(0)
    return RelationalTransformerLayer(*channels, **options).double().eval()


def by_formula(
    layer: RelationalTransformerLayer, x: Tensor, edge_index: Tensor, edge_attr: Tensor
) -> tuple[Tensor, Tensor]:
    """The formulas of the docstring in loops over nodes, edges and heads."""
    edges = edge_index.T.tolist()
    x, edge_attr = layer.embed_nodes(x), layer.embed_edges(edge_attr)
    h, g = layer.attention_norm(x), layer.edge_norm(edge_attr)
    width = layer.out_channels // layer.heads
    attended = torch.zeros_like(x)
    for head in range(layer.heads):
        part = [slice((3 * head + i) * width, (3 * head + i + 1) * width) for i in range(3)]
        W_q, W_k, W_z = (layer.node_projection.weight[rows] for rows in part)
        part = [slice((4 * head + i) * width, (4 * head + i + 1) * width) for i in range(4)]
        U_q, U_k, U_m, U_z = (layer.edge_projection.weight[rows] for rows in part)
        for v in range(len(x)):
            incoming = [(u, g[e]) for e, (u, target) in enumerate(edges) if target == v]
            incoming.append((v, torch.zeros_like(g[0])))
            scores = torch.stack(
                [(W_q @ h[v] + U_q @ e) @ (W_k @ h[u] + U_k @ e) for u, e in incoming]
            )
            weights = torch.softmax(scores / math.sqrt(width), dim=0)
            for weight, (u, e) in zip(weights, incoming, strict=True):
                value = (1 + U_m @ e) * (W_z @ h[u]) + U_z @ e
                attended[v, head * width : (head + 1) * width] += weight * value
    x = x + layer.attention_output(attended)
    x = x + layer.feed_forward(x)
    normed = layer.edge_update.norm(x)
    source_weight, target_weight = layer.edge_update.from_nodes.weight.chunk(2)
    edge_weight, reverse_weight = layer.edge_update.from_edges.weight.chunk(2)
    edge_bias, reverse_bias = layer.edge_update.from_edges.bias.chunk(2)
    updated = []
    for e, (u, v) in enumerate(edges):
        back = [
            reverse_weight @ g[k] + reverse_bias for k, pair in enumerate(edges) if pair == [v, u]
        ]
        hidden = source_weight @ normed[u] + target_weight @ normed[v]
        hidden = hidden + edge_weight @ g[e] + edge_bias
        if back:
            hidden = hidden + torch.stack(back).mean(dim=0)
        updated.append(edge_attr[e] + layer.edge_update.output(hidden))
    return x, torch.stack(updated)


GRAPHS = {
    "both directions": random_graph(7, 3, 2).edge_index,
    "one direction": torch.tensor([[0, 1, 2, 0], [1, 2, 3, 3]]),
    "a self-loop": torch.tensor([[0, 1, 1], [1, 0, 1]]),
    "parallel edges": torch.tensor([[0, 0, 1, 1, 2], [1, 1, 0, 2, 1]]),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("channels", [(3, 8, 2), (8, 8, 8)])
def test_it_computes_its_formula(name: str, channels: tuple[int, int, int]) -> None:
    layer = built(*channels, heads=2)
    edge_index = GRAPHS[name]
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(7, channels[0], generator=generator, dtype=torch.float64)
    shape = (edge_index.size(1), channels[2])
    edge_attr = torch.randn(shape, generator=generator, dtype=torch.float64)
    expected_x, expected_edges = by_formula(layer, x, edge_index, edge_attr)
    actual_x, actual_edges = layer(x, edge_index, edge_attr)
    torch.testing.assert_close(actual_x, expected_x, rtol=0, atol=EXACT)
    torch.testing.assert_close(actual_edges, expected_edges, rtol=0, atol=EXACT)


def test_on_a_complete_graph_it_is_dense_attention() -> None:
    layer = built(8, 8, heads=4)
    x = random_graph(6, 8).x
    edge_index = (~torch.eye(6, dtype=torch.bool)).nonzero().T
    projected = layer.node_projection(layer.attention_norm(x)).view(6, 4, 6)
    query, key, value = (part.transpose(0, 1) for part in projected.chunk(3, dim=-1))
    attended = scaled_dot_product_attention(query[None], key[None], value[None])[0]
    expected = x + layer.attention_output(attended.transpose(0, 1).flatten(1))
    expected = expected + layer.feed_forward(expected)
    actual, edge_attr = layer(x, edge_index)
    torch.testing.assert_close(actual, expected, rtol=0, atol=EXACT)
    assert edge_attr is None


def test_without_edge_channels_the_edge_signal_is_handed_on() -> None:
    graph = random_graph(6, 8, 2)
    layer = built(8, 8)
    x, edge_attr = layer(graph.x, graph.edge_index, graph.edge_attr)
    assert edge_attr is graph.edge_attr
    assert layer.edge_out_channels == 0
    torch.testing.assert_close(x, layer(graph.x, graph.edge_index)[0])


@pytest.mark.parametrize("heads", [1, 2])
def test_a_signal_of_one_channel_is_not_normalised_away(heads: int) -> None:
    graph = random_graph(6, 1, 1)
    layer = built(1, 2, 1, heads=heads, edge_out_channels=1)
    before = layer(graph.x, graph.edge_index, graph.edge_attr)
    after = layer(graph.x, graph.edge_index, 2 * graph.edge_attr)
    for one, other in zip(before, after, strict=True):
        assert (one - other).abs().max() > 1e-4


def test_memory_grows_with_edges_not_with_pairs_of_nodes() -> None:
    nodes = 50_000  # all pairs would need 20 GB a channel
    path = torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)])
    torch.manual_seed(0)
    layer = RelationalTransformerLayer(1, 2, 1, heads=1, edge_out_channels=1)
    with torch.no_grad():
        x, edge_attr = layer(torch.ones(nodes, 1), path, torch.ones(nodes - 1, 1))
    assert x.shape == (nodes, 2)
    assert edge_attr.shape == (nodes - 1, 1)


def test_reverse_edges() -> None:
    edge_index = torch.tensor([[0, 1, 2, 1, 1], [1, 0, 2, 0, 2]])
    signal = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]])
    assert _reversed(signal, edge_index, 3).flatten().tolist() == [3.0, 1.0, 3.0, 1.0, 0.0]


def test_dropout_is_for_training() -> None:
    graph = random_graph(6, 8, 8)
    layer = built(8, 8, 8, dropout=0.5)
    arguments = (graph.x, graph.edge_index, graph.edge_attr)
    assert torch.equal(layer(*arguments)[0], layer(*arguments)[0])
    layer.train()
    assert not torch.equal(layer(*arguments)[0], layer(*arguments)[0])


def test_its_text_tells_its_sizes() -> None:
    assert str(built(3, 8)) == "RelationalTransformerLayer(3, 8, heads=4)"
    text = "RelationalTransformerLayer(3, 8, heads=2, edges=2->5)"
    assert str(built(3, 8, 2, heads=2, edge_out_channels=5)) == text


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: built(3, 6), "multiple of heads=4, got 6"),
        (lambda: built(3, 8, heads=0), "heads=0"),
        (lambda: built(3, 8, edge_out_channels=4), "edge_out_channels=4 without an edge signal"),
        (lambda: make_layer("relational_transformer", 3, 8, act="no"), "Could not resolve 'no'"),
        (lambda: built(3, 8, 2)(torch.ones(1, 3), torch.zeros(2, 0).long()), "edge_channels=2"),
    ],
)
def test_what_does_not_fit_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        build()
