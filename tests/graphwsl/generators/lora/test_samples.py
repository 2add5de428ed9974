"""Samples on which answers are compared: known again by what they are, refused in one line."""

from typing import Any

import pytest
import torch
from torch import Tensor

from graphwsl.errors import GraphwslError
from graphwsl.generators import make
from graphwsl.generators.lora import PromptToLora
from graphwsl.generators.lora.samples import Samples, digest
from tests.graphwsl.generators.lora.lora_cases import population, prompts

SMALL: dict[str, Any] = {
    "width": 16, "words": 6, "channels": 24, "prompts": 2, "token_width": 6, "batch_size": 4,
    "epochs": 1,
}  # fmt: skip
ZEROS = torch.zeros(2, 6)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ZEROS, ZEROS.view(3, 4)),
        (ZEROS, ZEROS.view(torch.int32)),
        (ZEROS, {"a": ZEROS}),
        (ZEROS, None),
        ({"a": ZEROS}, {"b": ZEROS}),
        (
            {"a": torch.tensor([98, 99], dtype=torch.uint8)},
            {"ab": torch.tensor([99], dtype=torch.uint8)},
        ),
        ({"a": ZEROS, "b": ZEROS + 1}, {"b": ZEROS, "a": ZEROS + 1}),
    ],
)
def test_other_samples_are_not_taken_for_the_same(one: Samples, other: Samples | None) -> None:
    assert digest(one) != digest(other)


def test_the_same_samples_are_known_again() -> None:
    some = torch.randn(4, 5)
    assert digest(some) == digest(some.clone().requires_grad_())
    assert digest(some.T.contiguous().T) == digest(some)
    assert digest({"a": some, "b": some + 1}) == digest({"b": some + 1, "a": some})
    assert digest(some.bfloat16()) != digest(some)


def of_each(own: Tensor) -> dict[Any, Tensor]:
    return {"\n".join(some): own for some in prompts(8)}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.zeros(4, 7), r"shape \(7,\) and torch.float32"),
        (torch.zeros(4, 5, dtype=torch.int64), r"shape \(5,\) and torch.int64"),
        (torch.zeros(4, 5, dtype=torch.float64), r"shape \(5,\) and torch.float64"),
        (torch.zeros(4), r"shape \(\) and torch.float32"),
        (torch.full((4, 5), torch.nan), "not finite"),
        (torch.full((4, 5), torch.inf), "not finite"),
        (of_each(torch.zeros(4, 7)), r"shape \(7,\)"),
        ({**of_each(torch.zeros(4, 5)), 3: torch.zeros(4, 5)}, "by its text, got 3"),
        ({**of_each(torch.zeros(4, 5)), "more": torch.zeros(4, 5).double()}, "of one dtype"),
    ],
)  # fmt: skip
def test_samples_that_networks_do_not_take_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(GraphwslError, match=message) as caught:
        make("prompt_to_lora", **SMALL, behaviour=1.0).fit(population(), inputs=inputs)
    assert "\n" not in str(caught.value)


def test_samples_may_come_from_what_has_gradients() -> None:
    made = make("prompt_to_lora", **SMALL, behaviour=1.0)
    assert isinstance(made, PromptToLora)
    inputs = torch.zeros(4, 5, requires_grad=True)
    made.fit(population(), inputs=inputs)
    assert inputs.grad is None
    made.fit(population(), inputs=of_each(inputs))


def test_samples_of_no_account_may_be_of_any_kind() -> None:
    made = make("prompt_to_lora", **SMALL | {"pairs": 1.0, "behaviour": 0.0})
    assert isinstance(made, PromptToLora)
    made.fit(population(), inputs=torch.zeros(4, 7))
