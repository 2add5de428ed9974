"""Trees over loss landscapes: the published rules, searches against plain loops, soft splits."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from graphwsl.diagnosis import MDTree, SoftTree, published_table
from graphwsl.diagnosis.questions import DATA, QUESTIONS, TEMPERATURE, WIDTH, Question
from graphwsl.diagnosis.soft_tree import probability
from graphwsl.diagnosis.table import select
from graphwsl.diagnosis.threshold_search import exact, golden_section, route
from graphwsl.errors import DiagnosisError


def temperature(error: float, peak: float, trace: float, t: list[float]) -> str:
    if error <= t[0]:
        return "small"
    if peak <= t[1] and trace > t[2]:
        return "small"
    return "large"


def width(error: float, peak: float, t: list[float]) -> str:
    return "width" if peak <= (t[1] if error <= t[0] else t[2]) else "batch"


def data(error: float, peak: float, trace: float, t: list[float]) -> str:
    if error <= t[0]:
        return "data" if trace <= (t[4] if peak <= t[1] else t[2]) else "batch"
    return "data" if peak > t[3] and trace <= t[5] else "batch"


def sample(seed: int, networks: int = 60) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "train_error": random.choice([0.0, 0.3, 0.7, 5.0, 20.0], networks),
        "mode_connectivity_peak": -random.choice([0.0, 3.0, 9.0, 20.0, 40.0], networks),
        "hessian_t": random.normal(6.0, 1.5, networks),
    }


def of_splits(question: Question, table: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack([table[split.metric] for split in question.tree], axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_trees_are_the_published_rules(seed: int) -> None:
    table = sample(seed)
    random = np.random.default_rng(seed)
    rows = list(zip(*(table[n].tolist() for n in TEMPERATURE.metrics), strict=True))
    for question, rule in ((TEMPERATURE, temperature), (WIDTH, width), (DATA, data)):
        t = [random.choice(table[split.metric]) for split in question.tree]
        found = route(question.tree, of_splits(question, table), np.array(t), question.answers[1])
        given = [row[: 2 if question is WIDTH else 3] for row in rows]
        assert found.tolist() == [rule(*row, t) == question.answers[1] for row in given]


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_the_exact_search_ends_where_no_threshold_alone_is_better(seed: int) -> None:
    table, random = sample(seed, 30), np.random.default_rng(seed)
    x, y = of_splits(TEMPERATURE, table), random.random(30) < 0.5
    tree, answer = TEMPERATURE.tree, "large"

    def accuracy(thresholds: np.ndarray) -> float:
        return float(np.mean(route(tree, x, thresholds, answer) == y))

    found = exact(tree, x, y, answer)
    start = accuracy(np.array([split.start for split in tree]))
    assert accuracy(found) >= max(start, accuracy(golden_section(tree, x, y, answer)) - 0.2)
    for number in range(len(tree)):
        for threshold in [*x[:, number], x[:, number].min() - 1, x[:, number].max() + 1]:
            other = found.copy()
            other[number] = threshold
            assert accuracy(other) <= accuracy(found)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(sorted(QUESTIONS)))
def test_a_soft_tree_with_steep_splits_is_the_tree(seed: int, name: str) -> None:
    question, table = QUESTIONS[name], sample(seed)
    x, random = of_splits(question, table), np.random.default_rng(seed)
    thresholds = random.normal(size=len(question.tree)) + x.mean(0)
    parameters = np.concatenate([thresholds, np.full(len(question.tree), 20.0)])
    soft = probability(question.tree, x, parameters, question.answers[1])
    hard = route(question.tree, x, thresholds, question.answers[1])
    np.testing.assert_allclose(soft, hard, atol=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(sorted(QUESTIONS)))
def test_probabilities_of_both_answers_sum_to_one(seed: int, name: str) -> None:
    question, table = QUESTIONS[name], sample(seed)
    x = of_splits(question, table)
    parameters = np.random.default_rng(seed).normal(size=2 * len(question.tree))
    both = [probability(question.tree, x, parameters, answer) for answer in question.answers]
    np.testing.assert_allclose(both[0] + both[1], 1)


def labelled(question: Question) -> tuple[pd.DataFrame, np.ndarray]:
    table = published_table()
    rows = np.flatnonzero(table[question.label] != "optimal")[::25]
    return pd.DataFrame(select(table, rows)), table[question.label][rows]


MAKE = [MDTree, lambda question: MDTree(question, "exact"), SoftTree]


@pytest.mark.parametrize("make", MAKE)
@pytest.mark.parametrize("name", QUESTIONS)
def test_classifiers_keep_the_conventions_of_scikit_learn(make: type, name: str) -> None:
    question = QUESTIONS[name]
    x, y = labelled(question)
    tree = make(name)
    with pytest.raises(NotFittedError):
        tree.predict(x)
    assert tree.fit(x, y) is tree
    assert tree.classes_.tolist() == list(question.answers)
    assert tree.feature_names_in_.tolist() == list(question.metrics)
    assert tree.n_features_in_ == len(question.metrics)
    found = tree.predict_proba(x)
    np.testing.assert_allclose(found.sum(1), 1)
    assert tree.score(x, y) > 0.7
    copy = clone(tree)
    assert copy.get_params() == tree.get_params()
    assert not hasattr(copy, "classes_")
    assert cross_val_score(copy, x, y, cv=2).mean() > 0.55
    # By names, whatever their order; and an array of just these columns, in order.
    reordered = x[x.columns[::-1]]
    assert tree.predict(reordered).tolist() == tree.predict(x).tolist()
    plain = make(name).fit(x[list(question.metrics)].to_numpy(), y)
    np.testing.assert_array_equal(plain.predict_proba(x), found)


def test_groups_count_as_one_network() -> None:
    x, y = labelled(TEMPERATURE)
    once = SoftTree().fit(x, y)
    twice = pd.concat([x, x])
    groups = [*range(len(x))] * 2
    again = SoftTree().fit(twice, [*y, *y], groups=groups)
    np.testing.assert_allclose(again.predict_proba(x), once.predict_proba(x), atol=1e-4)
    surer = SoftTree().fit(twice, [*y, *y])
    assert abs(surer.parameters_).sum() > abs(once.parameters_).sum()


def test_similarity_takes_the_place_of_the_trace() -> None:
    x, y = labelled(TEMPERATURE)
    tree = MDTree(similarity=True).fit(x, y)
    assert tree.metrics == ("train_error", "mode_connectivity_peak", "CKA")
    assert tree.score(x, y) > 0.8
    with pytest.raises(DiagnosisError, match="for the question 'temperature' alone, got 'width'"):
        MDTree("width", similarity=True).fit(x, y)


def test_wrong_input_is_refused_in_one_line() -> None:
    x, y = labelled(TEMPERATURE)
    with pytest.raises(DiagnosisError, match="'temprature', did you mean 'temperature'"):
        MDTree("temprature").fit(x, y)
    with pytest.raises(DiagnosisError, match="unknown search 'grid'; choose one of golden, exact"):
        MDTree(search="grid").fit(x, y)
    with pytest.raises(DiagnosisError, match="got 'optimal'; leave these networks out"):
        MDTree().fit(x, ["optimal", *y[1:]])
    with pytest.raises(DiagnosisError, match="a label a network"):
        MDTree().fit(x, y[1:])
    with pytest.raises(DiagnosisError, match="a group a network"):
        SoftTree().fit(x, y, groups=[1])
    with pytest.raises(DiagnosisError, match="unknown column 'hessian_t'"):
        SoftTree().fit(x.drop(columns="hessian_t"), y)
    with pytest.raises(DiagnosisError, match="row 3 has nan"):
        SoftTree().fit(x.assign(hessian_t=[0, 0, np.nan, *[0] * (len(x) - 3)]), y)
    with pytest.raises(DiagnosisError, match="got a ndarray of shape"):
        MDTree().fit(np.zeros((len(x), 7)), y)
