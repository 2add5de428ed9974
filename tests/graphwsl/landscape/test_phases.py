"""Phases by their rules; every comparison is in the reasons, with its threshold."""

import math

import pytest

from graphwsl.errors import LandscapeError
from graphwsl.landscape import Thresholds, phase_of
from graphwsl.landscape.phases import TITLES


@pytest.mark.parametrize(
    ("train_error", "connectivity", "similarity", "name"),
    [
        (0.2, -0.1, 0.9, "I"),
        (0.2, 0.1, 0.9, "II"),
        (0.2, 0.0, 0.9, None),
        (0.01, -0.1, 0.9, "III"),
        (0.01, 0.0, 0.4, "IV-A"),
        (0.01, 0.0, 0.9, "IV-B"),
        (0.05, 0.03, 0.5, "IV-B"),
        (0.01, 0.1, 0.9, "IV-B"),
        (0.01, 0.0, math.nan, None),
        (0.2, -0.1, math.nan, "I"),
        (math.nan, 0.0, 0.9, None),
        (0.0, math.nan, 0.9, None),
    ],
)
def test_phases(train_error: float, connectivity: float, similarity: float, name: str) -> None:
    phase = phase_of(train_error, connectivity, similarity)
    assert phase.name == name
    assert str(phase).startswith("undecided" if name is None else f"{name}, {TITLES[name]}")


def test_thresholds_decide_and_are_printed() -> None:
    numbers = (0.08, -0.04, 0.55)
    assert str(phase_of(*numbers)) == (
        "I, underfitted and undersized: train error 0.08 > 0.05; connectivity -0.04 < -0.03"
    )
    assert phase_of(*numbers, Thresholds(train_error=0.1)).name == "III"
    looser = Thresholds(train_error=0.1, connectivity=0.05)
    assert str(phase_of(*numbers, looser)) == (
        "IV-B, generalising: train error 0.08 ≤ 0.1; connectivity -0.04 within ±0.05; "
        "similarity 0.55 ≥ 0.5"
    )
    stricter = Thresholds(train_error=0.1, connectivity=0.05, similarity=0.6)
    assert phase_of(*numbers, stricter).name == "IV-A"


def test_thresholds_out_of_range_are_refused() -> None:
    with pytest.raises(LandscapeError, match="similarity"):
        Thresholds(similarity=1.5)
