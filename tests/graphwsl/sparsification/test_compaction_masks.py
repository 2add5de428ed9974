"""Index sets of dimensions, their products and closures, against NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwsl.sparsification.compaction.masks import (
    closure,
    equal,
    full,
    is_full,
    joined,
    product,
    sizes,
)


def drawn(shape: tuple[int, ...], seed: int, share: float = 0.3) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < share


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_products_are_outer_products(shape: list[int], seed: int) -> None:
    masks = tuple(drawn((size,), seed + n, 0.6) for n, size in enumerate(shape))
    expected = np.ix_(*(mask.numpy().nonzero()[0] for mask in masks))
    array = np.zeros(shape, dtype=bool)
    array[expected] = True
    assert np.array_equal(product(masks).numpy(), array)
    assert sizes(masks) == [int(mask.numpy().sum()) for mask in masks]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_a_closure_is_the_smallest_product_that_keeps_all(shape: list[int], seed: int) -> None:
    elements = drawn(tuple(shape), seed)
    masks = closure(elements, (0,) * len(shape))
    assert not (elements & ~product(masks)).any()
    if elements.any():  # no index could be left out
        for dim, mask in enumerate(masks):
            for index in mask.nonzero()[:, 0]:
                assert elements.select(dim, int(index)).any()
    else:
        assert sizes(masks) == [1] * len(shape)


def test_all_samples_are_treated_alike() -> None:
    """Of 5 samples of 3 elements each, what differs between samples is kept whole."""
    alike = torch.tensor([True, False, False]).repeat(5)
    assert sizes(closure(alike, (3,))) == [5]
    other = alike.clone()
    other[1] = True
    assert is_full(closure(other, (3,)))
    assert not is_full(closure(other, (0,)))


def test_elements_whose_order_among_samples_cannot_be_seen_are_kept() -> None:
    alike = torch.tensor([True, False, False, False, False]).repeat(5)
    assert is_full(closure(alike, (5,)))


def test_full_joined_and_equal() -> None:
    masks = (torch.tensor([True, False]), torch.tensor([False, False, True]))
    other = (torch.tensor([False, True]), torch.tensor([False, False, True]))
    whole = full(torch.Size((2, 3)))
    assert is_full(whole)
    assert not is_full(masks)
    assert sizes(joined(masks, other)) == [2, 1]
    assert equal(joined(masks, whole), whole)
    assert equal(masks, masks)
    assert not equal(masks, other)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0)])
def test_tensors_without_dimensions_or_elements(shape: tuple[int, ...]) -> None:
    masks = full(torch.Size(shape))
    assert sizes(masks) == list(shape)
    assert product(masks).shape == shape
    assert sizes(closure(torch.zeros(shape, dtype=torch.bool), (0,) * len(shape))) == [
        min(size, 1) for size in shape
    ]
