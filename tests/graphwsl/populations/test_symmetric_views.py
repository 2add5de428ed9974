"""Views compute the same function as the network that they are of."""

import pytest
import torch

from graphwsl.errors import InvalidArgumentError, StateMismatchError
from graphwsl.populations import ViewBank, views
from graphwsl.populations import symmetric_views as module
from graphwsl.symmetries import Symmetries
from graphwsl.symmetries.verify import difference, outputs
from tests.graphwsl.network_families import symmetries_of as of


def outputs_of(group: Symmetries, row: torch.Tensor) -> torch.Tensor:
    graph = group.graph
    state = {
        name: row[start : start + graph.state[name].numel()].view(graph.state[name].shape)
        for name, start in graph.offsets.items()
    }
    state = {name: one.to(graph.state[name].dtype) for name, one in state.items()}
    model = graph.with_weights(graph.completed(state))
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(one.shape, generator=generator).double() for one in graph.program.inputs]
    return outputs(model, tuple(inputs))[0]


@pytest.mark.parametrize("name", ["mlp", "residual", "encoder layer", "lstm", "group norm"])
def test_every_row_is_moved_and_keeps_its_function(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = of(name)
    size = group.entry_maps.num_entries
    monkeypatch.setattr(module, "DRAWN", 2 * size)  # several parts
    monkeypatch.setattr(module, "KNOWN", 2 * size)
    flat = group.graph.flat()
    rows = torch.stack([flat * scale for scale in (1.0, 1.1, 0.9, 1.2, 0.8)])
    generator = torch.Generator().manual_seed(0)
    bank = ViewBank.draw(group, 9, generator)
    for made in (views(rows, group, generator), bank.views(rows, generator)):
        assert int((made != rows).any(dim=1).sum()) >= 3  # an orbit of four has an identity, too
        for row, view in zip(rows, made, strict=True):
            assert difference(outputs_of(group, row), outputs_of(group, view)) < 1e-12


def test_kinds_can_be_chosen() -> None:
    group = of("mlp")
    rows = group.graph.flat().repeat(3, 1)
    generator = torch.Generator().manual_seed(0)
    same = views(rows, group, generator, permutations=False, scalings=False, signs=False)
    assert torch.equal(same, rows)
    flipped = views(rows, group, generator, permutations=False, scalings=False)
    assert torch.equal(flipped.abs(), rows.abs())
    assert not torch.equal(flipped, rows)


def test_a_generator_makes_the_same_views_again() -> None:
    group = of("mlp")
    rows = group.graph.flat().repeat(3, 1)
    first, again = (views(rows, group, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, again)
    assert len(first.unique(dim=0)) == 3


def test_no_rows_have_no_views() -> None:
    group = of("mlp")
    assert views(torch.zeros(0, 82), group).shape == (0, 82)
    with pytest.raises(StateMismatchError, match="7 numbers"):
        views(torch.zeros(0, 7), group)
    with pytest.raises(StateMismatchError, match="7 numbers"):
        ViewBank.draw(group, 2).views(torch.zeros(3, 7))


def test_elements_that_a_bank_lacks_are_refused() -> None:
    bank, rows = ViewBank.draw(of("mlp"), 2), torch.zeros(3, 82)
    for numbers in ([0, 1, 2], [0, -1, 0]):
        with pytest.raises(InvalidArgumentError, match="from 0 to 1, got"):
            bank.apply(rows, torch.tensor(numbers))
    with pytest.raises(InvalidArgumentError, match="no elements to draw from"):
        ViewBank.draw(of("mlp"), 0).views(rows)


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 0.1, -2.0])
def test_factors_out_of_range_are_refused(factor: float) -> None:
    with pytest.raises(InvalidArgumentError, match="largest_factor must be"):
        views(torch.zeros(3, 82), of("mlp"), largest_factor=factor)


def test_banks_apply_the_elements_that_they_are_of() -> None:
    group = of("residual")
    elements = group.draw(4, torch.Generator().manual_seed(0))
    rows = group.graph.flat().repeat(3, 1)
    bank = ViewBank.of(group, elements)
    assert len(bank) == 4
    moved = bank.apply(rows, torch.tensor([2, 0, 2]))
    for row, number in zip(moved, (2, 0, 2), strict=True):
        assert torch.equal(row, group.graph.flat(elements[number].apply()))
