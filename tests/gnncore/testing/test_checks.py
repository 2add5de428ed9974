"""Derivatives, edge cases, state and the whole battery: wrong layers are caught."""

from typing import Any

import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gnncore.layers import GraphLayer, make_layer
from gnncore.testing import (
    assert_gradients,
    assert_handles_degenerate_graphs,
    assert_readable_repr,
    assert_resets,
    assert_shapes,
    assert_state_round_trip,
    check_layer,
    random_graph,
)

GRAPH = random_graph(6, in_channels=3)


class Plain(GraphLayer):
    """A right layer; the wrong ones below change one thing each."""

    def __init__(self) -> None:
        super().__init__(3, 2)
        self.linear = nn.Linear(3, 2)

    def forward(
        self,
        x: Float[Tensor, "nodes in_channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges edge_channels"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        return torch.tanh(self.linear(x)), edge_attr

    def reset_parameters(self) -> None:
        self.linear.reset_parameters()

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}"


class _HalfTheSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient


class WrongDerivative(Plain):
    def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x, edge_attr = super().forward(x, *arguments)
        return _HalfTheSlope.apply(x), edge_attr


class UnusedParameter(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.forgotten = nn.Parameter(torch.zeros(1))

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.zeros_(self.forgotten)


class Detached(Plain):
    def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        with torch.no_grad():
            return super().forward(x, *arguments)


class RefusesEmptyGraphs(Plain):
    def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return super().forward(x - x.max(), *arguments)


class DividesByTheNumberOfEdges(Plain):
    def forward(
        self, x: Tensor, edge_index: Tensor, *arguments: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        return super().forward(x / edge_index.size(1), edge_index, *arguments)


class InfiniteSlope(Plain):
    def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        out, edge_attr = super().forward(x, *arguments)
        return out + (0 * out.sum()).abs().sqrt(), edge_attr


class LosesANode(Plain):
    def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return super().forward(x[1:] if len(x) == 3 else x, *arguments)


class WrongChannels(Plain):
    def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return x, arguments[1]


class WrongType(Plain):
    def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return super().forward(x, *arguments)[0].half(), arguments[1]


class InPlace(Plain):
    def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        out = super().forward(x, *arguments)
        x.data.mul_(2)
        return out


class StateOutsideTheState(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.seen = 0.0

    def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        self.seen += self.training
        return super().forward(x + self.seen, *arguments)


class KeepsItsBias(Plain):
    def reset_parameters(self) -> None:
        nn.init.normal_(self.linear.weight)


class RunningMean(Plain):
    """Right but for a statistic that a reset leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return super().forward(self.norm(x), *arguments)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.ones_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)


class Nameless(Plain):
    def __repr__(self) -> str:
        return object.__repr__(self)


class Dropped(Plain):
    """Dropout that evaluation does not switch off."""

    def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return super().forward(nn.functional.dropout(x, 0.5), *arguments)


def test_a_right_layer_passes_everything() -> None:
    layer = Plain()
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    random_state = torch.get_rng_state()
    check_layer(layer)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    assert layer.linear.weight.dtype == torch.float32
    assert layer.training


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (WrongDerivative, "derivatives are wrong"),
        (UnusedParameter, "does not depend on parameters forgotten"),
        (Detached, "does not depend on any parameter"),
    ],
)
def test_wrong_derivatives_are_caught(wrong: type[Plain], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_gradients(wrong(), GRAPH)


def test_derivatives_of_functions() -> None:
    graph = random_graph(6, in_channels=3, edge_channels=2)
    assert_gradients(lambda x, edge_index, edge_attr, batch: (x.sin(), edge_attr.cos()), graph)
    for wrong in (
        lambda x, e: (_HalfTheSlope.apply(x), e),
        lambda x, e: (x, _HalfTheSlope.apply(e)),
    ):
        with pytest.raises(AssertionError, match="derivatives are wrong"):
            assert_gradients(lambda x, _, e, batch, wrong=wrong: wrong(x, e), graph)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (RefusesEmptyGraphs, "the empty graph raises IndexError|the empty graph raises Runtime"),
        (DividesByTheNumberOfEdges, "the output of a single node is not finite"),
        (InfiniteSlope, "a derivative on the empty graph is not finite|a derivative on a single"),
        (LosesANode, "nodes without edges has 2 rows for 3 nodes"),
    ],
)
def test_failures_on_degenerate_graphs_are_caught(wrong: type[Plain], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_handles_degenerate_graphs(wrong().double(), 3, dtype=torch.float64)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (WrongChannels, "3 channels instead of 2"),
        (WrongType, "float64 came in, torch.float16 went out"),
        (InPlace, "x was changed in place"),
    ],
)
def test_broken_promises_are_caught(wrong: type[Plain], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_shapes(wrong().double(), GRAPH, 2)


def test_missing_edges_are_caught() -> None:
    graph = random_graph(6, in_channels=3, edge_channels=2)
    assert_shapes(Plain().double(), graph, 2, 2)
    with pytest.raises(AssertionError, match="2 edge channels instead of 4"):
        assert_shapes(Plain().double(), graph, 2, 4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(KeepsItsBias, "leaves linear.bias"), (RunningMean, "leaves norm.running_mean")],
)
def test_incomplete_resets_are_caught(wrong: type[Plain], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_resets(wrong().double(), GRAPH)


def test_state_outside_the_state_dict_is_caught() -> None:
    with pytest.raises(AssertionError, match="saved and loaded"):
        assert_state_round_trip(StateOutsideTheState().double(), GRAPH)


def test_unreadable_text_is_caught() -> None:
    with pytest.raises(AssertionError, match="does not tell"):
        assert_readable_repr(Nameless())


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (WrongChannels, "assert_shapes"),
        (Dropped, "assert_permutation_equivariant"),
        (RefusesEmptyGraphs, "assert_batch_invariant"),
        (InfiniteSlope, "assert_handles_degenerate_graphs"),
        (WrongDerivative, "assert_gradients"),
        (StateOutsideTheState, "assert_state_round_trip"),
        (KeepsItsBias, "assert_resets"),
        (Nameless, "assert_readable_repr"),
    ],
)
def test_the_whole_battery_names_the_check(wrong: type[Plain], name: str) -> None:
    with pytest.raises(AssertionError, match=f"^{name} in torch.float"):
        check_layer(wrong())


def test_precision_is_checked_in_both_types() -> None:
    class Rough(Plain):
        """Loses digits in double precision only."""

        def forward(self, x: Tensor, *arguments: Tensor | None) -> tuple[Tensor, Tensor | None]:
            shift = 1e-8 * torch.arange(len(x), dtype=x.dtype)[:, None]
            return super().forward(x + shift, *arguments)

    with pytest.raises(AssertionError, match=r"equivariant in torch\.float64"):
        check_layer(Rough())


def test_compilation_is_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def assert_compiles(*arguments: object) -> None:
        called.append(arguments)

    monkeypatch.setattr("gnncore.testing.battery.assert_compiles", assert_compiles)
    layer = make_layer("sage", 3, 2)
    check_layer(layer)
    assert called == []
    check_layer(layer, compiled=True)
    assert len(called) == 1
