"""The GPS layer against PyG's operator, and where that operator gives no answer."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import GPSConv
from torch_geometric.nn.attention import PerformerAttention

from gnncore.errors import SpecificationError
from gnncore.layers import GPSLayer, make_layer
from gnncore.testing import random_graph

EXACT = 1e-10


def built(*channels: int, **options: object) -> GPSLayer:
    torch.manual_seed(0)
    return GPSLayer(*channels, **options).double().eval()


def interleaved() -> tuple[list[tuple[Tensor, Tensor]], Tensor, Tensor, Tensor]:
    """Two graphs alone, and in a batch whose nodes come in turns."""
    graphs = [random_graph(5, 8), random_graph(5, 8, seed=1)]
    order = torch.arange(10).view(2, 5).T.flatten()
    batch = Batch.from_data_list(graphs)
    edge_index = order.argsort()[batch.edge_index]
    alone = [(graph.x, graph.edge_index) for graph in graphs]
    return alone, batch.x[order], edge_index, batch.batch[order]


@pytest.mark.parametrize("norm", ["batch_norm", "graph_norm", None])
@pytest.mark.parametrize("attention", ["multihead", "performer"])
def test_for_one_graph_it_is_the_operator_of_pyg(norm: str | None, attention: str) -> None:
    graph = random_graph(8, 8, 2)
    layer = built(8, 8, 2, norm=norm, heads=2, attention=attention)
    reference = GPSConv(8, layer.local.operator, heads=2, norm=norm, attn_type=attention).double()
    reference.load_state_dict(layer.conv.state_dict(), strict=False)
    reference.eval()
    expected = reference(graph.x, graph.edge_index, edge_attr=graph.edge_attr)
    actual, edge_attr = layer(graph.x, graph.edge_index, graph.edge_attr)
    torch.testing.assert_close(actual, expected, rtol=0, atol=EXACT)
    assert edge_attr is graph.edge_attr


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm", "graph_norm"])
@pytest.mark.parametrize("attention", ["multihead", "performer"])
def test_nodes_of_a_batch_come_in_any_order(norm: str, attention: str) -> None:
    alone, x, edge_index, batch = interleaved()
    layer = built(8, 8, norm=norm, attention=attention)
    together, _ = layer(x, edge_index, None, batch)
    for number, (own_x, own_edges) in enumerate(alone):
        expected, _ = layer(own_x, own_edges)
        torch.testing.assert_close(together[batch == number], expected, rtol=0, atol=EXACT)


def test_attention_reaches_where_edges_do_not() -> None:
    x = random_graph(4, 8).x
    x[0].requires_grad = False
    x = x.clone().requires_grad_()
    nothing = torch.zeros(2, 0, dtype=torch.long)
    out, _ = built(8, 8, norm=None)(x, nothing, None, torch.tensor([0, 0, 1, 1]))
    reach = torch.autograd.grad(out[0].sum(), x)[0].abs().sum(dim=1) > 0
    assert reach.tolist() == [True, True, False, False]


@pytest.mark.parametrize("attention", ["multihead", "performer"])
def test_a_graph_without_nodes_leaves_derivatives_finite(attention: str) -> None:
    layer = built(8, 8, attention=attention).train()
    x = random_graph(6, 8).x
    nothing = torch.zeros(2, 0, dtype=torch.long)
    out, _ = layer(x, nothing, None, torch.tensor([0, 0, 2, 2, 2, 5]))
    out.sum().backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in layer.parameters())


def test_masked_performer_attention_is_that_of_the_nodes_alone() -> None:
    layer = built(8, 8, attention="performer")
    reference = PerformerAttention(8, 4).double()
    reference.load_state_dict(layer.conv.attn.state_dict())
    x = random_graph(5, 8).x[None]
    padded = torch.cat([x, 100 * torch.ones(1, 3, 8, dtype=torch.float64)], dim=1)
    mask = torch.arange(8)[None] < 5
    torch.testing.assert_close(layer.conv.attn(padded, mask)[:, :5], reference(x))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("sizes", [[1], [4, 4, 4], [1, 30, 2, 31, 7, 8, 1, 60]])
def test_attention_in_groups_of_similar_sizes_is_that_of_torch(
    sizes: list[int], training: bool
) -> None:
    attention = built(8, 8).conv.attn.train(training)
    reference = nn.MultiheadAttention(8, 4, batch_first=True).double().train(training)
    reference.load_state_dict(attention.state_dict())
    padding = torch.arange(max(sizes)) >= torch.tensor(sizes)[:, None]
    x = torch.randn(len(sizes), max(sizes), 8, dtype=torch.float64)
    actual, expected = (
        each(x, x, x, key_padding_mask=padding, need_weights=False)[0][~padding]
        for each in (attention, reference)
    )
    torch.testing.assert_close(actual, expected, rtol=0, atol=EXACT)
    for out in (actual, expected):
        out.square().sum().backward()
    for one, other in zip(attention.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=EXACT)


def test_the_local_layer_updates_edges() -> None:
    graph = random_graph(6, 8, 3)
    layer = built(8, 8, 3, local="relational_transformer", local_options={"edge_out_channels": 5})
    assert layer.edge_out_channels == 5
    _, actual = layer(graph.x, graph.edge_index, graph.edge_attr)
    _, expected = layer.local(graph.x, graph.edge_index, graph.edge_attr)
    assert torch.equal(actual, expected)


def test_its_text_tells_its_parts() -> None:
    text = str(built(4, 8, local="sage", attention="performer"))
    assert text.startswith("GPSLayer(4, 8, local=MessagePassingLayer(")
    assert text.endswith("attention=performer, heads=4)")
    assert "local=None, attention=multihead, heads=2)" in str(built(8, 8, local=None, heads=2))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: built(4, 6), "multiple of heads=4, got 6"),
        (lambda: built(4, 8, heads=0), "heads=0"),
        (lambda: built(4, 8, attention="flash"), "no attention 'flash'; choose multihead or perf"),
        (lambda: built(4, 8, local="gnc"), "unknown layer 'gnc'"),
        (lambda: built(4, 8, 2, local="sage"), "takes no edge signal"),
        (lambda: make_layer("gps", 4, 8, local_options={"k": 1}), "no option 'k'"),
        (lambda: make_layer("gps", 4, 8, norm="no"), "Could not resolve 'no'"),
    ],
)
def test_what_does_not_fit_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        build()
