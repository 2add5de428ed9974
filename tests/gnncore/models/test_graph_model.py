"""Models: symmetries with every layer, the data flow by independent formulas, odd input."""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GCNConv, TAGConv, global_mean_pool

from gnncore.errors import SpecificationError
from gnncore.layers import LAYERS
from gnncore.models import GraphModel, ModelSpecification
from gnncore.models.specification import Normalisation
from gnncore.testing import (
    assert_batch_invariant,
    assert_edge_order_invariant,
    assert_gradients,
    assert_permutation_equivariant,
    assert_resets,
    random_graph,
)

# Layers keep the channels of their nodes or divide them between heads, hence 8 everywhere.
EDGE_CHANNELS = {"gin": 0, "sage": 0, "gcn": 1, "arma": 1, "tag": 1, "sg": 1, "graph": 1, "gcn2": 1}


def model(**changes: Any) -> GraphModel:
    torch.manual_seed(0)
    values = {
        "in_channels": 4,
        "layer": "tag",
        "hidden_channels": 8,
        "num_layers": 2,
    }
    return GraphModel(ModelSpecification(**{**values, **changes})).double()


def model_of(layer: str, **changes: Any) -> GraphModel:
    weights = layer in EDGE_CHANNELS
    return model(
        layer=layer,
        edge_channels=EDGE_CHANNELS.get(layer, 3),
        encoder="node_linear" if weights else "linear",
        **changes,
    )


def test_every_layer_is_tried_and_no_other() -> None:
    assert set(EDGE_CHANNELS) <= set(LAYERS)


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_numbering_order_of_edges_and_other_graphs_do_not_matter(layer: str) -> None:
    network = model_of(layer, normalisation="layer_norm", skip="residual", activation="tanh")
    edge_channels = network.specification.edge_channels
    graph, other = (random_graph(n, 4, edge_channels, seed=n) for n in (7, 4))
    assert_permutation_equivariant(network, graph, repeats=1)
    assert_edge_order_invariant(network, graph, repeats=1)
    assert_batch_invariant(network, graph, other_graphs=[other])


@pytest.mark.parametrize("normalisation", sorted(get_args(Normalisation)))
def test_normalisations_keep_graphs_apart(normalisation: str) -> None:
    network = model(normalisation=normalisation)
    assert_permutation_equivariant(network, random_graph(9, 4), repeats=1)
    assert_batch_invariant(network, random_graph(9, 4))


@pytest.mark.parametrize("pooling", ["mean", "sum", "max"])
def test_pooling_keeps_graphs_apart(pooling: str) -> None:
    network = model(pooling=pooling, head={"hidden": [6, 6]})
    assert_permutation_equivariant(network, random_graph(9, 4), level="graph", repeats=1)
    assert_batch_invariant(network, random_graph(9, 4), level="graph")


@pytest.mark.parametrize("jumping", [None, "concatenate"])
@pytest.mark.parametrize(
    ("layer", "encoder", "skip"),
    [
        ("dirac_bianconi", "linear", None),
        ("dirac_bianconi", "linear", "residual"),
        ("dirac_bianconi", "linear", "input"),
        ("gatv2", None, "concatenate"),
    ],
)
def test_every_parameter_gets_a_gradient(
    layer: str, encoder: str | None, skip: str | None, jumping: str | None
) -> None:
    network = model(
        layer=layer,
        layer_options={"num_steps": 2} if layer == "dirac_bianconi" else {},
        edge_channels=3,
        hidden_channels=3,
        encoder=encoder,
        skip=skip,
        jumping=jumping,
        pooling="sum",
        activation="tanh",
        head={"hidden": [5], "activation": "tanh"},
    )
    assert_gradients(network, random_graph(5, 4, 3, num_extra_edges=1))


def test_resetting_draws_everything_anew() -> None:
    network = model(
        layer="gatv2",
        edge_channels=3,
        encoder="linear",
        skip="input",
        normalisation="batch_norm",
        activation="prelu",
        head={"hidden": [5]},
    )
    assert_resets(network, random_graph(8, 4, 3))
    network.reset_parameters()
    assert not network.embed_nodes.bias.any()
    assert not network.embed_edges.bias.any()


def graph_and_weights(dtype: torch.dtype = torch.float64) -> tuple[Data, Tensor]:
    graph = random_graph(10, 1, 1, dtype=dtype)
    return graph, graph.edge_attr[:, 0]


def disturbed(batch_norm: nn.Module) -> nn.Module:
    """With statistics that make a difference."""
    for values in (batch_norm.running_mean, batch_norm.running_var, batch_norm.weight):
        values.data.uniform_(0.5, 2.0)
    return batch_norm


def test_gcn_net_03_by_hand() -> None:
    """Convolution, batch norm, ReLU, twice; convolution, Linear(1, 1), sigmoid."""
    network = model(
        in_channels=1,
        edge_channels=1,
        layer="gcn",
        hidden_channels=[16, 4, 1],
        num_layers=3,
        normalisation=["batch_norm", "batch_norm", "identity"],
        activation=["relu", "relu", "identity"],
        dropout=[0.5, 0.0, 0.0],
        output="sigmoid",
    ).eval()
    graph, weight = graph_and_weights()
    convolutions = [GCNConv(1, 16), GCNConv(16, 4), GCNConv(4, 1)]
    for convolution, block in zip(convolutions, network.blocks, strict=True):
        convolution.double().load_state_dict(block.layer.operator.state_dict())
    norms = [disturbed(block.normalisation.module) for block in network.blocks[:2]]
    x = graph.x
    for convolution, norm in zip(convolutions, norms, strict=False):
        x = torch.relu(norm(convolution(x, graph.edge_index, weight)))
    (linear,) = (m for m in network.head if isinstance(m, nn.Linear))
    expected = torch.sigmoid(linear(convolutions[2](x, graph.edge_index, weight)))
    torch.testing.assert_close(network(graph.x, graph.edge_index, graph.edge_attr), expected)


def test_skips_by_hand() -> None:
    graph = random_graph(10, 4)

    def layers(network: GraphModel) -> list[Any]:
        return [
            lambda x, b=block: torch.relu(b.layer.operator(x, graph.edge_index))
            for block in network.blocks
        ]

    residual = model(in_channels=4, hidden_channels=4, skip="residual", head="identity",
                     out_channels=4)  # fmt: skip
    first, second = layers(residual)
    x = graph.x + first(graph.x)
    torch.testing.assert_close(residual(graph.x, graph.edge_index), x + second(x))

    dense = model(hidden_channels=3, skip="concatenate", head="identity", out_channels=10)
    first, second = layers(dense)
    x = torch.cat([graph.x, first(graph.x)], dim=1)
    expected = torch.cat([x, second(x)], dim=1)
    torch.testing.assert_close(dense(graph.x, graph.edge_index), expected)

    inputs = model(hidden_channels=3, skip="input", head="identity", out_channels=3)
    first, second = layers(inputs)
    (weight, bias), x = inputs.skip_nodes.parameters(), graph.x
    for layer in (first, second):
        x = graph.x @ weight[:, :4].T + layer(x) @ weight[:, 4:].T + bias
    torch.testing.assert_close(inputs(graph.x, graph.edge_index), x)

    jumping = model(hidden_channels=[3, 5], jumping="concatenate", head="identity",
                    out_channels=8)  # fmt: skip
    first, second = layers(jumping)
    expected = torch.cat([first(graph.x), second(first(graph.x))], dim=1)
    torch.testing.assert_close(jumping(graph.x, graph.edge_index), expected)


def test_dirac_bianconi_network_by_hand() -> None:
    """Encoder, then per layer: steps, and the skip of nodes and edges with shared matrices."""
    network = model(
        in_channels=1,
        edge_channels=1,
        layer="dirac_bianconi",
        layer_options={"num_steps": 3, "delta": 0.3},
        hidden_channels=5,
        hidden_edge_channels=6,
        activation="identity",
        encoder="linear",
        skip="input",
    ).eval()
    graph, _ = graph_and_weights()
    state = network.state_dict()
    x = graph.x @ state["embed_nodes.weight"].T
    e = graph.edge_attr @ state["embed_edges.weight"].T
    for block in network.blocks:
        x, e = block.layer(x, graph.edge_index, e)
        x = network.skip_nodes(torch.cat([graph.x, x], dim=1))
        e = network.skip_edges(torch.cat([graph.edge_attr, e], dim=1))
    expected = x @ state["head.1.weight"].T + state["head.1.bias"]
    torch.testing.assert_close(network(graph.x, graph.edge_index, graph.edge_attr), expected)


def test_pooling_comes_before_the_head() -> None:
    network = model(pooling="mean", head={"hidden": [7], "activation": "gelu"}, out_channels=2)
    graphs = Batch.from_data_list([random_graph(6, 4), random_graph(9, 4, seed=1)])
    nodes = nn.Sequential()
    pooled, network.pool, network.head = (network.pool, network.head), None, nodes
    features = network(graphs.x, graphs.edge_index, batch=graphs.batch)
    network.pool, network.head = pooled
    expected = network.head(global_mean_pool(features, graphs.batch))
    actual = network(graphs.x, graphs.edge_index, batch=graphs.batch)
    torch.testing.assert_close(actual, expected)
    assert actual.shape == (2, 2)


@pytest.mark.parametrize("pooling", ["mean", "sum", "max"])
def test_graphs_without_nodes_are_counted(pooling: str) -> None:
    network = model(pooling=pooling, normalisation="layer_norm").eval()
    empty = random_graph(0, 4)
    graphs = Batch.from_data_list([empty, random_graph(5, 4), empty, empty])
    predictions = network(graphs.x, graphs.edge_index, None, graphs.batch, graphs.num_graphs)
    assert predictions.shape == (4, 1)
    torch.testing.assert_close(predictions[[2, 3]], predictions[[0, 0]])
    alone = network(empty.x, empty.edge_index)
    torch.testing.assert_close(alone, predictions[:1])


def test_dropout_acts_in_training_only() -> None:
    graph = random_graph(10, 4, 3)
    networks = [
        model(dropout=0.5),
        model(head={"dropout": 0.5}),
        model(head={"dropout": 0.5, "hidden": [8]}),
        model(layer="gatv2", edge_channels=3, edge_dropout=0.5),
    ]
    for network in networks:
        network.train()
        first, second = (network(graph.x, graph.edge_index, graph.edge_attr) for _ in range(2))
        assert not torch.equal(first, second)
        network.eval()
        first, second = (network(graph.x, graph.edge_index, graph.edge_attr) for _ in range(2))
        assert torch.equal(first, second)


@pytest.mark.parametrize(
    "encoding",
    [
        {"kind": "random_walk", "steps": 4},
        {"kind": "laplacian", "channels": 3, "signs": "invariant"},
        {"kind": "laplacian", "channels": 3, "signs": "random"},
    ],
    ids=str,
)
def test_encodings_are_appended_to_the_features(encoding: dict[str, Any]) -> None:
    network = model(encoding=encoding, encoder="linear").eval()
    graph = random_graph(10, 4)
    kept = network.encode(graph.edge_index, 10).double()
    plain = model(in_channels=4 + kept.shape[1], encoder="linear").eval()
    plain.load_state_dict(network.state_dict())
    expected = plain(torch.cat([graph.x, kept], dim=1), graph.edge_index)
    torch.testing.assert_close(network(graph.x, graph.edge_index), expected)
    torch.testing.assert_close(network(graph.x, graph.edge_index, encoding=kept), expected)
    assert_batch_invariant(network, graph, other_graphs=[random_graph(5, 4, seed=1)])


def test_random_signs_are_drawn_in_training_only() -> None:
    network = model(encoding={"kind": "laplacian", "channels": 3, "signs": "random"})
    edge_index = random_graph(10, 4).edge_index
    trained = torch.stack([network.train().encode(edge_index, 10) for _ in range(20)])
    evaluated = torch.stack([network.eval().encode(edge_index, 10) for _ in range(2)])
    assert torch.equal(evaluated[0], evaluated[1])
    torch.testing.assert_close(trained.abs(), evaluated[:1].abs().expand_as(trained))
    assert len(trained.sign().unique(dim=0)) > 4


def test_a_model_without_encoding_says_so() -> None:
    with pytest.raises(SpecificationError, match="no encoding; set one in its specification"):
        model().encode(random_graph(3, 4).edge_index, 3)


def test_unused_edge_features_are_not_looked_at() -> None:
    network = model().eval()
    graph = random_graph(10, 4, 3)
    with_edges = network(graph.x, graph.edge_index, graph.edge_attr)
    assert torch.equal(with_edges, network(graph.x, graph.edge_index))


@pytest.mark.parametrize(
    ("x_channels", "edge_channels", "message"),
    [
        (3, 1, r"x must have shape \(nodes, 4\), got \(10, 3\)"),
        (4, 2, r"edge_attr must have shape \(edges, 1\), got \(\d+, 2\)"),
        (4, 0, r"edge_attr must have shape \(edges, 1\), got None"),
    ],
)
def test_features_of_another_width_are_refused(
    x_channels: int, edge_channels: int, message: str
) -> None:
    graph = random_graph(10, x_channels, edge_channels)
    with pytest.raises(SpecificationError, match=f"^{message}$"):
        model(edge_channels=1)(graph.x, graph.edge_index, graph.edge_attr)


def test_it_says_what_it_is() -> None:
    network = model(layer_options={"K": 3}, dropout=0.1)
    text = repr(network)
    assert all(part in text for part in ("4 → 2 × tag → 1", "TAGConv(8, 8, K=3)", "p=0.1"))
    convolutions = TAGConv(4, 8), TAGConv(8, 8), nn.Linear(8, 1)
    expected = sum(p.numel() for module in convolutions for p in module.parameters())
    assert network.num_parameters == expected
    assert f"num_parameters={expected}" in text
