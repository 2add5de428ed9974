"""What networks are asked for: numbers of any library, and none that no network can have."""

from typing import Any

import numpy as np
import pytest
import torch

from graphwsl.errors import GeneratorError
from graphwsl.generators.conditions import Conditions, listed_names
from graphwsl.generators.data_set_conditions import DescribedConditions
from graphwsl.generators.functions import Functions
from graphwsl.zoo.checkpoint import Checkpoint
from tests.graphwsl.generators.method_cases import fitted, population, rows, seeded

CHECKPOINTS = [
    Checkpoint(f"{n}", n, {"kind": "ab"[n % 2], "size": n / 10}, {}) for n in range(1, 5)
]


def asked(name: str, value: Any, count: int = 2) -> list[Any]:
    """What is asked for, as each network says it."""
    _, found = Conditions.of(name, CHECKPOINTS).asked({name: value}, count, None)
    return [row[name] for row in found]


def refusal(name: str, value: Any) -> str:
    with pytest.raises(GeneratorError) as caught:
        asked(name, value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("names", [3, 0, 2.5, b"size", [3], [["size"]], {"size": 1}, object()])
def test_what_is_no_name_is_refused(names: Any) -> None:
    with pytest.raises(GeneratorError, match="condition must name a property, such as") as caught:
        listed_names(names)
    assert "\n" not in str(caught.value)


def test_no_name_is_none_and_an_empty_list_is_refused() -> None:
    assert DescribedConditions.of(None, CHECKPOINTS).names == []
    with pytest.raises(GeneratorError, match="condition must name properties"):
        DescribedConditions.of([], CHECKPOINTS)


@pytest.mark.parametrize(
    "value",
    [np.float32(0.25), np.float64(0.25), np.array(0.25), torch.tensor(0.25),
     [np.float32(0.25), torch.tensor(0.25)], torch.full((2,), 0.25), np.full(2, 0.25)],
)  # fmt: skip
def test_numbers_of_other_libraries_are_numbers(value: Any) -> None:
    assert asked("size", value) == [0.25, 0.25]


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.float32(3), torch.tensor(3), [3, 3.0]])
def test_an_epoch_is_a_whole_number(value: Any) -> None:
    found = asked("epoch", value)
    assert found == [3, 3]
    assert all(type(one) is int for one in found)


@pytest.mark.parametrize("value", [3.5, "three"])
def test_other_epochs_are_refused(value: Any) -> None:
    assert f"condition 'epoch' must be a whole number, got {value!r}" in refusal("epoch", value)


@pytest.mark.parametrize("value", [object(), [object()] * 2, np.zeros((2, 1)), [None, None], b"a"])
@pytest.mark.parametrize("name", ["size", "kind"])
def test_what_is_neither_number_nor_text_is_refused(name: str, value: Any) -> None:
    assert f"condition {name!r} must be a number or text" in refusal(name, value)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_what_is_not_finite_is_refused_by_its_value(value: str) -> None:
    number = float(value)
    for given in (number, np.float32(number), [0.1, number]):
        assert f"condition 'size' must be finite, got {value}" in refusal("size", given)


@pytest.mark.parametrize("value", [1e30, -1e30, [0.1, 1e30], 10**30, 90])
def test_what_is_far_from_all_that_was_learnt_is_refused(value: Any) -> None:
    assert "far from all that was learnt, 0.1 to 0.4; choose a value closer" in refusal(
        "size", value
    )


def test_the_farthest_number_gives_networks_that_are_finite() -> None:
    made = fitted("equivariant_flow", condition="size")
    farthest = made.conditions.centers[0] + 99 * made.conditions.spreads[0]
    assert rows(made.sample(2, condition=farthest, generator=seeded())).isfinite().all()


def test_several_functions_are_said_with_single_spaces() -> None:
    with pytest.raises(GeneratorError, match=r"^2 functions of training networks fit, which one"):
        Functions.of(population("mixed")).find(None)
    with pytest.raises(GeneratorError, match=r"^0 functions of training networks fit '\w+', "):
        Functions.of(population("mlp")).find(population("cnn").architectures[0])


def test_what_was_given_is_said_shortly() -> None:
    """Numbers of a tensor, or all names of a long list of values, would fill the screen."""
    many = [torch.zeros(9, 9)] * 99
    for conditions in (Conditions(), Conditions.of(["kind", "size"], CHECKPOINTS)):
        with pytest.raises(GeneratorError) as caught:
            conditions.asked(many, 99, None)
        assert "got a list" in str(caught.value)
        assert len(str(caught.value)) < 200
