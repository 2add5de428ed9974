"""What edges are counted as, and which names are known to relations and functions."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from graphwsl.neural_graph import (
    FunctionForm,
    FunctionKind,
    NodeKind,
    ParameterRole,
    RelationKind,
    RelationRole,
    neural_graph,
)
from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.data import NODE_FEATURES
from graphwsl.neural_graph.roles import EdgeKind
from graphwsl.neural_graph.values import Value
from tests.graphwsl.network_families import Wired

LAYERS = {"first": nn.Linear(2, 3), "second": nn.Linear(2, 3), "last": nn.Linear(3, 1)}


def test_numbers_that_saved_graphs_and_predictors_hold() -> None:
    assert [one.label for one in EdgeKind] == [
        "weight",
        "add",
        "mul",
        "mm",
        "composite",
        "function",
    ]
    assert NODE_FEATURES == ("bias", "scale", "mean", "variance", "activation", "other")


@pytest.mark.parametrize(
    ("function", "name", "kind"),
    [
        (torch.add, "add", EdgeKind.ADD),
        (torch.sub, "sub", EdgeKind.FUNCTION),
        (torch.mul, "mul", EdgeKind.MUL),
        (torch.maximum, "maximum", EdgeKind.FUNCTION),
    ],
)
def test_a_function_of_two_relates_its_arguments(
    function: Callable[..., Tensor], name: str, kind: EdgeKind
) -> None:
    model = Wired(lambda m, x: m.last(function(m.first(x), m.second(x))), **LAYERS)
    graph = neural_graph(model, torch.ones(1, 2))
    ends = {one.kind: one.sources.tolist() for one in graph.relations}
    first, second, _ = (block.targets[0].tolist() for block in graph.blocks)
    assert ends == {
        RelationKind(name, RelationRole.FIRST): first,
        RelationKind(name, RelationRole.SECOND): second,
    }
    assert set(graph.to_data().edge_kind.tolist()) == {EdgeKind.WEIGHT, kind}


@pytest.mark.parametrize(
    ("function", "operator", "form"),
    [
        (torch.relu, "relu", FunctionForm.PLAIN),
        (lambda x: x / 2, "div", FunctionForm.WITH_CONSTANT),
        (lambda x: torch.tensor([2.0]) / x, "div", FunctionForm.OF_CONSTANT),
        (lambda x: 2 * x, "mul", FunctionForm.WITH_CONSTANT),
        (lambda x: x - LAYERS["second"].bias, "sub", FunctionForm.WITH_WEIGHTS),
        (lambda x: LAYERS["second"].bias - x, "sub", FunctionForm.OF_WEIGHTS),
    ],
)
def test_a_function_names_its_operands(
    function: Callable[..., Tensor], operator: str, form: FunctionForm
) -> None:
    model = Wired(lambda m, x: m.last(function(m.first(x))), **LAYERS)
    kinds = {one.kind for one in neural_graph(model, torch.ones(1, 2)).functions}
    assert FunctionKind(operator, form) in kinds


def test_roles_of_parameters_are_checked() -> None:
    builder = GraphBuilder(operator="add")
    units = builder.units.new(2, NodeKind.NEURON)
    weights = Value(torch.ones(2), entries=(torch.arange(2),))
    builder.attach("bias", units, weights)
    assert builder.parameters[0].role is ParameterRole.BIAS
    with pytest.raises(ValueError, match="offset"):
        builder.attach("offset", units, weights)


def test_batch_normalisation_has_four_parameters_a_node() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).eval()
    graph = neural_graph(model, torch.zeros(1, 1, 3, 3))
    found: dict[ParameterRole, Tensor] = {
        one.role: one.nodes for one in graph.node_parameters if "norm" in one.operator
    }
    assert found.keys() == set(NODE_FEATURES[:4])
    assert len({tuple(nodes.tolist()) for nodes in found.values()}) == 1
