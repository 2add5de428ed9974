"""The graph for PyTorch Geometric: padded or by the shape of kernels, the weights are the same."""

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.nn import HeteroConv, NNConv

from graphwsl.neural_graph import NeuralGraph, collate, neural_graph
from graphwsl.neural_graph.data import NODE_KEYS
from graphwsl.neural_graph.roles import EdgeKind
from tests.graphwsl.network_families import network

NAMES = ["mlp", "conv3d", "depthwise", "residual", "llama", "lstm", "mixer", "embedding"]


def graph_of(name: str) -> NeuralGraph:
    return neural_graph(*network(name))


def rows(*columns: Tensor) -> list[tuple[float, ...]]:
    """Edges in an order that does not depend on where they were stored."""
    both = torch.cat([one.double().view(len(one), -1) for one in columns], 1)
    return sorted(map(tuple, both.tolist()))


@pytest.mark.parametrize("name", NAMES)
def test_both_forms_hold_the_same(name: str) -> None:
    graph = graph_of(name)
    data, hetero = graph.to_data(), graph.to_hetero_data()
    for key in NODE_KEYS:
        assert torch.equal(hetero["unit"][key], data[key])
    width = data.edge_attr.shape[1]
    found = []
    for (_, kind, _), store in hetero.edge_items():
        size = store.edge_attr.shape[1] if "edge_attr" in store else 1
        values = store.get("edge_attr", torch.ones(store.num_edges, 1))
        left = width // 2 - size // 2
        padded = nn.functional.pad(values, (left, width - size - left))
        relation = next(one for one in EdgeKind if one.label == kind.split("_")[0])
        found += rows(
            store.edge_index.T,
            torch.full((store.num_edges,), relation),
            store.edge_tag,
            store.edge_layer,
            store.fan_in,
            padded,
        )
    wanted = rows(
        data.edge_index.T, data.edge_kind, data.edge_tag, data.edge_layer, data.fan_in,
        data.edge_attr,
    )  # fmt: skip
    assert sorted(found) == wanted


def test_kernels_of_a_shape_are_together_and_nothing_is_padded() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 7), nn.ReLU(), nn.Conv2d(4, 6, (1, 3)), nn.Flatten(), nn.Linear(24, 100)
    )
    graph = neural_graph(model, torch.zeros(1, 1, 8, 10))
    hetero = graph.to_hetero_data()
    sizes = {kind: tuple(store.edge_attr.shape) for (_, kind, _), store in hetero.edge_items()}
    assert sizes == {"weight_7x7": (4, 49), "weight_1x3": (24, 3), "weight": (2400, 1)}
    assert sum(rows * columns for rows, columns in sizes.values()) == graph.num_weights
    weights = torch.cat([store.edge_attr.flatten() for store in hetero.edge_stores])
    assert torch.equal(weights[:196], model[0].weight.flatten())
    # The padded form holds 49 numbers an edge; nothing of the layout does.
    assert graph.to_data().edge_attr.numel() == 49 * (4 + 24 + 2400)
    assert sum(one.entries.numel() for one in graph.layout.kernels) == graph.num_weights


def test_other_weights() -> None:
    graph, other = graph_of("residual"), network("residual")[0]
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    moved = graph.to_hetero_data(other.state_dict())
    expected = graph.with_weights(other.state_dict()).to_hetero_data()
    for kind in expected.edge_types:
        if "edge_attr" in expected[kind]:
            assert torch.equal(moved[kind].edge_attr, expected[kind].edge_attr)
            assert not torch.equal(moved[kind].edge_attr, graph.to_hetero_data()[kind].edge_attr)


def test_batches_of_different_architectures() -> None:
    graphs = [graph_of(name).to_hetero_data() for name in ("mlp", "conv2d", "residual")]
    batch = collate(graphs)
    assert batch.num_graphs == 3
    assert set(batch.edge_types) == {kind for graph in graphs for kind in graph.edge_types}
    for number, graph in enumerate(graphs):
        part = batch.get_example(number)
        for kind in graph.edge_types:
            assert torch.equal(part[kind].edge_index, graph[kind].edge_index)
    assert all(len(graph.edge_types) < len(batch.edge_types) for graph in graphs)  # as they were


def test_layers_of_pytorch_geometric_take_it() -> None:
    hetero: HeteroData = graph_of("residual").to_hetero_data()
    features = hetero["unit"].x.shape[1]
    with_weights = {kind: s for kind, s in hetero.edge_items() if "edge_attr" in s}
    layer = HeteroConv(
        {
            kind: NNConv(features, 4, nn.Linear(store.edge_attr.shape[1], 4 * features))
            for kind, store in with_weights.items()
        }
    )
    edges = {kind: store.edge_index for kind, store in with_weights.items()}
    kernels = {kind: store.edge_attr for kind, store in with_weights.items()}
    result = layer({"unit": hetero["unit"].x}, edges, edge_attr_dict=kernels)
    assert result["unit"].shape == (hetero["unit"].num_nodes, 4)


def test_a_network_without_weights() -> None:
    graph = neural_graph(nn.Sequential(nn.Tanh()), torch.zeros(1, 3))
    assert graph.to_data().edge_attr.shape == (0, 1)
    assert graph.to_hetero_data().edge_types == []
