"""The registry, and layers that hand PyG's operators what they need."""

import math
from typing import Any

import pytest
import torch
import torch_geometric.nn as pyg
from torch import Tensor, nn

from gnncore.errors import SpecificationError
from gnncore.layers import (
    LAYERS,
    GraphLayer,
    MessagePassingLayer,
    make_layer,
    register_layer,
)
from gnncore.registry import Registry

DIRAC = ("dirac_bianconi", "dirac_bianconi_semi_implicit")
EDGE_INDEX = torch.tensor([[0, 1, 1, 2, 2, 0, 2, 3], [1, 0, 2, 1, 0, 2, 3, 2]])


def inputs(channels: int, edge_channels: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, channels, generator=generator)
    return x, EDGE_INDEX, torch.rand(8, edge_channels, generator=generator) + 0.5


def perceptron(*channels: int) -> pyg.MLP:
    return pyg.MLP(list(channels), act="relu", norm=None)


# name: edge channels, options, the operator as PyG's own users write it, what it calls the edges
OPERATORS: dict[str, list[tuple[int, dict[str, Any], nn.Module, str]]] = {
    "gcn": [
        (0, {}, pyg.GCNConv(3, 6), ""),
        (1, {"improved": True}, pyg.GCNConv(3, 6, improved=True), "edge_weight"),
    ],
    "sage": [(0, {"aggr": "max"}, pyg.SAGEConv(3, 6, aggr="max"), "")],
    "arma": [
        (
            1,
            {
                "num_stacks": 3,
                "num_layers": 4,
                "shared_weights": True,
                "dropout": 0.25,
                "act": "tanh",
            },
            pyg.ARMAConv(
                3,
                6,
                num_stacks=3,
                num_layers=4,
                shared_weights=True,
                dropout=0.25,
                act=torch.tanh,
            ),
            "edge_weight",
        ),
        (
            0,
            {"num_stacks": 2, "num_layers": 2, "act": None},
            pyg.ARMAConv(3, 6, num_stacks=2, num_layers=2, act=None),
            "",
        ),
    ],
    "tag": [(1, {"K": 5}, pyg.TAGConv(3, 6, K=5), "edge_weight")],
    "sg": [(1, {"K": 2}, pyg.SGConv(3, 6, K=2), "edge_weight")],
    "graph": [(1, {"aggr": "mean"}, pyg.GraphConv(3, 6, aggr="mean"), "edge_weight")],
    "gatv2": [
        (2, {"heads": 3}, pyg.GATv2Conv(3, 2, heads=3, edge_dim=2), "edge_attr"),
        (0, {"heads": 3, "concat": False}, pyg.GATv2Conv(3, 6, heads=3, concat=False), ""),
    ],
    "transformer": [
        (
            2,
            {"heads": 2, "beta": True},
            pyg.TransformerConv(3, 3, heads=2, beta=True, edge_dim=2),
            "edge_attr",
        )
    ],
    "gated_gcn": [
        (0, {}, pyg.ResGatedGraphConv(3, 6), ""),
        (2, {"act": "tanh"}, pyg.ResGatedGraphConv(3, 6, nn.Tanh(), edge_dim=2), "edge_attr"),
    ],
    "gin": [
        (0, {"hidden_channels": 5, "eps": 0.5}, pyg.GINConv(perceptron(3, 5, 6), 0.5), ""),
    ],
    "gine": [(2, {}, pyg.GINEConv(perceptron(3, 6, 6), edge_dim=2), "edge_attr")],
    "pna": [
        (
            2,
            {"aggregators": ["mean", "max"], "scalers": ["amplification"], "deg": [0, 2, 3, 1]},
            pyg.PNAConv(
                3, 6, ["mean", "max"], ["amplification"], torch.tensor([0, 2, 3, 1]), edge_dim=2
            ),
            "edge_attr",
        )
    ],
}
CASES = [
    pytest.param(name, *case, id=f"{name}-{number}")
    for name, cases in OPERATORS.items()
    for number, case in enumerate(cases)
]


@pytest.mark.parametrize(("name", "edge_channels", "options", "operator", "argument"), CASES)
def test_layer_is_the_operator_of_pyg(
    name: str, edge_channels: int, options: dict[str, Any], operator: nn.Module, argument: str
) -> None:
    layer = make_layer(name, 3, 6, edge_channels, **options).eval()
    assert isinstance(layer, MessagePassingLayer)
    # Equal keys and shapes: the options have arrived.
    layer.operator.load_state_dict(operator.eval().state_dict())
    x, edge_index, edge_attr = inputs(3, edge_channels or 2)
    new_x, new_edges = layer(x, edge_index, edge_attr)
    keywords = {
        "edge_weight": {"edge_weight": edge_attr[:, 0]},
        "edge_attr": {"edge_attr": edge_attr},
        "": {},
    }[argument]
    torch.testing.assert_close(new_x, operator(x, edge_index, **keywords))
    assert new_x.shape == (4, 6)
    assert new_edges is edge_attr
    assert (layer.in_channels, layer.out_channels) == (3, 6)
    assert layer.edge_channels == layer.edge_out_channels == edge_channels


def test_every_operator_is_compared() -> None:
    assert set(LAYERS) == {*OPERATORS, "gcn2", *DIRAC, "gps", "relational_transformer"}


def test_edges_without_channels_are_handed_on() -> None:
    x, edge_index, _ = inputs(3, 1)
    layer = make_layer("gcn", 3, 6)
    assert layer(x, edge_index)[1] is None
    with_edges = layer(x, edge_index, torch.ones(8, 7))
    assert with_edges[1] is not None
    torch.testing.assert_close(with_edges[0], layer(x, edge_index)[0])


def test_gcn2_follows_its_formula() -> None:
    # Chen et al. 2020, equation 5, on a dense normalised adjacency with self-loops.
    torch.manual_seed(0)
    layer = make_layer("gcn2", 3, 3, num_layers=3, alpha=0.2, theta=0.7)
    x, edge_index, _ = inputs(3, 0)
    adjacency = torch.eye(4)
    adjacency[edge_index[1], edge_index[0]] = 1
    scale = adjacency.sum(1).rsqrt()
    adjacency = scale[:, None] * adjacency * scale
    signal = x
    for number, operator in enumerate(layer.operators, start=1):
        beta = torch.log(torch.tensor(0.7 / number + 1))
        mixed = 0.8 * adjacency @ signal + 0.2 * x
        signal = torch.relu((1 - beta) * mixed + beta * mixed @ operator.weight1)
    torch.testing.assert_close(layer(x, edge_index)[0], signal)


def test_gcn2_drops_while_training_only() -> None:
    x, edge_index, edge_attr = inputs(3, 1)
    layer = make_layer("gcn2", 3, 3, 1, num_layers=2, dropout=0.5)
    assert not torch.equal(layer(x, edge_index, edge_attr)[0], layer(x, edge_index, edge_attr)[0])
    layer.eval()
    once, again = (layer(x, edge_index, edge_attr)[0] for _ in range(2))
    assert torch.equal(once, again)


def test_pna_takes_its_typical_degree_from_the_histogram() -> None:
    # Three nodes of degree 1 and one of degree 4; the scalers use the mean of log(degree + 1).
    layer = make_layer("pna", 3, 6, deg=[0, 3, 0, 0, 1])
    typical = (3 * math.log(2) + math.log(5)) / 4
    assert layer.operator.aggr_module.avg_deg_log.item() == pytest.approx(typical)
    layer = make_layer("pna", 3, 6)
    assert layer.operator.aggr_module.avg_deg_log.item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_parameters_can_be_drawn_anew(name: str) -> None:
    layer = make_layer(name, 4, 4, 2 if name in {"gine", *DIRAC} else 0)
    before = {key: value.clone() for key, value in layer.named_parameters()}
    torch.manual_seed(7)
    layer.reset_parameters()
    assert any(not torch.equal(before[key], value) for key, value in layer.named_parameters())


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("tga", 3, 6), {}, "unknown layer 'tga'; the layers are .*arma, .*transformer"),
        (("tag", 3, 6), {"k": 2}, "'tag' has no option 'k'; its options are K, normalize, bias"),
        (("gcn", 3, 6), {"cached": True}, "no option 'cached'"),
        (("tag", 3, 6), {"K": 0}, "K of layer 'tag' must be at least 1, got 0"),
        (("tag", 3, 6), {"K": "three"}, "K of layer 'tag' must be a whole number, got 'three'"),
        (("arma", 3, 6), {"act": "swoosh"}, "swoosh"),
        (("gatv2", 3, 7), {"heads": 2}, "must be a multiple of heads=2, got 7"),
        (("gatv2", 3, 6), {"heads": 0}, "heads of layer 'gatv2' must be at least 1"),
        (("gcn", 0, 6), {}, "in_channels of layer 'gcn' must be at least 1, got 0"),
        (("gcn", 3, -1), {}, "out_channels of layer 'gcn' must be at least 1, got -1"),
        (("gcn", 3, 6, -1), {}, "edge_channels of layer 'gcn' must be at least 0, got -1"),
        (("gcn", 3, 6, 2), {}, "GCNConv takes one weight an edge.*got 2"),
        (("gcn2", 3, 3, 2), {}, "GCN2Conv takes one weight an edge.*got 2"),
        (("gcn2", 3, 6), {}, "got 3 to 6"),
        (("gcn2", 3, 3), {"num_layers": 0}, "num_layers of gcn2 must be at least 1, got 0"),
        (("sage", 3, 6, 1), {}, "SAGEConv takes no edge signal.*got 1"),
        (("gin", 3, 6, 1), {}, "GINConv takes no edge signal.*got 1"),
        (("gine", 3, 6), {}, "needs edge_channels of at least 1, got 0; use 'gin'"),
        (("pna", 3, 6), {"towers": 4}, "towers=4"),
        (("pna", 3, 6), {"deg": [5]}, r"deg of layer 'pna' must count nodes.*got \[5\]"),
        (("pna", 3, 6), {"aggregators": ["meen"]}, "meen"),
    ],
)
def test_what_does_not_fit_is_said(
    arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        make_layer(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_a_missing_edge_signal_is_said() -> None:
    x, edge_index, edge_attr = inputs(3, 2)
    layer = make_layer("gcn", 3, 6, 1)
    with pytest.raises(SpecificationError, match="edge_channels=1, got edge_attr with none"):
        layer(x, edge_index)
    with pytest.raises(SpecificationError, match="edge_channels=1, got edge_attr with 2"):
        layer(x, edge_index, edge_attr)


def test_anyone_can_register_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnncore.layers.registry.LAYERS", Registry("layer", SpecificationError))

    def define() -> type[GraphLayer]:
        @register_layer("scale")
        class Scale(GraphLayer):
            def __init__(
                self, in_channels: int, out_channels: int, edge_channels: int = 0, factor: int = 2
            ) -> None:
                super().__init__(in_channels, out_channels, edge_channels)
                self.factor = factor

        return Scale

    define()
    again = define()  # as when the cell of a notebook is run twice
    layer = make_layer("scale", 1, 1, factor=5)
    assert isinstance(layer, again)
    assert layer.factor == 5
    with pytest.raises(SpecificationError, match="its options are factor"):
        make_layer("scale", 1, 1, faktor=5)


def test_a_name_is_not_taken_twice() -> None:
    with pytest.raises(SpecificationError, match=r"'gin' is already .*message_passing.gin"):
        register_layer("gin")(GraphLayer)
