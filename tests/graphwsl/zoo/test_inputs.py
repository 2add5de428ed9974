"""What a sample is, said by factors and read from them again."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwsl.errors import ZooError
from graphwsl.zoo.inputs import INPUT_FACTORS, example_inputs, factors_of_sample, sample_shape

sizes = st.integers(1, 9)
shapes = st.one_of(st.tuples(sizes), st.tuples(sizes, sizes, sizes))


@settings(max_examples=40, deadline=None)
@given(shapes)
def test_factors_of_numbers_say_the_shape_again(shape: tuple[int, ...]) -> None:
    factors = factors_of_sample(shape, None)
    assert sample_shape(factors) == shape
    assert factors.keys() <= set(INPUT_FACTORS)
    sample = example_inputs(factors)
    assert sample.shape == (1, *shape)
    assert sample.dtype == torch.float32
    assert torch.equal(sample, example_inputs(factors))


@pytest.mark.parametrize(
    ("shape", "factors"),
    [
        ((3, 8, 8), {"in_channels": 3, "image_size": 8}),
        ((3, 8, 9), {"in_channels": 3, "image_height": 8, "image_width": 9}),
        ((5,), {"in_features": 5}),
    ],
)
def test_square_images_have_one_size(shape: tuple[int, ...], factors: dict[str, int]) -> None:
    assert factors_of_sample(shape, None) == factors


@settings(max_examples=20, deadline=None)
@given(sizes, sizes)
def test_texts_are_tokens_of_the_vocabulary(length: int, vocabulary: int) -> None:
    factors = factors_of_sample((length,), vocabulary)
    assert sample_shape(factors) == (length,)
    sample = example_inputs(factors)
    assert sample.shape == (1, length)
    assert sample.dtype == torch.int64
    assert 0 <= int(sample.min()) <= int(sample.max()) < vocabulary


@pytest.mark.parametrize(
    ("shape", "vocabulary"), [((), None), ((2, 3), None), ((1, 2, 3, 4), None), ((1, 2, 2), 9)]
)
def test_other_samples_are_refused(shape: tuple[int, ...], vocabulary: int | None) -> None:
    with pytest.raises(ZooError, match="a sample must be") as refused:
        factors_of_sample(shape, vocabulary)
    assert str(shape) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "configuration",
    [
        {},
        {"in_channels": 3},
        {"image_size": 3},
        {"in_channels": 1, "image_height": 4},
        {"in_features": None},
        {"in_features": 2.0},
        {"in_features": "2"},
        {"in_features": True},
    ],
)
def test_half_of_the_factors_say_nothing(configuration: dict[str, Any]) -> None:
    assert sample_shape(configuration) is None
    with pytest.raises(ZooError, match="does not say what the network takes"):
        example_inputs(configuration)


def test_texts_come_before_features_and_sides_before_sizes() -> None:
    both = {"sequence_length": 4, "in_features": 5, "in_channels": 1, "image_size": 6}
    assert sample_shape(both) == (4,)
    del both["sequence_length"]
    assert sample_shape(both) == (5,)
    del both["in_features"]
    assert sample_shape(both) == (1, 6, 6)
    assert sample_shape({**both, "image_height": 2, "image_width": 3}) == (1, 2, 3)


def test_an_empty_sample_is_none() -> None:
    with pytest.raises(ZooError, match="does not say"):
        example_inputs({"in_channels": 0, "image_size": 4})


def test_only_samples_without_memory_may_be_huge() -> None:
    huge = {"in_channels": 2**12, "image_size": 2**12}
    with pytest.raises(ZooError, match="larger than 2³⁰"):
        example_inputs(huge)
    assert example_inputs(huge, device="meta").shape == (1, 2**12, 2**12, 2**12)
    tokens = example_inputs({"sequence_length": 7, "vocabulary_size": 3}, device="meta")
    assert (tokens.dtype, tokens.device.type) == (torch.int64, "meta")
