"""Populations come together: planted permutations are found, and copies have one canonical form."""

from functools import cache

import pytest
import torch
from torch import Tensor

from graphwsl.alignment import align_population, align_to, canonical_form
from graphwsl.errors import GraphwslError, StateMismatchError
from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import Symmetries, symmetries
from graphwsl.zoo.architectures.registry import build
from tests.graphwsl.network_families import FAMILIES
from tests.graphwsl.network_families import symmetries_of as family


@cache
def residual() -> Symmetries:
    """A residual network with batch norm, as zoos have them."""
    torch.manual_seed(0)
    model = build("resnet18", {"width": 4, "in_channels": 3, "image_size": 16}).eval()
    return symmetries(neural_graph(model, torch.zeros(1, 3, 16, 16)))


def planted(group: Symmetries, count: int, noise: float) -> Tensor:
    """Permuted copies of one network, and noise upon them."""
    base = group.graph.flat()
    generator = torch.Generator().manual_seed(0)
    rows = base + noise * base.std() * torch.randn(count, len(base), generator=generator)
    drawn = group.draw(count, generator, scalings=False, signs=False)
    return group.entry_maps.apply(drawn, rows)


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("name", ["mlp", "residual", "lstm", "encoder layer"])
def test_planted_permutations_are_found(name: str, noise: float) -> None:
    check_recovery(family(name), noise)


def test_planted_permutations_of_residual_networks_are_found() -> None:
    check_recovery(residual(), 0.1, count=3)


def check_recovery(group: Symmetries, noise: float, count: int = 5) -> None:
    rows = planted(group, count, noise)
    result = align_population(group, rows, generator=torch.Generator().manual_seed(1))
    is_weight = torch.cat(
        [
            torch.full((tensor.numel(),), name in group.graph.parameters)
            for name, tensor in group.graph.state.items()
        ]
    )
    weights = int(is_weight.sum())
    expected = noise * float(group.graph.flat().std()) * (2 * weights) ** 0.5
    # Where entries of one orbit are alike there is nothing to be found, so distances are compared.
    assert result.distance <= expected * 1.05 + 1e-9
    assert result.distance_before > 2 * result.distance
    assert torch.equal(group.entry_maps.apply(result.elements, rows), result.rows)
    pairs = torch.pdist(result.rows[:, is_weight])
    assert float(pairs.square().mean().sqrt()) == pytest.approx(result.distance, abs=1e-6)


def test_networks_of_their_own_come_closer_together() -> None:
    group = family("mlp")
    torch.manual_seed(0)
    rows = torch.randn(6, group.entry_maps.num_entries, dtype=torch.float64)
    result = align_population(group, rows, generator=torch.Generator().manual_seed(1))
    assert result.distance < result.distance_before
    # Every network is as close to the others as exchanges of two neurons can bring it.
    for number in range(6):
        others = result.rows.sum(0) - result.rows[number]
        agreement = float(result.rows[number] @ others)
        for orbit in group.orbits:
            for first in range(len(orbit.nodes)):
                order = torch.arange(len(orbit.nodes))
                order[[0, first]] = order[[first, 0]]
                moved = group.permuted(orbit, order).apply(
                    {
                        name: result.rows[number, start : start + tensor.numel()].view_as(tensor)
                        for (name, start), tensor in zip(
                            group.graph.offsets.items(), group.graph.state.values(), strict=True
                        )
                    }
                )
                assert float(group.graph.flat(moved) @ others) <= agreement + 1e-9


def test_one_network_or_none_stays() -> None:
    group = family("mlp")
    for count in (0, 1):
        rows = torch.randn(count, group.entry_maps.num_entries)
        result = align_population(group, rows)
        assert torch.equal(result.rows, rows)
        assert result.distance == result.distance_before == 0
    with pytest.raises(StateMismatchError, match="7 numbers"):
        align_population(group, torch.zeros(2, 7))


TYPICAL = (
    "mlp",
    "residual",
    "group norm",
    "attention",
    "grouped query",
    "vision transformer",
    "rnn",
)
OTHERS = sorted(FAMILIES.keys() - {*TYPICAL, "slice"})  # slice has channels that nothing reads


@pytest.mark.parametrize(
    "name", [*TYPICAL, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
)
def test_symmetric_copies_have_one_canonical_form(name: str) -> None:
    group = family(name)
    base = group.graph.flat()
    generator = torch.Generator().manual_seed(0)
    permuted = group.draw(3, generator, scalings=False, signs=False)
    copies = group.entry_maps.apply(permuted, base.repeat(3, 1))
    form = canonical_form(base[None], group, scalings=False, signs=False)
    assert torch.equal(
        canonical_form(copies, group, scalings=False, signs=False), form.repeat(3, 1)
    )
    drawn = group.draw(3, generator)
    copies = canonical_form(group.entry_maps.apply(drawn, base.repeat(3, 1)), group)
    form = canonical_form(base[None], group)
    assert torch.allclose(copies, form, rtol=1e-9, atol=1e-9)
    assert torch.allclose(canonical_form(form, group), form, rtol=1e-9, atol=1e-9)


def test_a_canonical_form_by_hand() -> None:
    """ReLU neurons by size, incoming as long as outgoing; tanh neurons with positive weights."""
    group = family("mlp")
    form = canonical_form(group.graph.flat()[None], group)[0]
    first, bias, second = form[:20].view(5, 4), form[20:25], form[25:55].view(6, 5)
    incoming = first.square().sum(1) + bias.square()
    outgoing = second.square().sum(0)
    assert torch.allclose(incoming, outgoing, rtol=1e-9)
    assert bool(((incoming + outgoing).diff() > 0).all())
    weights = torch.cat([second, form[55:61, None]], dim=1)
    largest = weights.gather(1, weights.abs().argmax(1, keepdim=True))
    assert bool((largest > 0).all())


def test_equal_sizes_are_distinguished_by_the_weights() -> None:
    group = family("mlp")
    row = torch.ones(82, dtype=torch.float64)
    row[:20] = torch.tensor([3.0, 1, 1, 1, 1]).repeat(4)  # the same squares at other inputs
    row[25:55] = torch.randperm(5).double().repeat(6)
    drawn = group.draw(4, torch.Generator().manual_seed(0), scalings=False, signs=False)
    copies = group.entry_maps.apply(drawn, row.repeat(4, 1))
    forms = canonical_form(copies, group, scalings=False, signs=False)
    assert torch.equal(forms, forms[:1].expand(4, -1))


def test_what_cannot_be_sorted_is_refused() -> None:
    group = family("mlp")
    row = torch.zeros(1, 82)
    row[0, 3] = torch.nan
    with pytest.raises(GraphwslError, match="finite, real weights"):
        canonical_form(row, group)
    with pytest.raises(GraphwslError, match="finite weights can be aligned"):
        align_population(group, row.repeat(2, 1))
    with pytest.raises(GraphwslError, match=r"floating point, got torch\.int64"):
        canonical_form(row.nan_to_num().long(), group)
    with pytest.raises(GraphwslError, match=r"both be float32 or both float64, got torch\.float16"):
        align_to(group, row.half(), row[0].half())
    with pytest.raises(GraphwslError, match=r"float32 and torch\.float64"):
        align_to(group, row, row[0].double())


@pytest.mark.parametrize("scalings", [False, True])
def test_no_networks_and_networks_of_zeros_have_a_canonical_form(scalings: bool) -> None:
    group = family("mlp")
    assert canonical_form(torch.zeros(0, 82), group, scalings=scalings).shape == (0, 82)
    zeros = torch.zeros(2, 82)
    assert torch.equal(canonical_form(zeros, group, scalings=scalings), zeros)
