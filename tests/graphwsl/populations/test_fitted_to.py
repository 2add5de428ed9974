"""Networks that a predictor was fitted to are known again by their weights, and no others."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from graphwsl.populations import Population
from graphwsl.populations.fitted_to import FittedTo
from tests.graphwsl.properties.property_cases import MLP, SMALL_CNN, MemoryZoo


@cache
def population() -> Population:
    """Four networks of two epochs, which are counted from 0."""
    return Population.load(MemoryZoo([MLP, SMALL_CNN], 4))


def fitted(train: list[int], valid: list[int]) -> FittedTo:
    return FittedTo.of(population().select(train), population().select(valid))


def test_each_checkpoint_is_of_its_part() -> None:
    known = fitted([0, 1, 2, 3], [4, 5])
    names = ["zoo"] * 8
    assert known.parts(population(), names) == ["train"] * 4 + ["valid"] * 2 + [None] * 2
    order = [6, 5, 0, 3]
    assert known.parts(population().select(order), names[:4]) == [None, "valid", "train", "train"]


def test_other_epochs_belong_to_the_network_of_the_same_place() -> None:
    known = fitted([1], [5])
    assert known.parts(population(), ["zoo"] * 8)[:6] == ["train"] * 2 + [None] * 2 + ["valid"] * 2
    # The same names from another place are other networks.
    places = ["zoo", "other"] * 4
    assert known.parts(population(), places)[:2] == [None, "train"]


def test_a_beginning_says_nothing_of_later_epochs() -> None:
    """Networks of one seed begin alike, whatever becomes of them."""
    known = fitted([0], [4])
    assert known.parts(population(), ["zoo"] * 8)[:6] == ["train", None, None, None, "valid", None]


def test_a_name_says_nothing_and_one_bit_is_enough() -> None:
    known = fitted([0, 1], [4])
    states = list(population().states)
    states[1] = states[1].clone()
    states[1].view(torch.int32)[-1] ^= 1
    changed = replace(population(), states=states)
    assert known.parts(changed.select([1]), ["zoo"]) == [None]
    renamed = [replace(c, model="x") for c in population().checkpoints]
    found = known.parts(replace(population(), checkpoints=renamed).select([1]), ["zoo"])
    assert found == ["train"]


@pytest.mark.parametrize("order", [[0], [0, 2]])
def test_architectures_are_those_of_the_training(order: list[int]) -> None:
    known = fitted(order, [2])
    assert known.is_known(population()) == [n // 2 % 2 == 0 or 2 in order for n in range(8)]
    wider = Population.load(MemoryZoo([{**MLP, "width": 5}], 1))
    assert known.is_known(wider) == [False, False]
    relu = Population.load(MemoryZoo([{**MLP, "activation": "relu"}], 1))
    assert known.is_known(relu) == [True, True]  # weights alone are read


def test_it_is_kept_as_text() -> None:
    known = fitted([0, 1], [4])
    assert FittedTo.from_json(known.to_json()) == known
    assert {name: len(hashes) for name, hashes in known.to_json().items()} == {
        "train": 2,
        "valid": 1,
        "architectures": 1,
    }
    assert fitted([1, 0], [4]).to_json() == known.to_json()
