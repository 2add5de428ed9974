"""Elements in bulk do what each of them does alone, entry by entry, in every family."""

import pytest
import torch
from torch import nn

from graphwsl.errors import StateMismatchError
from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import Elements, GroupElement, Symmetries, symmetries, verify
from tests.graphwsl.network_families import FAMILIES
from tests.graphwsl.network_families import symmetries_of as of


def alone(group: Symmetries, element: GroupElement) -> torch.Tensor:
    return group.graph.flat(element.apply(), dtype=group.graph.weight_dtype)


@pytest.mark.parametrize("name", FAMILIES)
def test_bulk_is_what_every_element_does_alone(name: str) -> None:
    group = of(name)
    row = group.graph.flat()
    singles = [group.random(torch.Generator().manual_seed(seed)) for seed in range(2)]
    drawn = group.draw(2, torch.Generator().manual_seed(0))
    # The identity among others: what it leaves is not what they leave.
    singles += [GroupElement.identity(group.graph), drawn[0], drawn[1]]
    moved = group.entry_maps.apply(Elements.of(singles), row.repeat(len(singles), 1))
    for element, state in zip(singles, moved, strict=True):
        assert torch.equal(state, alone(group, element))


@pytest.mark.parametrize("name", FAMILIES)
def test_drawn_elements_keep_the_function(name: str) -> None:
    drawn = of(name).draw(2, torch.Generator().manual_seed(1))
    results = [verify(drawn[number]) for number in range(2)]
    assert max(result.error for result in results) < 1e-12
    assert (max(result.change for result in results) > 0.2) == (name != "linear")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_numbers_of_any_type_are_rounded_as_alone(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    first, second, third = (nn.Linear(*size, dtype=dtype) for size in ((3, 9), (9, 8), (8, 2)))
    middle = nn.Tanh() if dtype.is_complex else nn.ReLU()
    model = nn.Sequential(first, middle, second, nn.Tanh(), third)
    group = symmetries(neural_graph(model, torch.ones(1, 3, dtype=dtype)))
    rows = group.graph.flat(dtype=dtype).repeat(4, 1)
    drawn = group.draw(4, torch.Generator().manual_seed(0))
    moved = group.entry_maps.apply(drawn, rows)
    assert moved.dtype == dtype
    for number in range(4):
        assert torch.equal(moved[number], alone(group, drawn[number]))


def test_permutations_change_no_bit() -> None:
    group = of("mlp", torch.float32)
    bits = torch.randint(-(2**31), 2**31, (3, group.entry_maps.num_entries), dtype=torch.int32)
    drawn = group.draw(3, torch.Generator().manual_seed(0), scalings=False, signs=False)
    moved = group.entry_maps.apply(drawn, bits.view(torch.float32)).view(torch.int32)
    assert torch.equal(moved.sort(dim=1).values, bits.sort(dim=1).values)
    assert not torch.equal(moved, bits)


def test_every_order_is_drawn_equally_often() -> None:
    """Chi-squared of the 24 orders of one orbit, and of heads with what is in them."""
    group = symmetries(
        neural_graph(nn.Sequential(nn.Linear(2, 4), nn.GELU(), nn.Linear(4, 1)), torch.zeros(1, 2))
    )
    image = group.draw(24_000, torch.Generator().manual_seed(0)).image
    (orbit,) = group.orbits
    _, counts = image[:, orbit.nodes[:, 0]].unique(dim=0, return_counts=True)
    assert len(counts) == 24
    assert float(((counts - 1000.0) ** 2 / 1000).sum()) < 49.7  # 0.1 % of 23 degrees of freedom

    heads = of("attention")  # 3 heads of 2 coordinates of scores and 2 of values
    image = heads.draw(38_400, torch.Generator().manual_seed(0)).image
    _, counts = image.unique(dim=0, return_counts=True)
    assert len(counts) == 6 * 4**3
    assert float(((counts - 100.0) ** 2 / 100).sum()) < 473.0  # 0.1 % of 383


def test_factors_are_those_of_single_draws() -> None:
    group = of("mlp")
    options = {"permutations": False, "largest_factor": 3.0}
    many = group.draw(4000, torch.Generator().manual_seed(0), **options).factors
    generator = torch.Generator().manual_seed(1)
    single = torch.stack([group.random(generator, **options).factors for _ in range(500)])
    assert torch.equal((many != 1).any(0), (single != 1).any(0))
    assert 2.9 < float(many.max()) <= 3
    logs = many[:, 4:9].log() / torch.tensor(3.0).log()
    assert torch.allclose(logs.var(0), torch.tensor(1 / 3).double(), atol=0.03)  # uniform
    assert set(many[:, 9:15].flatten().tolist()) == {-1.0, 1.0}
    assert float(many[:, 9:15].mean(0).abs().max()) < 0.08


def test_one_after_the_other_is_the_product() -> None:
    group = of("encoder layer")
    first, second = (group.draw(3, torch.Generator().manual_seed(seed)) for seed in range(2))
    rows = group.graph.flat().repeat(3, 1)
    maps = group.entry_maps
    twice = maps.apply(second, maps.apply(first, rows))
    assert torch.allclose(twice, maps.apply(first.then(second), rows), rtol=1e-12, atol=0)


def test_rows_of_another_architecture_are_refused() -> None:
    group = of("mlp")
    with pytest.raises(StateMismatchError, match=r"the rows have 7 numbers, a network .* has 82"):
        group.entry_maps.apply(group.draw(1), torch.zeros(1, 7))
