"""Samples on which answers are compared: known again by what they are."""

import pytest
import torch

from graphwsl.generators.lora.samples import Samples, digest

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
