"""The verifier: what is no symmetry never passes, whatever the outputs are like."""

import math
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.errors import InvalidArgumentError, UnsupportedModelError, VerificationError
from graphwsl.neural_graph import NeuralGraph, neural_graph
from graphwsl.symmetries import GroupElement, symmetries, verify
from graphwsl.symmetries.verify import difference
from tests.graphwsl.network_families import Wired

INF, NAN = math.inf, math.nan


def wired(output: Callable[[Any, Tensor], Any], dtype: torch.dtype = torch.float64) -> nn.Module:
    """A hidden layer of tanh, and something that is done to what follows."""
    torch.manual_seed(0)
    model = Wired(
        lambda m, x: output(m, m.second(torch.tanh(m.first(x)))),
        first=nn.Linear(3, 5),
        second=nn.Linear(5, 4),
    )
    return model.to(dtype).eval()


def graph_of(output: Callable[[Any, Tensor], Any]) -> NeuralGraph:
    return neural_graph(wired(output), torch.ones(2, 3, dtype=torch.float64))


def right_and_wrong(graph: NeuralGraph) -> tuple[GroupElement, GroupElement]:
    """A symmetry, and a factor that tanh does not let pass."""
    right = symmetries(graph).random(torch.Generator().manual_seed(0))
    factors = torch.ones(graph.num_nodes, dtype=torch.float64)
    factors[graph.blocks[0].targets[0, 0]] = 3
    return right, GroupElement(graph, torch.arange(graph.num_nodes), factors)


def masked(m: Any, x: Tensor) -> Tensor:
    return x.masked_fill(torch.tensor([False, False, True, False]), -INF)


@dataclass
class Result:
    logits: Tensor
    name: str = "result"


class Pair(NamedTuple):
    first: Tensor
    second: None = None


@pytest.mark.parametrize(
    "output",
    [
        lambda m, x: x,
        masked,
        lambda m, x: masked(m, x).softmax(1).log(),
        lambda m, x: x.log(),  # not a number at half of the entries
        lambda m, x: torch.where(x > x.mean(), x, NAN),
        lambda m, x: x.to(torch.complex128) * (1 + 2j),
        lambda m, x: Result(x),
        lambda m, x: Pair(x),
        lambda m, x: SimpleNamespace(logits=x),
        lambda m, x: Namespace(inner=Namespace(logits=[x, None])),
        lambda m, x: OrderedDict(deep={"er": [(x, "text"), 3.0]}),
    ],
)
def test_right_passes_and_wrong_does_not(output: Callable[[Any, Tensor], Any]) -> None:
    right, wrong = right_and_wrong(graph_of(output))
    assert verify(right).error < 1e-12
    assert verify(right).change > 0.3
    assert verify(wrong).error > 1e-3


def test_infinities_and_not_a_number_must_stay_where_they_are() -> None:
    before = torch.tensor([1.0, INF, -INF, NAN])
    assert difference(before, before.clone()) == 0
    for index in range(4):
        for value in (2.0, INF, -INF, NAN):
            after = before.clone()
            after[index] = value
            expected = 0.0 if (value is NAN and index == 3) or value == before[index] else INF
            assert difference(before, after) == (1.0 if (index, value) == (0, 2.0) else expected)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_network_that_is_not_finite_never_passes(value: float) -> None:
    model = wired(lambda m, x: x)
    with torch.no_grad():
        model.second.weight[0, 0] = value
    graph = neural_graph(model, torch.ones(2, 3, dtype=torch.float64))
    assert verify(GroupElement.identity(graph)).error == INF
    graph = graph_of(lambda m, x: x)
    factors = torch.ones(graph.num_nodes, dtype=torch.float64)
    factors[graph.blocks[0].targets[0, 0]] = value
    element = GroupElement(graph, torch.arange(graph.num_nodes), factors)
    assert verify(element).error == INF


def test_an_output_without_any_number_says_nothing() -> None:
    graph = graph_of(lambda m, x: (x, (x - 1e6).log()))
    assert verify(GroupElement.identity(graph)).error == INF


def test_a_wrong_element_that_the_example_hides_is_found() -> None:
    """Zeros hide what is done to the first layer; drawn inputs do not."""
    model = wired(lambda m, x: x)
    with torch.no_grad():
        model.first.bias.zero_()
    zeros = torch.zeros(2, 3, dtype=torch.float64)
    _, wrong = right_and_wrong(neural_graph(model, zeros))
    assert verify(wrong, inputs=(zeros,)).error == 0
    assert verify(wrong).error > 1e-3


class Opaque:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (lambda m, x: Opaque(x), r"test_symmetry_verification\.Opaque"),
        (lambda m, x: {"a": [Opaque(x)]}, r"test_symmetry_verification\.Opaque"),
        (lambda m, x: None, "Wired returns no tensor"),
        (lambda m, x: x.sum().item(), "Wired returns no tensor"),
    ],
)
def test_outputs_that_are_not_seen_are_refused(output: Callable[..., Any], said: str) -> None:
    with pytest.raises(UnsupportedModelError, match=said):
        graph_of(output)


def test_outputs_without_elements_are_refused() -> None:
    graph = graph_of(lambda m, x: x[:0])
    with pytest.raises(VerificationError, match="no outputs on these inputs"):
        verify(GroupElement.identity(graph))


@pytest.mark.parametrize(
    "output",
    [
        lambda m, x: x + torch.rand_like(x),
        lambda m, x: functional.dropout(x, 0.5, training=True),
        lambda m, x: x[:, torch.rand(4).argsort()],  # masked autoencoders
        lambda m, x: torch.bernoulli(x.sigmoid()) + x,
    ],
)
def test_noise_is_the_same_on_both_sides(output: Callable[[Any, Tensor], Any]) -> None:
    graph = graph_of(output)
    right, wrong = right_and_wrong(graph)
    state = torch.get_rng_state()
    assert verify(GroupElement.identity(graph)).error == 0
    assert verify(right).error < 1e-12
    assert verify(wrong).error > 1e-3
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_of_the_networks_own_is_refused() -> None:
    generator = torch.Generator().manual_seed(0)
    graph = graph_of(lambda m, x: x + torch.rand(4, generator=generator))
    with pytest.raises(VerificationError, match=r"rand.*a generator of its own"):
        verify(GroupElement.identity(graph))


def test_a_tensor_is_the_only_input() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    element = symmetries(neural_graph(model, torch.zeros(2, 3))).random()
    x = torch.randn(2, 3)
    assert verify(element, inputs=x) == verify(element, inputs=(x,))
    assert verify(element, inputs=[x]).change > 0
    with pytest.raises(InvalidArgumentError, match=r"inputs are none; .*: \(2, 3\) of torch.float"):
        verify(element, inputs=[])


def forked(condition: Callable[[Tensor], Any]) -> Wired:
    """Two ways from a hidden layer, of which one tells its neurons apart."""

    def wiring(m: Any, x: Tensor) -> Tensor:
        hidden = m.first(x).relu()
        return m.second(hidden if condition(x) else hidden.cumsum(1))

    torch.manual_seed(0)
    return Wired(wiring, first=nn.Linear(3, 5), second=nn.Linear(5, 4)).double()


FORKS: dict[str, Callable[[Tensor], Any]] = {
    "a truth value": lambda x: x.sum() > 0,
    "a number": lambda x: x.mean().item() > 0,
    "a list": lambda x: x.sign().tolist()[0][0] > 0,
    "how many": lambda x: len((x[:, 0] > 0).nonzero()) > 0,
    "how many rows": lambda x: len(x[x[:, 0] > 0]) > 0,
}


@pytest.mark.parametrize("name", FORKS)
def test_the_other_branch_is_run_by_the_module(name: str) -> None:
    model, x = forked(FORKS[name]), torch.ones(2, 3, dtype=torch.float64)
    graph = neural_graph(model, x)
    assert graph.looked_at == ("Wired",)
    assert "numbers that depend on the inputs" in str(graph.coverage())
    element = symmetries(graph).random(torch.Generator().manual_seed(0))
    own = {key: one.clone() for key, one in model.state_dict().items()}
    assert verify(element).error < 1e-12
    assert verify(element, module=model, inputs=(2 * x,)).error < 1e-12
    assert verify(element, module=model, inputs=(-x,)).error > 1e-3
    if "how many" not in name:
        with pytest.raises(VerificationError, match="looks at other numbers"):
            verify(element, inputs=(-x,))
    assert all(torch.equal(one, own[key]) for key, one in model.state_dict().items())


def test_what_is_looked_at_must_not_change() -> None:
    """A number that a program holds as a constant would hide what a wrong element does to it."""
    model = Wired(lambda m, x: x.sum(1) * m.first(x).sum().item(), first=nn.Linear(3, 5)).double()
    graph = neural_graph(model, torch.ones(2, 3, dtype=torch.float64))
    factors = torch.full((graph.num_nodes,), 2.0, dtype=torch.float64)
    wrong = GroupElement(graph, torch.arange(graph.num_nodes), factors)
    assert verify(wrong).error > 1e-3
    assert verify(wrong, module=model).error > 1e-3


def test_shapes_and_constants_are_not_looked_at() -> None:
    def wiring(m: Any, x: Tensor) -> Tensor:
        rows = torch.tensor([True, False])
        hidden = m.first(x[rows] if x.shape[0] == 2 else x).tanh()
        return m.second(hidden if torch.ones(2).sum() > 1 else -hidden)

    model = Wired(wiring, first=nn.Linear(3, 5), second=nn.Linear(5, 4)).double()
    assert neural_graph(model, torch.ones(2, 3, dtype=torch.float64)).looked_at == ()


def test_the_module_is_that_of_the_graph() -> None:
    model, x = forked(lambda x: True), torch.ones(2, 3, dtype=torch.float64)
    element = GroupElement.identity(neural_graph(model, x))
    with pytest.raises(UnsupportedModelError, match="other parameters and buffers"):
        verify(element, module=nn.Linear(3, 5))
    assert verify(element, module=model).error == 0


def test_the_module_is_called_as_in_the_example() -> None:
    class Named(nn.Linear):
        def forward(self, x: Tensor, *, options: dict[str, Any]) -> Tensor:
            return super().forward(x * options["scale"]) + options["shift"]

    model = Named(3, 2).double()
    options = {"scale": 2.0, "shift": torch.ones(2, dtype=torch.float64)}
    graph = neural_graph(model, {"x": torch.ones(2, 3).double(), "options": options})
    assert verify(GroupElement.identity(graph), module=model).error == 0
