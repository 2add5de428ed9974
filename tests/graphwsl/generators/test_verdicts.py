"""Networks are called collapsed, and copies, by their rules at their thresholds."""

from dataclasses import dataclass
from math import inf, nan

import pytest

from graphwsl.generators.verdicts import is_collapsed, is_copying


@dataclass
class Judged:
    """Healthy networks, unless something else is said."""

    finite: int = 40
    compared_with: int = 40
    dispersion: float = 1.0
    relative_disagreement: float = 1.0
    relative_distance: float = 1.0
    relative_error_distance: float = 1.0
    copy_statistic: float = 0.0
    copy_statistic_errors: float = 0.0


@pytest.mark.parametrize(
    ("dispersion", "disagreement", "expected"),
    [
        (1.0, 1.0, False),
        (0.5, 0.5, False),  # at the threshold
        (0.49, 1.0, True),
        (1.0, 0.49, True),
        (0.1, 0.1, True),
        (1.0, nan, False),
        (0.4, nan, True),
        (nan, 0.1, None),
        (inf, 1.0, False),
    ],
)
def test_collapsed(dispersion: float, disagreement: float, expected: bool | None) -> None:
    score = Judged(dispersion=dispersion, relative_disagreement=disagreement)
    assert is_collapsed(score) is expected


@pytest.mark.parametrize("by_errors", [False, True])
@pytest.mark.parametrize(
    ("distance", "statistic", "expected"),
    [
        (1.0, -9.0, False),  # many networks that are a little nearer
        (0.1, 0.0, False),
        (0.1, -2.0, False),  # at the threshold
        (0.1, -2.1, True),
        (0.5, -9.0, False),
        (0.49, -9.0, True),
    ],
)
def test_copying_needs_distance_and_significance(
    distance: float, statistic: float, expected: bool, by_errors: bool
) -> None:
    if by_errors:
        score = Judged(relative_error_distance=distance, copy_statistic_errors=statistic)
    else:
        score = Judged(relative_distance=distance, copy_statistic=statistic)
    assert is_copying(score) is expected
    crossed = Judged(relative_distance=0.1, copy_statistic=0.0, copy_statistic_errors=-9.0)
    assert is_copying(crossed) is False  # not one of each


def test_few_networks_cannot_be_called_copies() -> None:
    """With one of each the statistic is never below -1, so that near ones may be copies or not."""
    few = Judged(finite=1, compared_with=1, relative_distance=0.1, copy_statistic=-1.0)
    assert is_copying(few) is None
    few.relative_distance = 1.0
    assert is_copying(few) is False
    few.relative_distance = nan
    assert is_copying(few) is None
    assert is_copying(Judged(relative_distance=nan)) is None
