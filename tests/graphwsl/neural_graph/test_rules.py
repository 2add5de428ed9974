"""The registry: a rule in a few lines, operators without one, and the limits of both."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph import Call, NodeKind, Value, collate, neural_graph, rule
from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.rules.registry import RULES
from graphwsl.symmetries import symmetries, verify
from graphwsl.testing import assert_exact
from tests.graphwsl.network_families import Wired, network, parameter


@pytest.fixture
def _registry() -> Iterator[None]:
    kept = dict(RULES)
    yield
    RULES.clear()
    RULES.update(kept)


def with_exponential() -> nn.Module:
    """The matrix exponential, which no rule covers."""
    torch.manual_seed(0)
    return Wired(
        lambda m, x: m.head(torch.linalg.matrix_exp(m.first(x).view(1, 2, 2)).flatten(1)),
        first=nn.Linear(3, 4),
        head=nn.Linear(4, 2),
    )


def test_an_unknown_operator_is_one_opaque_node() -> None:
    graph = neural_graph(with_exponential(), torch.zeros(1, 3))
    opaque = torch.nonzero(graph.kinds == NodeKind.OPAQUE).flatten()
    assert len(opaque) == 1
    assert graph.blocks[1].sources.unique().tolist() == opaque.tolist()
    assert torch.isin(graph.blocks[0].targets, graph.pinned).all()
    assert symmetries(graph).orbits == []
    assert graph.coverage().share_mapped == 1  # the weights are around it, not in it


def test_an_unknown_operator_can_be_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"aten.linalg_matrix_exp.*@graphwsl"):
        neural_graph(with_exponential(), torch.zeros(1, 3), unknown="raise")


def test_weights_inside_an_unknown_operator_are_listed() -> None:
    model = Wired(
        lambda m, x: x @ torch.linalg.matrix_exp(m.first.weight), first=nn.Linear(3, 3, bias=False)
    )
    coverage = neural_graph(model, torch.zeros(1, 3)).coverage()
    (row,) = coverage.tensors
    assert (row.opaque, row.weights) == (9, 0)
    assert coverage.opaque_operators == ("linalg_matrix_exp",)
    assert coverage.share_mapped == 0
    assert "9 opaque (linalg_matrix_exp)" in str(coverage)


@pytest.mark.usefixtures("_registry")
def test_a_rule_in_a_few_lines() -> None:
    """Distances to prototypes: a layer of neurons whose weights are the prototypes."""

    @rule("_cdist_forward")
    def distances(builder: GraphBuilder, call: Call) -> Value:
        x, prototypes = call.args[:2]
        entries = tuple(one[None, :, :, None] for one in prototypes.entries)
        units = builder.neurons(entries, x.known_units[:1])
        for some in (x.known_units, units):  # no factor passes through a distance
            builder.applied("cdist", some)
        return Value(call.result).with_units(units)

    model = Wired(
        lambda m, x: m.head(torch.cdist(m.first(x), m.prototypes)),
        first=nn.Linear(3, 4),
        prototypes=parameter(5, 4),
        head=nn.Linear(5, 2),
    )
    graph = neural_graph(model.double(), torch.zeros(1, 3).double(), unknown="raise")
    assert_exact(graph, model)
    assert graph.num_weights == 3 * 4 + 4 * 5 + 5 * 2
    group = symmetries(graph)
    assert sorted(len(orbit.nodes) for orbit in group.orbits) == [4, 5]
    result = verify(group.random(torch.Generator().manual_seed(0)))
    assert result.error < 1e-12
    assert result.change > 0.5


@pytest.mark.usefixtures("_registry")
def test_the_last_rule_counts() -> None:
    rule("relu")(lambda builder, call: Value(call.result).with_units(builder.hide(*call.values)))
    model, inputs = network("mlp")
    assert bool((neural_graph(model, inputs).kinds == NodeKind.OPAQUE).any())


ACTIVATIONS = [
    nn.CELU(), nn.ELU(), nn.GELU(), nn.GLU(), nn.Hardshrink(), nn.Hardsigmoid(), nn.Hardswish(),
    nn.Hardtanh(), nn.Identity(), nn.LeakyReLU(), nn.LogSigmoid(), nn.LogSoftmax(-1), nn.Mish(),
    nn.PReLU(), nn.RReLU(), nn.ReLU(), nn.ReLU6(), nn.SELU(), nn.SiLU(), nn.Sigmoid(),
    nn.Softmax(-1), nn.Softmin(-1), nn.Softplus(), nn.Softshrink(), nn.Softsign(), nn.Tanh(),
    nn.Tanhshrink(), nn.Threshold(0.1, 0.2),
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda one: type(one).__name__)
def test_every_activation_of_pytorch_has_a_rule(activation: nn.Module) -> None:
    torch.manual_seed(0)
    width = 3 if isinstance(activation, nn.GLU) else 6
    model = nn.Sequential(nn.Linear(3, 6), activation, nn.Linear(width, 2)).double().eval()
    graph = neural_graph(model, torch.zeros(1, 3).double(), unknown="raise")
    assert not bool((graph.kinds == NodeKind.OPAQUE).any())
    group = symmetries(graph)
    assert [len(orbit.nodes) for orbit in group.orbits] == [width]
    for seed in range(3):
        assert verify(group.random(torch.Generator().manual_seed(seed))).error < 1e-12


def test_architectures_of_all_kinds_in_one_batch() -> None:
    names = ["mlp", "conv3d", "lstm", "attention", "embedding"]
    graphs = [neural_graph(*network(name)).to_data() for name in names]
    batch = collate(graphs)
    assert batch.num_graphs == len(names)
    assert batch.num_nodes == sum(graph.num_nodes for graph in graphs)
    assert batch.edge_attr.shape[1] == max(graph.edge_attr.shape[1] for graph in graphs) == 27
    start = 0
    for number, graph in enumerate(graphs):
        part = batch.edge_attr[start : start + graph.num_edges]
        start += graph.num_edges
        assert torch.equal(part.sum(1), graph.edge_attr.sum(1)) or number == 1
        own = batch[number]
        assert torch.equal(own.edge_index, graph.edge_index)
        assert torch.equal(own.x, graph.x)
    mlp = batch.edge_attr[: graphs[0].num_edges]
    assert torch.equal(mlp[:, 13:14], graphs[0].edge_attr)  # the middle of 27
    assert int((mlp != 0).sum()) == int((graphs[0].edge_attr != 0).sum())


def test_data_of_a_small_network() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    data = neural_graph(model, torch.zeros(1, 2)).to_data()
    assert data.num_layers == 3
    assert data.node_layer.tolist() == [0, 0, 1, 1, 1, 2]
    assert data.node_index.tolist() == [0, 1, 0, 1, 2, 0]
    assert data.depth.tolist() == [0, 0, 0.5, 0.5, 0.5, 1]
    assert data.is_input.tolist() == [True, True, False, False, False, False]
    assert data.is_output.tolist() == [False] * 5 + [True]
    weights = {
        (int(s), int(t)): float(w)
        for (s, t), w in zip(data.edge_index.T, data.edge_attr[:, 0], strict=True)
    }
    assert weights[1, 3] == model[0].weight[1, 1].item()
    assert weights[4, 5] == model[2].weight[0, 2].item()
    assert data.fan_in.tolist() == [2.0] * 6 + [3.0] * 3
    assert data.x[2:5, 0].tolist() == model[0].bias.tolist()
    assert data.x[:, 1].tolist() == [1.0] * 6  # no scales
