"""Populations are joined, cut and told apart by what their networks are."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from graphwsl.errors import InvalidArgumentError, PredictorError
from graphwsl.populations import Population
from graphwsl.populations.population import as_population
from tests.graphwsl.properties.property_cases import MLP, SMALL_CNN, MemoryZoo

TANH, RELU = ({**MLP, "activation": name} for name in ("tanh", "relu"))


def require_same(found: Population, expected: Population) -> None:
    """Each network with its own architecture, function and weights, however they are numbered."""
    assert found.checkpoints == expected.checkpoints
    assert all(map(torch.equal, found.states, expected.states))
    for number in range(len(found)):
        one, other = (p.functions[int(p.function[number])].program for p in (found, expected))
        assert one == other
        kinds = [p.architectures[int(p.kind[number])].digest for p in (found, expected)]
        assert kinds[0] == kinds[1]


@cache
def whole(time: int = 0) -> Population:
    """Of three functions and two architectures; ``time`` tells apart how often it was loaded."""
    del time
    return Population.load(MemoryZoo([TANH, SMALL_CNN, RELU], 6))


def test_joining_parts_gives_the_whole() -> None:
    assert (len(whole().functions), len(whole().architectures)) == (3, 2)
    joined = Population.join([whole().select([2, 3]), whole(1).select([0, 4]), whole().select([1])])
    require_same(joined, whole().select([2, 3, 0, 4, 1]))
    assert len(joined.architectures) == 2  # whatever objects they are
    with pytest.raises(PredictorError, match="name at least one"):
        Population.join([])


def test_a_selection_keeps_the_order_asked_for() -> None:
    some = whole().select([5, 2, 5])
    assert [c.model for c in some.checkpoints] == ["002", "001", "002"]
    assert some.states[0] is whole().states[5]  # shared
    assert [a.name for a in whole().select([2, 3]).present] == ["cnn"]
    assert torch.equal(some.rows(int(some.kind[1])), whole().states[2][None])
    assert torch.equal(some.rows(int(some.kind[0])), whole().states[5].repeat(2, 1))
    assert len(whole().select([])) == 0


def test_a_matrix_needs_one_architecture() -> None:
    same = whole().select([0, 4, 1])  # of two functions
    assert torch.equal(same.matrix("flat"), torch.stack([whole().states[n] for n in (0, 4, 1)]))
    with pytest.raises(PredictorError, match="'flat' needs networks of one architecture, the zoo"):
        whole().matrix("flat")


def test_a_hash_is_of_all_that_is_known() -> None:
    first = whole()
    known = {first.content_hash}
    assert whole(1).content_hash in known
    states, checkpoints = list(first.states), list(first.checkpoints)
    states[3] = states[3].clone()
    states[3][-1] += 1e-6
    checkpoints[2] = replace(checkpoints[2], metrics={"size": 0.0})
    other = [replace(c, model="other" if c.model == "001" else c.model) for c in first.checkpoints]
    functions = first.function.clone()
    functions[0] = first.function[4]  # another activation
    for changed in (
        replace(first, states=states),
        replace(first, checkpoints=checkpoints),
        replace(first, checkpoints=other),
        replace(first, function=functions),
        first.select([1, 0, *range(2, 12)]),
        first.select(range(11)),
    ):
        assert changed.content_hash not in known
        known.add(changed.content_hash)


def test_architectures_are_told_apart_by_shapes_and_not_by_activations() -> None:
    def digest(**factors: object) -> str:
        return Population.load(MemoryZoo([{**MLP, **factors}], 1)).architectures[0].digest

    tanh, relu = (whole().architectures[int(whole().kind[n])].digest for n in (0, 4))
    assert tanh == relu == digest()
    assert len({tanh, digest(width=5), digest(depth=1), digest(out_channels=2)}) == 4


def test_zoos_and_populations_are_taken_alike() -> None:
    zoo = MemoryZoo([TANH, SMALL_CNN, RELU], 6)
    assert as_population(whole()) is whole()
    some = [zoo.checkpoints[4], zoo.checkpoints[1]]
    require_same(as_population(whole(), some), whole().select([4, 1]))
    require_same(as_population(zoo, some), whole().select([4, 1]))


def test_networks_that_cannot_be_used_are_named_and_the_rest_loaded() -> None:
    zoo = MemoryZoo([TANH], 3)
    first, last = zoo.checkpoints[0], zoo.checkpoints[-1]
    zoo.states[first.model, first.epoch or 0]["module_list.1.bias"][0] = torch.nan
    del zoo.states[last.model, last.epoch or 0]["module_list.1.bias"]
    population, problems = Population.load_usable(zoo)
    assert population.checkpoints == zoo.checkpoints[1:-1]
    assert [problem.path for problem in problems] == [
        "epoch 0 of model '000'",
        "epoch 1 of model '002'",
    ]
    with pytest.raises(PredictorError, match=r"epoch 0 of model '000': .*not finite"):
        Population.load(zoo)
    with pytest.raises(PredictorError, match=r"no checkpoint can be used; epoch 0 .*, and 1 more"):
        Population.load_usable(zoo, [first, last])
    with pytest.raises(PredictorError, match="no usable checkpoints"):
        Population.load_usable(zoo, [])


@pytest.mark.parametrize("make", [list, torch.tensor, np.array], ids=["list", "torch", "numpy"])
def test_a_truth_value_each_selects_as_numbers_do(make: Callable[[list[bool]], Any]) -> None:
    mask = [number in (0, 3, 4) for number in range(12)]
    require_same(whole().select(make(mask)), whole().select([0, 3, 4]))
    assert len(whole().select(make([False] * 12))) == 0
    require_same(whole().select(make([2, -1])), whole().select([2, 11]))
    require_same(whole().select(n for n in (4, 1)), whole().select([4, 1]))
    for wrong in ([True] * 5, [12], [1.0]):
        with pytest.raises(InvalidArgumentError, match=r"truth value for each|from 0 to 11"):
            whole().select(make(wrong))


def test_checkpoints_of_one_name_are_told_apart_or_refused() -> None:
    mine, other = whole().select([0, 1]), whole(1).select([0, 1])
    other = replace(
        other,
        checkpoints=[replace(c) for c in other.checkpoints],
        states=[state + 1 for state in other.states],
    )
    joined = Population.join([mine, other])
    require_same(as_population(joined, mine.checkpoints), mine)
    require_same(as_population(joined, other.checkpoints[::-1]), other.select([1, 0]))
    with pytest.raises(PredictorError, match="is 2 times in the population"):
        as_population(joined, [replace(mine.checkpoints[0])])
    with pytest.raises(PredictorError, match="is not in the population"):
        as_population(mine, [whole().checkpoints[5]])


def test_a_population_is_shown_in_a_line() -> None:
    assert repr(whole()) == "Population(12 checkpoints: mlp, cnn)"


def test_rows_of_an_architecture() -> None:
    kind = int(whole().kind[1])
    other = (whole().kind != kind).nonzero()[:, 0]
    assert whole().select(other).rows(kind).shape == (0, whole().architectures[kind].num_entries)
    with pytest.raises(InvalidArgumentError, match="kind must be from 0 to 1, got 2"):
        whole().rows(2)
