"""The three-sample test against counting pairs, scipy, and cases that can be worked out."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm

from graphwsl.errors import GeneratorError
from graphwsl.generators import three_sample_test
from graphwsl.generators.copying import least_statistic


def slow(samples: list[float], held_out: list[float]) -> float:
    """Every pair is compared; the variance is that of U over all ways to cut the pool in two."""
    u = sum((a > b) + (a == b) / 2 for a, b in product(samples, held_out))
    m, n = len(samples), len(held_out)
    pool = samples + held_out
    # Var(U) from the variance of midranks, without replacement.
    ranks = [sum((b < a) + (a == b) / 2 for b in pool) + 0.5 for a in pool]
    mean = sum(ranks) / len(pool)
    spread = sum((rank - mean) ** 2 for rank in ranks) / (len(pool) - 1)
    variance = m * n / (m + n) * spread
    return 0.0 if variance < 1e-9 else (u - m * n / 2) / math.sqrt(variance)


numbers = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=8)


@given(numbers, numbers)
def test_it_is_what_counting_pairs_gives(samples: list[float], held_out: list[float]) -> None:
    found = three_sample_test(torch.tensor(samples), torch.tensor(held_out))
    assert found == pytest.approx(slow(samples, held_out), abs=1e-9)


def test_it_is_the_one_of_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = torch.rand(40, generator=generator).double()
    held_out = 1.2 * torch.rand(30, generator=generator).double()
    expected = mannwhitneyu(samples, held_out, use_continuity=False, method="asymptotic",
                            alternative="less").pvalue  # fmt: skip
    assert norm.cdf(three_sample_test(samples, held_out)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (5, 3), (40, 60)])
def test_extremes_are_known(m: int, n: int) -> None:
    near, far = torch.arange(1.0, m + 1), 100 + torch.arange(1.0, n + 1)
    z = math.sqrt(3 * m * n / (m + n + 1))
    assert three_sample_test(near, far) == pytest.approx(-z)
    assert least_statistic(m, n) == pytest.approx(-z)
    assert three_sample_test(far, near) == pytest.approx(z)
    assert three_sample_test(torch.ones(m), torch.ones(n)) == 0.0


def test_equal_distributions_give_a_standard_normal_variable() -> None:
    generator = torch.Generator().manual_seed(1)
    drawn = torch.rand(400, 60, generator=generator)
    found = torch.tensor([three_sample_test(row[:25], row[25:]) for row in drawn])
    assert abs(float(found.mean())) < 0.2
    assert float(found.std()) == pytest.approx(1.0, abs=0.15)


def test_cells_are_weighed_by_held_out_data() -> None:
    samples, cells = torch.tensor([1.0, 2.0, 3.0, 9.0, 7.0]), torch.tensor([0, 0, 0, 1, 2])
    held_out, others = torch.tensor([4.0, 5.0, 6.0, 8.0]), torch.tensor([0, 0, 1, 3])
    expected = (2 * slow([1, 2, 3], [4, 5]) + slow([9], [6])) / 3
    options = {"sample_cells": cells, "held_out_cells": others}
    assert three_sample_test(samples, held_out, **options) == pytest.approx(expected)
    only = three_sample_test(samples, held_out, **options, least_samples=2)
    assert only == pytest.approx(slow([1, 2, 3], [4, 5]))
    with pytest.raises(GeneratorError, match="no cell has 4 samples"):
        three_sample_test(samples, held_out, **options, least_samples=4)


def test_what_cannot_be_tested_is_said() -> None:
    some = torch.ones(3)
    with pytest.raises(GeneratorError, match="distances of held-out data, got 0"):
        three_sample_test(some, some[:0])
    with pytest.raises(GeneratorError, match="samples, got 3 with some that are not"):
        three_sample_test(some * torch.nan, some)
    with pytest.raises(GeneratorError, match="or neither"):
        three_sample_test(some, some, sample_cells=torch.zeros(3).long())
