"""The canonical form of a pair against the decomposition of the whole product, and GL(r)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwsl.errors import GraphwslError
from graphwsl.generators.lora import canonical, tokenize


def drawn(seed: int, rank: int, inputs: int, outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(rank, inputs, generator=generator, dtype=torch.float64)
    return a, torch.randn(outputs, rank, generator=generator, dtype=torch.float64)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(4, 9), st.integers(4, 9))
def test_it_has_the_same_product_and_its_singular_values(
    seed: int, rank: int, inputs: int, outputs: int
) -> None:
    a, b = drawn(seed, rank, inputs, outputs)
    first, second = canonical(a, b)
    torch.testing.assert_close(second @ first, b @ a)
    values = torch.linalg.svdvals(b @ a)[:rank].diag()
    torch.testing.assert_close(first @ first.T, values)
    torch.testing.assert_close(second.T @ second, values)


@pytest.mark.parametrize(("rank", "inputs", "outputs"), [(8, 896, 128), (4, 64, 32), (1, 3, 2)])
def test_any_element_of_the_group_gives_the_same_tokens(
    rank: int, inputs: int, outputs: int
) -> None:
    a, b = drawn(1, rank, inputs, outputs)
    generator = torch.Generator().manual_seed(2)
    expected = tokenize({"layer": canonical(a, b)})
    for _ in range(5):
        g = torch.randn(rank, rank, generator=generator, dtype=torch.float64)
        exactly = canonical(g @ a, b @ g.inverse())
        torch.testing.assert_close(
            tokenize({"layer": exactly}), expected, rtol=0, atol=1e-5, equal_nan=True
        )


def test_of_several_networks_each_has_its_own() -> None:
    pairs = [drawn(seed, 2, 5, 4) for seed in range(3)]
    a, b = (torch.stack(part) for part in zip(*pairs, strict=True))
    for number, pair in enumerate(zip(*canonical(a, b), strict=True)):
        for found, expected in zip(pair, canonical(*pairs[number]), strict=True):
            torch.testing.assert_close(found, expected)


def test_a_pair_without_effect_is_zero() -> None:
    a, _ = drawn(0, 2, 5, 4)
    first, second = canonical(a, torch.zeros(4, 2, dtype=torch.float64))
    assert not first.any()
    assert not second.any()


@pytest.mark.parametrize(
    ("first", "second"), [(561, 565), (1001, 1001), (-561, -565), (1001, -1001), (7, 1)]
)
def test_pairs_of_any_size_have_the_same_form_but_for_its_size(first: int, second: int) -> None:
    for seed in range(5):
        a, b = drawn(seed, 2, 5, 4)
        expected = canonical(a, b)
        found = canonical(a * 2.0**first, b * 2.0**second)
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one * 2.0 ** -((first + second) // 2), other)


def test_a_form_that_overflows_is_refused() -> None:
    a, b = torch.full((2, 5), 1.7e308, dtype=torch.float64), torch.ones(4, 2).double()
    with pytest.raises(GraphwslError, match=r"up to 1\.7e\+308 and 1\.7e\+308 overflows"):
        canonical(a, b * 1.7e308)
    canonical(a, b)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.ones(6, 5), torch.ones(4, 6), "at most 4"),
        (torch.full((2, 5), torch.nan), torch.ones(4, 2), "must be finite"),
    ],
)
def test_what_has_no_canonical_form_is_refused(
    a: torch.Tensor, b: torch.Tensor, message: str
) -> None:
    with pytest.raises(GraphwslError, match=message):
        canonical(a, b)
