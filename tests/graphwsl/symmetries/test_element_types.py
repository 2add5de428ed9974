"""Weights keep their type and their ties, whatever is done to them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from graphwsl.alignment import align
from graphwsl.errors import StateMismatchError, UnsupportedModelError
from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import GroupElement, symmetries, verify
from graphwsl.testing import assert_exact
from tests.graphwsl.network_families import Wired, parameter

LARGE = 2**53 + 1


@torch.no_grad()
def moved_error(model: nn.Module, inputs: Tensor) -> float:
    """Load a drawn element into the module itself, as a user would, and run it."""
    graph = neural_graph(model, inputs)
    assert_exact(graph, model, mapped=False)
    group = symmetries(graph)
    x = torch.randn(inputs.shape, dtype=torch.float64).to(inputs.dtype)
    before = model(x)
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    worst = 0.0
    for seed in range(3):
        model.load_state_dict(group.random(torch.Generator().manual_seed(seed)).apply())
        worst = max(worst, float((model(x) - before).abs().max() / before.abs().max()))
        model.load_state_dict(kept)
    return worst


def test_complex_weights_keep_their_imaginary_part() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 5, dtype=torch.complex64), nn.Tanh(), nn.Linear(5, 2, dtype=torch.complex64)
    )
    graph = neural_graph(model, torch.ones(1, 3, dtype=torch.complex64))
    assert graph.flat().dtype == torch.complex128
    assert torch.equal(graph.flat()[:15].view(5, 3).imag.float(), model[0].weight.imag)
    assert_exact(graph, model)
    element = symmetries(graph).random(torch.Generator().manual_seed(0))
    moved = element.apply()
    assert moved["0.weight"].dtype == torch.complex64
    assert not torch.equal(moved["0.weight"], model[0].weight)
    assert verify(element).error < 1e-6
    assert graph.to_data().edge_attr.is_complex()
    with pytest.raises(StateMismatchError, match=r"complex, and torch.float32 has no imaginary"):
        graph.flat(dtype=torch.float32)
    permuted = symmetries(graph).random(torch.Generator().manual_seed(1), signs=False).apply()
    assert align(symmetries(graph), permuted).distance < 1e-6


def test_integers_are_kept_to_the_last_bit() -> None:
    class Counted(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
            self.register_buffer("count", torch.tensor([LARGE, -LARGE]))

    model = Counted()
    group = symmetries(neural_graph(model, torch.ones(1, 3)))
    moved = group.random(torch.Generator().manual_seed(0)).apply()
    assert moved["count"].tolist() == [LARGE, -LARGE]
    assert moved["count"].dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_permutation_changes_no_bit_of_a_weight(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.Linear(5, 2)).to(dtype)
    with torch.no_grad():
        model[0].weight[2] = torch.tensor([-0.0, torch.finfo(dtype).tiny, torch.finfo(dtype).max])
    group = symmetries(neural_graph(model, torch.ones(1, 3, dtype=dtype)))
    for seed in range(3):
        element = group.random(torch.Generator().manual_seed(seed), scalings=False, signs=False)
        moved = element.apply()
        order = (
            element.image[group.graph.blocks[0].targets[0]] - group.graph.blocks[0].targets[0, 0]
        )
        expected = torch.empty_like(model[0].weight)
        expected[order] = model[0].weight.detach()
        assert moved["0.weight"].dtype == dtype
        assert torch.equal(moved["0.weight"], expected)
        assert torch.equal(moved["0.weight"].signbit(), expected.signbit())


def test_weights_of_several_types_are_moved_exactly() -> None:
    torch.manual_seed(0)
    model = Wired(
        lambda m, x: m.second(m.first(x).tanh().double()),
        first=nn.Linear(3, 5),
        second=nn.Linear(5, 2).double(),
    )
    graph = neural_graph(model, torch.ones(1, 3))
    assert graph.weight_dtype == torch.float64
    group = symmetries(graph)
    element = group.random(torch.Generator().manual_seed(0), scalings=False)
    back = element.inverse().apply(element.apply())
    assert {name: tensor.dtype for name, tensor in back.items()} == {
        name: tensor.dtype for name, tensor in model.state_dict().items()
    }
    assert all(torch.equal(back[name], tensor) for name, tensor in model.state_dict().items())


def by_data() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    model[2].weight.data = model[0].weight.data
    with torch.no_grad():
        model[4].bias.set_(model[2].bias)
    return model


def by_transposition() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 6))
    model[2].weight.data = model[0].weight.data.t()
    return model


def by_slices() -> nn.Module:
    fused = nn.Parameter(torch.randn(8, 6))
    model = Wired(
        lambda m, x: torch.tanh(x @ m.fused.t()) @ m.out.weight.t() + torch.tanh(m.part(x)).sum(),
        fused=fused,
        out=nn.Linear(8, 6),
        part=nn.Linear(6, 4),
    )
    model.part.weight.data = fused.data[2:6]
    return model


def by_expansion() -> nn.Module:
    """One row for all neurons, which are one another's copies in memory."""
    model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 6))
    model[0].weight = nn.Parameter(torch.randn(1, 6).expand(4, 6))
    return model


def apart() -> nn.Module:
    """One storage, no element in common."""
    storage = torch.randn(12, 6)
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    model[0].weight.data, model[2].weight.data = storage[::2], storage[1::2]
    return model


def in_double(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    try:
        return make()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("make", [by_data, by_transposition, by_slices, apart])
def test_ties_are_found_by_memory(make: Callable[[], nn.Module]) -> None:
    model = in_double(make)
    graph = neural_graph(model, torch.ones(1, 6, dtype=torch.float64))
    found = {**graph.aliases, **{name: owner for name, (owner, _) in graph.views.items()}}
    assert (
        found
        == {
            by_data: {"2.weight": "0.weight", "4.bias": "2.bias"},
            by_transposition: {"2.weight": "0.weight"},
            by_slices: {"part.weight": "fused"},
            apart: {},
        }[make]
    )
    assert moved_error(model, torch.ones(1, 6, dtype=torch.float64)) < 1e-12
    if found:
        name = next(iter(found))
        state = {**graph.to_state_dict(), name: torch.zeros_like(model.state_dict()[name])}
        with pytest.raises(StateMismatchError, match=f"{name} is tied to {found[name]}"):
            graph.with_weights(state)


def test_repeated_elements_stay_one() -> None:
    model = in_double(by_expansion)
    graph = neural_graph(model, torch.ones(1, 6, dtype=torch.float64))
    assert list(graph.views) == ["0.weight"]
    for seed in range(3):
        element = symmetries(graph).random(torch.Generator().manual_seed(seed))
        rows = element.apply()["0.weight"]
        assert torch.equal(rows, rows[:1].expand(4, 6))
        assert verify(element).error < 1e-12


def test_memory_that_is_shared_in_part_is_refused() -> None:
    memory = torch.randn(10, 6)
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    model[0].weight.data, model[2].weight.data = memory[:6], memory[4:]
    with pytest.raises(UnsupportedModelError, match=r"0.weight and 2.weight overlap in memory"):
        neural_graph(model, torch.ones(1, 6))


def test_weights_that_are_read_past_the_state_are_refused() -> None:
    model = Wired(lambda m, x: x @ m.weight @ m.turned[0], weight=parameter(6, 6))
    model.turned = [model.weight.data.t()]
    with pytest.raises(UnsupportedModelError, match=r"reads weight past its state"):
        neural_graph(model, torch.ones(1, 6))


def test_not_a_number_in_tied_weights_is_no_difference() -> None:
    model = in_double(by_data)
    with torch.no_grad():
        model[0].weight[0, 0] = torch.nan
    graph = neural_graph(model, torch.ones(1, 6, dtype=torch.float64))
    assert_exact(graph.with_weights(model.state_dict()), model)


def test_the_identity_gives_back_every_bit() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).to(torch.bfloat16)
    with torch.no_grad():
        model[0].weight.view(torch.int16).random_()  # any bits: payloads of not-a-number too
    graph = neural_graph(model, torch.ones(1, 3, dtype=torch.bfloat16))
    moved = GroupElement.identity(graph).apply()
    for name, tensor in model.state_dict().items():
        assert torch.equal(moved[name].view(torch.int16), tensor.view(torch.int16))
