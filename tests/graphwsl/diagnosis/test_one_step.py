"""What advice is worth, by hand on four networks."""

import numpy as np
import pytest

from graphwsl.diagnosis import Axes
from graphwsl.diagnosis.one_step import (
    STEPS,
    gain_of_advice,
    gains_of_changes,
    one_step_improvement,
)
from graphwsl.errors import DiagnosisError

AXES = Axes("rate", "large", "width", None, "accuracy")
TABLE = {
    "rate": [1, 2, 4, 1, 2, 4],
    "width": [8, 8, 8, 16, 16, 16],
    "accuracy": [50.0, 53.0, 60.0, 70.0, 66.0, 71.0],
}


def test_gains_of_a_step_of_one_at_random_and_of_the_best() -> None:
    gains = gains_of_changes(TABLE, AXES)
    assert list(gains) == ["hotter", "colder", "width"]
    np.testing.assert_allclose(gains["hotter"][0], [3, (3 + 10) / 2, 10])
    # Who would lose by a step stays as it was.
    np.testing.assert_allclose(gains["hotter"][3], [0, (0 + 1) / 2, 1])
    np.testing.assert_allclose(gains["colder"][4], [4, 4, 4])
    np.testing.assert_allclose(gains["colder"][2], [0, 0, 0])
    np.testing.assert_allclose(gains["hotter"][2], [0, 0, 0])  # it is the hottest
    np.testing.assert_allclose(gains["width"][:3], [[20] * 3, [13] * 3, [11] * 3])


def test_advice_is_worth_the_mean_of_those_who_follow_it() -> None:
    advice = ["hotter", "width", "stay", "colder", "colder", "stay"]
    gains = gain_of_advice(TABLE, advice, AXES)
    assert tuple(gains) == STEPS
    assert gains["one"] == pytest.approx((3 + 13 + 0 + 4) / 4)
    assert gains["best"] == pytest.approx((10 + 13 + 0 + 4) / 4)


def test_advice_that_there_is_not_is_refused() -> None:
    with pytest.raises(DiagnosisError, match=r"a change a network, got .* 6 networks"):
        gain_of_advice(TABLE, ["hotter"], AXES)
    with pytest.raises(DiagnosisError, match="choose among hotter, colder, width"):
        gain_of_advice(TABLE, ["batch"] * 6, AXES)
    with pytest.raises(DiagnosisError, match="unknown question 'data'"):
        one_step_improvement(TABLE, TABLE, "data")
    with pytest.raises(DiagnosisError, match="unknown method 'guess'"):
        one_step_improvement(TABLE, TABLE, method="guess")
