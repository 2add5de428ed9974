"""The conformal quantile against its textbook form, its guarantee, and scores of known law."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridstab.errors import InvalidParameterError
from gridstab.learning.conformal import conformal_quantile, highest_level, require_level


def textbook(scores: list[float], level: float) -> float:
    """The ⌈(n + 1) p⌉-th smallest of n exchangeable scores."""
    rank = math.ceil(round((len(scores) + 1) * level, 9))
    return sorted(scores)[rank - 1] if rank <= len(scores) else math.inf


@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=60),
    st.integers(1, 99).map(lambda percent: percent / 100),
)
def test_for_grids_of_one_node_it_is_the_textbook_quantile(
    scores: list[float], level: float
) -> None:
    pointer = np.arange(len(scores) + 1)
    assert conformal_quantile(np.array(scores), pointer, level) == textbook(scores, level)


@given(
    st.lists(st.lists(st.floats(0, 5), min_size=1, max_size=6), min_size=1, max_size=12),
    st.floats(0.02, 0.98),
)
def test_it_is_the_smallest_score_that_enough_weight_does_not_exceed(
    grids: list[list[float]], level: float
) -> None:
    found = conformal_quantile(np.concatenate(grids), np.cumsum([0, *map(len, grids)]), level)

    def weight_up_to(score: float) -> float:
        shares = [sum(one <= score for one in grid) / len(grid) for grid in grids]
        return sum(shares) / (len(grids) + 1)

    below = [score for grid in grids for score in grid if score < found]
    assert all(weight_up_to(score) < level + 1e-9 for score in below)
    assert found == math.inf or weight_up_to(found) > level - 1e-9
    assert (found == math.inf) == (highest_level(len(grids)) < level - 1e-12)


@given(st.permutations(range(8)), st.floats(0.05, 0.85))
def test_the_order_of_grids_does_not_matter(order: list[int], level: float) -> None:
    rng = np.random.default_rng(3)
    grids = [rng.exponential(size=size) for size in (1, 5, 2, 9, 1, 3, 4, 2)]
    shuffled = [grids[k] for k in order]
    assert conformal_quantile(
        np.concatenate(grids), np.cumsum([0, *map(len, grids)]), level
    ) == conformal_quantile(np.concatenate(shuffled), np.cumsum([0, *map(len, shuffled)]), level)


def grids_of(rng: np.random.Generator, grids: int, nodes: int) -> np.ndarray:
    """Scores that have much in common within a grid: most of the spread is between grids."""
    return np.exp(rng.normal(size=(grids, 1))) * (1 + 0.2 * rng.exponential(size=(grids, nodes)))


@pytest.mark.parametrize(("grids", "level"), [(9, 0.9), (19, 0.8), (30, 0.5), (40, 0.9)])
def test_a_random_node_of_a_further_grid_is_covered_as_often_as_promised(
    grids: int, level: float
) -> None:
    """Over 1,000 repetitions: between p and p + 1/(K + 1), up to four standard errors."""
    rng = np.random.default_rng(grids)
    pointer = 7 * np.arange(grids + 1)
    covered = []
    for _ in range(1000):
        scores = grids_of(rng, grids + 1, 7)
        quantile = conformal_quantile(scores[:-1].ravel(), pointer, level)
        covered.append((scores[-1] <= quantile).mean())
    error = 4 * np.std(covered) / math.sqrt(len(covered))
    assert level - error < np.mean(covered) < level + 1 / (grids + 1) + error


def test_coverage_of_single_nodes_is_the_exact_one() -> None:
    """Of K scores without ties, coverage is Beta-distributed with mean ⌈(K + 1) p⌉ / (K + 1)."""
    rng, grids, level = np.random.default_rng(0), 25, 0.9
    rank = math.ceil((grids + 1) * level)
    covered = [
        # of uniform scores, a share as large as the quantile itself is covered
        conformal_quantile(rng.uniform(size=grids), np.arange(grids + 1), level)
        for _ in range(2000)
    ]
    spread = math.sqrt(rank * (grids + 1 - rank) / ((grids + 1) ** 2 * (grids + 2)))
    assert np.mean(covered) == pytest.approx(rank / (grids + 1), abs=4 * spread / 2000**0.5)
    assert np.std(covered) == pytest.approx(spread, rel=0.05)


def test_nodes_as_if_they_were_exchangeable_would_promise_too_much() -> None:
    """What the weights by grid are for: the same scores pooled fall short of the promise."""
    rng, level, pooled, weighted = np.random.default_rng(1), 0.9, [], []
    for _ in range(500):
        scores = grids_of(rng, 13, 50)
        seen, new = scores[:-1].ravel(), scores[-1]
        weighted.append((new <= conformal_quantile(seen, 50 * np.arange(13), level)).mean())
        pooled.append((new <= textbook(seen.tolist(), level)).mean())
    assert np.mean(pooled) < level - 0.02 < level < np.mean(weighted) + 0.01


@pytest.mark.parametrize(
    "level", [0, 1, 0.0, 1.0, -0.5, 90, math.nan, math.inf, "0.9", True, None, [0.9]]
)
def test_what_is_no_probability_is_refused(level: object) -> None:
    with pytest.raises(InvalidParameterError, match=r"above 0 and below 1, such as 0\.9, got"):
        require_level(level)
    assert require_level(0.9) == 0.9
