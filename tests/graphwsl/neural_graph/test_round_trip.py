"""The graph gives back the network's state bitwise, and accepts no other architecture's."""

import pytest
import torch
from torch import Tensor, nn

from graphwsl.errors import StateMismatchError, UnsupportedModelError
from graphwsl.neural_graph import NeuralGraph, neural_graph
from graphwsl.symmetries import GroupElement
from graphwsl.testing import assert_exact
from graphwsl.testing.exactness import same_bits
from tests.graphwsl import network_families as families
from tests.graphwsl.network_families import FAMILIES, Wired, network, parameter


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).eval()


def graph_of(model: nn.Module) -> NeuralGraph:
    return neural_graph(model, torch.zeros(1, 3))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_mapped_and_comes_back_bitwise(name: str) -> None:
    model, _ = network(name, torch.float64)
    assert_exact(families.graph_of(name), model)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_type_and_every_bit(dtype: torch.dtype) -> None:
    model = small().to(dtype)
    with torch.no_grad():
        model[0].weight[0] = torch.tensor([torch.nan, -0.0, torch.inf], dtype=dtype)
        model[3].bias[0] = torch.finfo(dtype).tiny
    graph = neural_graph(model, torch.zeros(1, 3, dtype=dtype))
    assert_exact(graph, model)
    state = graph.to_state_dict()
    assert state["0.weight"].dtype == dtype
    assert torch.signbit(state["0.weight"][0, 1])
    assert state["1.num_batches_tracked"].dtype == torch.int64


def test_bits_are_compared() -> None:
    zero = torch.zeros(2)
    assert same_bits(zero, zero.clone())
    assert not same_bits(zero, -zero)
    assert not same_bits(zero, zero.double())
    assert not same_bits(zero, torch.zeros(1, 2))


def test_scalars_empty_tensors_and_unread_entries_have_their_index() -> None:
    model = Wired(
        lambda m, x: m.head(x) * m.scale,
        head=nn.Linear(3, 2),
        scale=nn.Parameter(torch.tensor(2.0)),
        empty=parameter(0, 3),
        spare=parameter(2),
    )
    graph = graph_of(model)
    assert_exact(graph, model, mapped=False)
    rows = {row.name: row for row in graph.coverage().tensors}
    assert (rows["scale"].node_parameters, rows["scale"].shape) == (1, ())
    assert rows["empty"].entries == 0
    assert (rows["spare"].unread, rows["spare"].operators) == (2, ())
    assert graph.coverage().mapped == 9
    assert "spare (2,): 0 opaque, 2 unread" in str(graph.coverage())


def test_tied_tensors_are_one_and_come_back_under_all_names() -> None:
    model, inputs = network("llama")
    graph = neural_graph(model, inputs)
    assert graph.aliases == {"head.weight": "embed.weight"}
    assert "head.weight" not in graph.state
    assert graph.num_parameters == sum(p.numel() for p in model.parameters())
    state = graph.to_state_dict()
    assert state["head.weight"] is state["embed.weight"]


def test_tracing_leaves_the_network_as_it_was() -> None:
    model = small().train()
    model[1].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    graph_of(model)
    assert [module.training for module in model.modules()] == [True, True, False, True, True]
    assert all(same_bits(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_other_weights_of_the_architecture() -> None:
    graph, other = graph_of(small()), small()
    with torch.no_grad():
        other[0].weight.mul_(3)
    moved = graph.with_weights(other.state_dict())
    assert_exact(moved, other)
    assert moved.blocks is graph.blocks
    assert not torch.equal(moved.to_data().edge_attr, graph.to_data().edge_attr)
    assert torch.equal(moved.to_data().edge_attr, graph.to_data(other.state_dict()).edge_attr)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0.weight": None}, r"lacks \['0.weight'\]"),
        ({"more": torch.zeros(1)}, r"has \['more'\] besides"),
        ({"0.weight": torch.zeros(4, 5)}, r"0.weight has shape \(4, 5\)"),
        ({"0.bias": torch.zeros(4).double()}, r"0.bias .* torch.float64"),
    ],
)
def test_weights_of_another_architecture(change: dict[str, Tensor | None], message: str) -> None:
    graph = graph_of(small())
    state = {name: value for name, value in {**graph.state, **change}.items() if value is not None}
    with pytest.raises(StateMismatchError, match=message):
        graph.with_weights(state)
    with pytest.raises(StateMismatchError, match=message):
        graph.to_data(state)


def test_tied_weights_must_agree() -> None:
    model, inputs = network("llama")
    graph = neural_graph(model, inputs)
    state = {**graph.to_state_dict(), "head.weight": torch.zeros(7, 8)}
    with pytest.raises(StateMismatchError, match=r"head.weight is tied to embed.weight"):
        graph.with_weights(state)


def test_inputs_that_do_not_fit() -> None:
    with pytest.raises(UnsupportedModelError, match=r"Sequential .* \[\(1, 5\)\], in 0 .*Error"):
        neural_graph(small(), torch.zeros(1, 5))
    with pytest.raises(UnsupportedModelError, match=r'"opaque" or "raise", got \'skip\''):
        neural_graph(small(), torch.zeros(1, 3), unknown="skip")


def test_keyword_inputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, *, left: Tensor, right: Tensor) -> Tensor:
            return self.layer(left + right)

    graph = neural_graph(Two(), {"left": torch.zeros(1, 3), "right": torch.zeros(1, 3)})
    assert [tuple(nodes.shape) for nodes in graph.inputs] == [(1, 3), (1, 3)]
    assert graph.num_weights == 6


def test_graphs_own_their_numbers() -> None:
    """Snapshots of a training stay what they were; what they give is the caller's."""
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = nn.Parameter(first.weight.data.T)  # a view
    model = nn.Sequential(first, nn.BatchNorm1d(3), second, first)
    x = torch.ones(2, 3)
    graph = neural_graph(model, x)
    snapshot = graph.with_weights(model.state_dict())
    given = graph.to_state_dict()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers(), x]:
            tensor.zero_()
    for state in (given, graph.to_state_dict(), snapshot.to_state_dict()):
        assert all(same_bits(state[name], tensor) for name, tensor in before.items())
    assert bool(graph.program.inputs[0].all())
    for tensor in given.values():
        tensor.fill_(7)
    moved = GroupElement.identity(graph).apply()
    for tensor in moved.values():
        tensor.fill_(7)
    for state in (graph.to_state_dict(), snapshot.to_state_dict()):
        assert all(same_bits(state[name], tensor) for name, tensor in before.items())
    assert not any(bool(tensor.any()) for tensor in model.state_dict().values())


def test_constants_of_a_program_are_its_own() -> None:
    class Shifted(nn.Linear):
        def __init__(self) -> None:
            super().__init__(3, 2)
            self.register_buffer("shift", torch.ones(2), persistent=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + self.shift

    model = Shifted()
    graph = neural_graph(model, torch.ones(1, 3))
    expected = model(torch.ones(1, 3))
    model.shift.zero_()
    (output,) = graph.program.graph_module(list(graph.state.values()), [torch.ones(1, 3)])
    assert torch.equal(output, expected)
