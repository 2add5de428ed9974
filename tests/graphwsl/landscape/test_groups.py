"""Cells and groups: which networks differ in their seeds alone, and which are measured together."""

import itertools
from typing import Any

import pytest
import torch

from graphwsl.errors import LandscapeError
from graphwsl.landscape.groups import Cell, cells_of, groups_of, parameters_and_buffers
from graphwsl.landscape.landscape import axes_of
from graphwsl.landscape.zoo_objective import fraction_of, own_training_data, some_of
from graphwsl.populations import Population
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.streams import stream
from tests.graphwsl.properties.property_cases import MLP, MemoryZoo


def checkpoints(*configurations: dict[str, Any]) -> list[Checkpoint]:
    return [Checkpoint(f"{n:03d}", 1, own, {}) for n, own in enumerate(configurations)]


def test_cells_are_in_the_order_of_networks_and_seeds_in_theirs() -> None:
    found = cells_of(
        checkpoints(
            {"width": 4, "seed": 3},
            {"width": 2, "seed": 1},
            {"seed": 1, "width": 4},
            {"width": 2},
            {"width": 4, "seed": 2},
        )
    )
    assert [cell.members for cell in found] == [(2, 4, 0), (1, 3)]
    assert [cell.configuration for cell in found] == [{"width": 4}, {"width": 2}]
    assert [cell.number for cell in found] == [0, 1]
    assert cells_of([]) == []


def test_twins_of_networks_of_a_cell_are_a_cell() -> None:
    twin = {"width": 4, "target_sparsity": 0.5}
    found = cells_of(
        checkpoints(
            {**twin, "seed": 1, "original": "00000"},
            {**twin, "seed": 2, "original": "00001"},
            {**twin, "seed": 2, "original": "00001", "target_sparsity": 0.8},
        )
    )
    assert [cell.members for cell in found] == [(0, 1), (2,)]
    assert found[0].configuration == twin


def test_numbers_and_texts_are_different_factors() -> None:
    assert len(cells_of(checkpoints({"a": 1}, {"a": "1"}, {"a": True}, {"a": None}, {}))) == 5


@pytest.mark.parametrize("members", range(7))
@pytest.mark.parametrize("most", [1, 3, 100])
def test_pairs_are_neighbours_on_a_ring(members: int, most: int) -> None:
    found = Cell(0, {}, tuple(range(10, 10 + members))).pairs(most)
    ring = {0: 0, 1: 0, 2: 1}.get(members, members)
    assert len(found) == min(ring, most)
    assert len({frozenset(pair) for pair in found}) == len(found)
    assert all((b - a) % members in (1, members - 1) for a, b in found)
    if members > 2 and most >= members:
        ends = list(itertools.chain(*found))
        assert all(ends.count(member) == 2 for member in range(10, 10 + members))


def population(*configurations: dict[str, Any]) -> Population:
    zoo: Any = MemoryZoo([{**MLP, **own} for own in configurations], len(configurations))
    return Population.load(zoo)


def test_groups_hold_all_networks_once_and_never_split_a_cell() -> None:
    factors = [{"seed": s, "learning_rate": r} for r in (0.1, 0.2, 0.3) for s in (1, 2)]
    own = population(*factors)
    cells = cells_of(own.checkpoints)
    for at_once in (1, 3, 4, 5, 100):
        groups = groups_of(own, cells, [at_once] * len(own.functions))
        members = [member for group in groups for member in group.members]
        assert sorted(members) == list(range(len(own)))
        assert [g.key for g in groups] == [f"{n:04d}" for n in range(len(groups))]
        for group in groups:
            assert group.members == tuple(m for cell in group.cells for m in cell.members)
            assert len(group.members) <= at_once or len(group.cells) == 1
            assert torch.equal(group.rows(own), torch.stack([own.states[m] for m in group.members]))
            assert len(group.rows(own, group.members[:1])) == 1


def test_groups_have_one_architecture_and_one_share_of_the_data() -> None:
    own = population({"data_fraction": 0.5}, {"data_fraction": 1.0}, {"width": 6}, {})
    groups = groups_of(own, cells_of(own.checkpoints), [100] * len(own.functions))
    for group in groups:
        kept = [own.checkpoints[m].configuration for m in group.members]
        assert len({(c["width"], fraction_of(c)) for c in kept}) == 1
    assert len(groups) == 3  # a share of 1 is none


def test_cells_of_several_architectures_are_refused() -> None:
    own = population({}, {"width": 6})
    mixed = Cell(0, {"learning_rate": 0.1}, tuple(range(len(own))))
    with pytest.raises(LandscapeError, match="have different architectures, which the factors do"):
        groups_of(own, [mixed], [100] * len(own.functions))


def test_parameters_are_in_the_order_of_the_module() -> None:
    zoo: Any = MemoryZoo([MLP], 2)
    own = Population.load(zoo)
    (group,) = groups_of(own, [Cell(0, {}, tuple(range(len(own))))], [100])
    flat, buffers = parameters_and_buffers(group.function, group.rows(own))
    assert buffers == []
    names = [name for name, _ in group.function.module.named_parameters()]
    for row, checkpoint in zip(flat, own.checkpoints, strict=True):
        state = zoo.weights(checkpoint)
        assert torch.equal(row, torch.cat([state[name].flatten() for name in names]))


def test_axes_are_what_differs_and_what_some_lack() -> None:
    assert axes_of([]) == ()
    assert axes_of([{"a": 1, "b": 2}]) == ()
    assert axes_of([{"b": 1, "a": 2, "c": 0}, {"a": 3, "b": 2, "c": 0}]) == ("b", "a")
    assert axes_of([{"a": 1}, {"a": 1, "z": 5}]) == ("z",)


def test_some_are_drawn_without_repetition_by_the_seed_alone() -> None:
    for most in (0, 1, 7, 10, 99):
        found = some_of(10, most, seed=3)
        assert len(found) == len(found.unique()) == min(most, 10)
        assert torch.equal(found, some_of(10, most, seed=3))
        assert torch.equal(found, some_of(10, 10, seed=3)[:most])
    assert not torch.equal(some_of(50, 50, 0), some_of(50, 50, 1))


def test_own_training_data_are_the_share_that_each_saw() -> None:
    labels = torch.arange(20) % 2
    data = DataSet(torch.zeros(20, 1, 2, 2), labels, torch.zeros(4, 1, 2, 2), labels[:4], classes=2)
    halves: list[dict[str, Any]] = [{"data_fraction": 0.5, "seed": s} for s in (1, 2)]
    own, indices = own_training_data(data, halves, 100, seed=0)
    assert own.shape == (2, 20)
    for seed, chosen in zip((1, 2), indices, strict=True):
        whole = torch.randperm(20, generator=stream(seed, "subset"))
        assert torch.equal(chosen, whole[:10])
    assert own_training_data(data, halves, 4, seed=0)[1].shape == (2, 4)
    tiny = [{"data_fraction": 0.001, "seed": 1}]
    assert own_training_data(data, tiny, 4, seed=0)[1].shape == (1, 1)
    assert own_training_data(data, [{}], 7, seed=0)[1].shape == (7,)
    with pytest.raises(LandscapeError, match="saw different shares of the data") as caught:
        own_training_data(data, [{"data_fraction": 0.5}, {}], 4, seed=0)
    assert "\n" not in str(caught.value)
