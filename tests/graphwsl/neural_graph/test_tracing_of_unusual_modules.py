"""What is unusual either becomes a graph or is refused in one line that says where and why."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.utils.parametrizations import orthogonal
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import symmetries, verify
from graphwsl.testing import assert_exact
from tests.graphwsl.network_families import Wired, parameter

ROW = torch.ones(1, 3)
Case = tuple[nn.Module, Any]


class Remembering(nn.Linear):
    """Keeps more than tensors in its state."""

    def get_extra_state(self) -> Any:
        return {"version": 3}

    def set_extra_state(self, state: Any) -> None:
        assert state == {"version": 3}


def renamed() -> Case:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))

    def rename(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
        state["weight of the first"] = state.pop("0.weight")

    model._register_state_dict_hook(rename)
    return model, ROW


def rotated() -> Case:
    """OFT: weights turned by the exponential of an antisymmetric matrix."""
    return nn.Sequential(
        nn.Linear(3, 4), orthogonal(nn.Linear(4, 4), orthogonal_map="matrix_exp")
    ), ROW


def longformer() -> Case:
    transformers = pytest.importorskip("transformers")
    sizes = dict.fromkeys(("hidden_size", "intermediate_size"), 8)
    configuration = transformers.LongformerConfig(
        num_hidden_layers=1,
        num_attention_heads=2,
        attention_window=[4],
        vocab_size=12,
        max_position_embeddings=20,
        **sizes,
    )
    return transformers.LongformerModel(configuration), {"input_ids": torch.arange(8)[None] + 3}


WORKING: dict[str, Callable[[], Case]] = {
    "extra state": lambda: (nn.Sequential(Remembering(3, 4), nn.ReLU(), nn.Linear(4, 2)), ROW),
    "renamed state": renamed,
    "no state": lambda: (nn.Sequential(nn.Tanh(), nn.Flatten()), ROW),
    "an empty input beside another": lambda: (
        Wired(lambda m, x, y: m.a(torch.cat([x, y])), a=nn.Linear(3, 2)),
        (ROW, ROW[:0]),
    ),
    "lazy modules that have run": lambda: (
        nn.Sequential(nn.Linear(3, 4), nn.LazyBatchNorm1d(), nn.LazyLinear(2)),
        torch.ones(2, 3),
    ),
    "rotated": rotated,
    "longformer": longformer,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", WORKING)
def test_these_become_graphs(name: str) -> None:
    torch.manual_seed(0)
    model, inputs = WORKING[name]()
    if name.startswith("lazy"):
        model(inputs)
    graph = neural_graph(model.eval(), inputs)
    assert_exact(graph, model, mapped=False)
    element = symmetries(graph).random(torch.Generator().manual_seed(0))
    assert verify(element).error < 1e-5
    model.load_state_dict(element.apply()) if name != "renamed state" else None


def branching() -> Case:
    a, b = nn.Linear(3, 4), nn.Linear(3, 4)
    return Wired(lambda m, x: torch.cond(x.sum() > 0, m.a, m.b, (x,)), a=a, b=b), ROW


class Flexible(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.layer(x).view(1, 4, 3, 2, 4).permute(2, 0, 3, 1, 4)
        return flex_attention(query, key, value)


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.rnn(pack_padded_sequence(x, torch.tensor([5, 3])))
        return pad_packed_sequence(output)[0]


def quantised() -> Case:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(3, 4)), {nn.Linear})
    return model, ROW


def solved() -> Case:
    """The Cayley transform of OFT."""

    def turn(m: Any, x: Tensor) -> Tensor:
        skew, one = m.r - m.r.T, torch.eye(3)
        return m.layer(x @ torch.linalg.solve(one + skew, one - skew))

    return nn.Sequential(Wired(turn, r=parameter(3, 3), layer=nn.Linear(3, 2))), ROW


REFUSED: dict[str, tuple[Callable[[], Case], str]] = {
    "empty batch": (lambda: (nn.Linear(3, 2), ROW[:0]), r"\[\(0, 3\)\] of Linear are empty"),
    "zero width": (
        lambda: (nn.Sequential(nn.Linear(3, 0), nn.Linear(0, 2)), ROW),
        r"addmm.*in [01] \(Linear\)",
    ),
    "lazy": (
        lambda: (nn.Sequential(nn.LazyLinear(4)), ROW),
        r"0.weight of Sequential has no shape",
    ),
    "cond": (branching, r"operator cond, in Wired, holds programs"),
    "flex attention": (
        lambda: (nn.Sequential(Flexible()), torch.ones(1, 4, 8)),
        r"operator flex_attention, in 0 \(Flexible\), holds programs",
    ),
    "packed sequences": (
        lambda: (nn.Sequential(Packed()), torch.ones(5, 2, 3)),
        r"in 0.rnn \(LSTM\).*packed sequences; give padded ones",
    ),
    "quantised": (quantised, r"0.scale in the state of Sequential is no parameter"),
    "solvers": (solved, r"in 0 \(Wired\).*_linalg_check_errors"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_these_are_refused_in_one_line(name: str) -> None:
    make, said = REFUSED[name]
    model, inputs = make()
    with pytest.raises(UnsupportedModelError, match=said) as refused:
        neural_graph(model.eval(), inputs)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600


def test_extra_state_comes_back() -> None:
    model, inputs = WORKING["extra state"]()
    graph = neural_graph(model, inputs)
    assert graph.to_state_dict()["0._extra_state"] == {"version": 3}
    other = {**graph.to_state_dict(), "0._extra_state": {"version": 4}}
    assert graph.with_weights(other).to_state_dict()["0._extra_state"] == {"version": 4}


def test_an_expert_without_rows_is_opaque() -> None:
    """Tokens go to experts by numbers; nothing is known of one that the example leaves out."""

    def wiring(m: Any, x: Tensor, expert: Tensor) -> Tensor:
        result = torch.zeros(len(x), 2)
        for number, network in enumerate(m.experts):
            rows = (expert == number).nonzero()[:, 0]
            result = result.index_add(0, rows, network(x[rows]))
        return result

    experts = [nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)) for _ in range(3)]
    model = Wired(wiring, experts=nn.ModuleList(experts))
    graph = neural_graph(model, (torch.ones(4, 3), torch.tensor([0, 2, 0, 2])))
    opaque = {row.name: row.opaque for row in graph.coverage().tensors}
    assert (opaque["experts.1.0.weight"], opaque["experts.0.0.weight"]) == (15, 0)
    assert [len(orbit.nodes) for orbit in symmetries(graph).orbits] == [5, 5]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64, torch.float32])
def test_bits_that_are_read_as_other_numbers_are_opaque(dtype: torch.dtype) -> None:
    model = Wired(
        lambda m, x: m.first(x).view(dtype).double().sum(1, keepdim=True), first=nn.Linear(3, 4)
    ).double()
    graph = neural_graph(model, torch.ones(2, 3).double())
    assert graph.coverage().opaque_operators == ("view",)
    assert not symmetries(graph).orbits
    assert not bool(symmetries(graph).positive.allowed.any())


@pytest.mark.parametrize("solver", [torch.linalg.inv, torch.linalg.cholesky])
def test_a_checked_solver_is_refused_by_name(solver: Any) -> None:
    model = Wired(
        lambda m, x: x @ solver(m.first.weight.mT @ m.first.weight), first=nn.Linear(3, 4)
    )
    with pytest.raises(UnsupportedModelError, match="checks what it has solved"):
        neural_graph(model, torch.ones(2, 3))
