"""Networks come to a reference: planted symmetries are found, and functions stay what they are."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from graphwsl.alignment import align, align_to, reference_alignment
from graphwsl.alignment.weight_matching import parameter_mask
from graphwsl.errors import GraphwslError, StateMismatchError
from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import Symmetries, symmetries
from graphwsl.zoo.architectures.registry import build
from tests.graphwsl.network_families import FAMILIES
from tests.graphwsl.network_families import symmetries_of as family


@cache
def group_of(name: str) -> Symmetries:
    torch.manual_seed(0)
    if name == "residual network":
        model = build("resnet18", {"width": 4, "in_channels": 3, "image_size": 16}).eval()
        return symmetries(neural_graph(model, torch.zeros(1, 3, 16, 16)))
    if name == "tanh":
        layers = nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 3)
        return symmetries(neural_graph(nn.Sequential(*layers), torch.zeros(1, 5)))
    if name == "relu":
        layers = nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 3)
        return symmetries(neural_graph(nn.Sequential(*layers), torch.zeros(1, 5)))
    return family(name)


CASES = ("tanh", "relu", "residual network", "lstm", "encoder layer")


def networks(group: Symmetries, count: int) -> Tensor:
    """Other networks of the architecture; statistics stay positive."""
    base = group.graph.flat(dtype=torch.float32)
    noise = torch.randn(count, len(base), generator=torch.Generator().manual_seed(1))
    return torch.where(parameter_mask(group.graph), base.std() * noise, base)


@pytest.mark.parametrize("name", CASES)
def test_symmetric_copies_come_back_to_their_network(name: str) -> None:
    group = group_of(name)
    base = group.graph.flat(dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    noise = 0.02 * base.std() * torch.randn(4, len(base), generator=generator)
    rows = torch.where(parameter_mask(group.graph), base + noise, base)
    moved = group.entry_maps.apply(group.draw(4, generator), rows)
    found = align_to(group, moved, base)
    # Both in the frame of the canonical scaling.
    mask = parameter_mask(group.graph)
    frame = align_to(group, base[None], base)[0]
    distance = (found - frame)[:, mask].norm(dim=1)
    assert bool((distance < 0.1 * (moved - base)[:, mask].norm(dim=1)).all())
    assert bool((distance < 2 * noise[:, mask].norm(dim=1)).all())


@pytest.mark.parametrize("name", CASES)
def test_the_distance_never_grows(name: str) -> None:
    group = group_of(name)
    rows = networks(group, 3)
    base = group.graph.flat(dtype=torch.float32)
    found = align_to(group, rows, base)
    mask = parameter_mask(group.graph)
    after = (found - base)[:, mask].norm(dim=1)
    if not bool(group.positive.allowed.any()):  # canonical factors may lead away
        before = (rows - base)[:, mask].norm(dim=1)
        assert bool((after <= before * (1 + 1e-5)).all())
        assert bool((after < before * 0.999).any())
    again = (align_to(group, found, base) - base)[:, mask].norm(dim=1)
    assert bool((again <= after * (1 + 1e-5)).all())
    if name == "tanh":  # signs and order change, and nothing else
        assert torch.equal(found.abs().sort(dim=1).values, rows.abs().sort(dim=1).values)


@pytest.mark.parametrize("name", ["tanh", "relu", "residual network"])
def test_outputs_are_those_of_before(name: str) -> None:
    from graphwsl.populations import Function, unflat

    torch.manual_seed(3)
    if name == "residual network":
        model: nn.Module = build("resnet18", {"width": 3, "in_channels": 3, "image_size": 16})
        x = torch.randn(2, 3, 16, 16)
    else:
        activation = nn.Tanh if name == "tanh" else nn.ReLU
        model = nn.Sequential(nn.Linear(5, 8), activation(), nn.Linear(8, 3))
        x = torch.randn(4, 5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            module.running_mean.normal_()
    function = Function.of(model.eval(), x[:1], name)
    group = symmetries(function.architecture.graph)
    row = group.graph.flat(dtype=torch.float32)
    found = align_to(group, row[None], networks(group, 1)[0])
    assert not torch.equal(found[0], row)
    expected = model(x)
    model.load_state_dict(unflat(found[0], function.architecture))
    torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)


def test_each_network_can_have_a_reference_of_its_own() -> None:
    group = group_of("tanh")
    rows, references = networks(group, 3), networks(group, 3).flip(0)
    found = align_to(group, rows, references)
    for row, reference, one in zip(rows, references, found, strict=True):
        assert torch.equal(align_to(group, row[None], reference)[0], one)


def test_signs_and_permutations_come_closer_than_permutations_alone() -> None:
    group = group_of("tanh")
    base = group.graph.flat(dtype=torch.float32)
    rows = networks(group, 6)
    found = (align_to(group, rows, base) - base).norm(dim=1)
    alone = torch.tensor(
        [align(group, _state(group, row), generator=torch.Generator().manual_seed(0)).distance
         for row in rows]
    )  # fmt: skip
    assert float(found.mean()) < float(alone.mean())


def _state(group: Symmetries, row: Tensor) -> dict[str, Tensor]:
    from graphwsl.populations import unflat

    return unflat(row, group.graph)


@pytest.mark.parametrize("name", CASES)
def test_orbits_that_nothing_reached_need_no_second_look(name: str) -> None:
    group = group_of(name)
    rows, references = networks(group, 6).split(3)
    orbits = reference_alignment._in_order(group)
    always = [replace(parts, reaches=torch.ones_like(parts.reaches)) for parts in orbits]
    some, every = (
        reference_alignment._closest(group, parts, [], rows, references, 100)
        for parts in (orbits, always)
    )
    assert torch.equal(some, every)
    assert not torch.equal(some, rows)


class Gated(nn.Module):
    """Only one of the two factors of a product can change its sign."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.value, self.last = nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.sigmoid(self.gate(x)) * self.value(x))


class Repeated(nn.Module):
    """A layer that is used twice: a sign is at the rows and at the columns of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again, self.last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.again(torch.tanh(self.first(x))))
        return self.last(torch.tanh(self.again(hidden)))


NARROW = nn.Sequential(nn.Linear(4, 1), nn.Tanh(), nn.Linear(1, 3))


@pytest.mark.parametrize(
    "module", [Gated(), Repeated(), NARROW], ids=["gated", "repeated", "narrow"]
)
def test_signs_that_belong_to_no_single_part_are_found(module: nn.Module) -> None:
    group = symmetries(neural_graph(module.eval(), torch.zeros(2, 4)))
    rows = 0.5 * networks(group, 8) / group.graph.flat().std()
    elements = group.draw(8, torch.Generator().manual_seed(0))
    moved = group.entry_maps.apply(elements, rows)
    assert bool((moved != rows).any(1).sum() > 4)
    torch.testing.assert_close(align_to(group, moved, rows), align_to(group, rows, rows))


def test_networks_without_orbits_stay() -> None:
    group = symmetries(neural_graph(nn.Linear(3, 2), torch.zeros(1, 3)))
    rows = torch.randn(2, 8)
    assert torch.equal(align_to(group, rows, rows[0]), rows)


def test_what_cannot_be_aligned_is_said() -> None:
    group = group_of("tanh")
    rows = networks(group, 3)
    with pytest.raises(StateMismatchError):
        align_to(group, rows[:, 1:], rows[0])
    with pytest.raises(StateMismatchError, match="for each of 3 networks, got 2"):
        align_to(group, rows, rows[:2])
    with pytest.raises(GraphwslError, match="finite"):
        align_to(group, rows.index_fill(1, torch.tensor([0]), torch.nan), rows[0])


def test_families_are_those_that_are_tested() -> None:
    assert {"lstm", "encoder layer"} <= set(FAMILIES)
