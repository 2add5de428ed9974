"""The published splits, number by number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridstab.errors import InvalidParameterError
from gridstab.learning.splits import split_ids


def test_published_splits() -> None:
    splits = split_ids(range(1, 10_001))
    assert splits["train"] == list(range(1, 7001))
    assert splits["valid"] == list(range(7001, 8501))
    assert splits["test"] == list(range(8501, 10_001))
    thousand = split_ids(range(1, 1001))
    assert [len(ids) for ids in thousand.values()] == [700, 150, 150]


def test_a_part_of_a_set_keeps_its_splits() -> None:
    assert split_ids([5, 900, 701], total=1000) == {"train": [5], "valid": [701], "test": [900]}
    assert split_ids(range(8501, 10_001))["test"] == list(range(8501, 10_001))


def test_a_single_grid_is_a_test() -> None:
    assert split_ids([1]) == split_ids([1], seed=3) == {"train": [], "valid": [], "test": [1]}


@given(st.sets(st.integers(1, 300)), st.none() | st.integers(0, 2**32))
def test_every_grid_is_in_one_split(ids: set[int], seed: int | None) -> None:
    splits = split_ids(sorted(ids), seed=seed)
    assert sorted(k for part in splits.values() for k in part) == sorted(ids)
    assert splits == split_ids(sorted(ids, reverse=True), seed=seed)


def test_a_seed_draws() -> None:
    drawn = split_ids(range(1, 101), seed=0)
    assert [len(ids) for ids in drawn.values()] == [70, 15, 15]
    assert drawn != split_ids(range(1, 101), seed=1)
    assert drawn["train"] != list(range(1, 71))


@pytest.mark.parametrize(
    ("ids", "options", "words"),
    [
        ([1, 2, 2], {}, "2 twice"),
        ([0, 1], {}, "got 0"),
        ([1, 11], {"total": 10}, "got 11"),
        ([1, 2], {"seed": -1}, "got -1"),
    ],
)
def test_what_is_refused(ids: list[int], options: dict[str, int], words: str) -> None:
    with pytest.raises(InvalidParameterError, match=words):
        split_ids(ids, **options)
