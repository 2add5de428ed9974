"""The best threshold of one split, against all thresholds one after the other and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier

from graphwsl.diagnosis.questions import DATA, QUESTIONS, TEMPERATURE, WIDTH, Split, find_question
from graphwsl.diagnosis.threshold_search import best_threshold, exact, golden_section, route
from graphwsl.errors import DiagnosisError

STUMP = (Split("x", 0.0, (-1.0, 1.0), "no", "yes"),)


def gained(x: np.ndarray, low: np.ndarray, high: np.ndarray, threshold: float) -> float:
    return float(np.where(x <= threshold, low, high).sum())


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_no_other_threshold_gains_more(seed: int, networks: int) -> None:
    random = np.random.default_rng(seed)
    x = random.integers(0, 6, networks).astype(float)
    low, high = random.integers(0, 2, (2, networks)).astype(float)
    current = float(random.integers(-1, 7))
    found = best_threshold(x, low, high, current)
    best = max(gained(x, low, high, t) for t in np.arange(-1.5, 8, 0.5))
    assert gained(x, low, high, found) == best
    if gained(x, low, high, current) == best:
        assert found == current


def test_the_threshold_is_in_the_middle_of_the_widest_step() -> None:
    x = np.array([0.0, 1.0, 2.0, 10.0])
    one, none = np.ones(4), np.zeros(4)
    # All of the answers are as good between 0 and 1 as between 2 and 10.
    low, high = np.array([1.0, 0, 1, 0]), np.array([0.0, 1, 0, 1])
    assert best_threshold(x, low, high, -5.0) == 6.0
    assert best_threshold(x, one, none, -5.0) == 10.5
    assert best_threshold(x, none, one, 5.0) == -0.5
    assert best_threshold(x, one, one, 0.3) == 0.3


@pytest.mark.parametrize("seed", range(5))
def test_a_stump_is_as_right_as_that_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(60, 1))
    y = (x[:, 0] + random.normal(size=60)) > 0
    found = exact(STUMP, x, y, "yes")
    ours = np.mean(route(STUMP, x, found, "yes") == y)
    theirs = DecisionTreeClassifier(max_depth=1).fit(x, y).score(x, y)
    assert ours >= theirs
    golden = golden_section(STUMP, x, y, "yes")
    assert -1 <= golden[0] <= 1
    assert np.mean(route(STUMP, x, golden, "yes") == y) <= ours


def test_a_value_at_the_threshold_goes_low() -> None:
    x = np.array([[0.5], [np.nextafter(0.5, 1)]])
    assert route(STUMP, x, np.array([0.5]), "yes").tolist() == [False, True]
    assert route(STUMP, x[:0], np.array([0.5]), "yes").tolist() == []


@pytest.mark.parametrize("name", QUESTIONS)
def test_trees_lead_every_network_to_one_of_both_answers(name: str) -> None:
    question = find_question(name)
    random = np.random.default_rng(0)
    x = random.normal(size=(200, len(question.tree)))
    thresholds = np.zeros(len(question.tree))
    first, second = (route(question.tree, x, thresholds, one) for one in question.answers)
    assert (first ^ second).all()
    ways = [way for split in question.tree for way in (split.at_most, split.above)]
    assert {way for way in ways if isinstance(way, str)} == set(question.answers)
    numbers = [way for way in ways if isinstance(way, int)]
    assert sorted(numbers) == list(range(1, len(question.tree)))
    assert all(
        low <= split.start <= high for split in question.tree for low, high in [split.bounds]
    )


def test_questions_compare_each_metric_once() -> None:
    assert TEMPERATURE.metrics == DATA.metrics
    assert WIDTH.metrics == ("train_error", "mode_connectivity_peak")


@pytest.mark.parametrize("name", ["widht", "", "Width", None, 3])
def test_other_questions_are_refused_in_one_line(name: object) -> None:
    with pytest.raises(DiagnosisError, match=r"temperature.*width.*data|did you mean") as caught:
        find_question(name)
    assert "\n" not in str(caught.value)
