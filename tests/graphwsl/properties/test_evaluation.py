"""Metrics of predictions against their formulas, and results of probes by name."""

import json
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwsl.errors import PredictorError
from graphwsl.populations.targets import Target
from graphwsl.properties.evaluation import evaluate
from graphwsl.properties.linear_probe_results import LinearProbe, LinearProbes

NUMBER, KIND = Target("test_accuracy"), Target("activation", ("relu", "tanh"))

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=9)


def slow_tau(x: np.ndarray, y: np.ndarray) -> float:
    """Every pair is compared; ties count in neither product."""
    signs = [
        (np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i, j in combinations(range(len(x)), 2)
    ]
    agreeing = sum(a * b for a, b in signs)
    return float(agreeing / np.sqrt(sum(a * a for a, _ in signs) * sum(b * b for _, b in signs)))


@settings(max_examples=25, deadline=None)
@given(pairs)
def test_metrics_of_numbers_are_their_formulas(values: list[tuple[int, int]]) -> None:
    prediction, label = np.array(values, dtype=float).T
    found = evaluate(torch.tensor(prediction), torch.tensor(label), NUMBER)
    expected = {"mae": np.abs(prediction - label).mean()}
    if len(set(label)) > 1:
        errors = ((prediction - label) ** 2).sum()
        expected["r2"] = 1 - errors / ((label - label.mean()) ** 2).sum()
        if len(set(prediction)) > 1:
            expected["kendall_tau"] = slow_tau(prediction, label)
    assert found == pytest.approx(expected, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(pairs)
def test_accuracy_is_the_share_of_equal_classes(values: list[tuple[int, int]]) -> None:
    prediction, label = torch.tensor(values, dtype=torch.float32).T
    share = sum(a == b for a, b in values) / len(values)
    assert evaluate(prediction, label, KIND) == {"accuracy": pytest.approx(share)}


@pytest.mark.parametrize("target", [NUMBER, KIND])
def test_nothing_is_not_evaluated(target: Target) -> None:
    with pytest.raises(PredictorError) as refused:
        evaluate(torch.zeros(0), torch.zeros(0), target)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(PredictorError, match="cannot evaluate 'test_accuracy'"):
        evaluate(torch.tensor([0.0, value]), torch.tensor([0.0, 1.0]), NUMBER)


PROBES = LinearProbes(
    (
        LinearProbe("weights", "epoch", "test", 9, valid={"r2": 0.5}, metrics={"r2": 0.25}),
        LinearProbe("weights", "epoch", "wider", 4, failed="no epoch"),
        LinearProbe("weights", "kind", "test", 9, valid={"accuracy": 1.0},
                    metrics={"accuracy": 0.75, "r2": 0.1}, missing=("elu",)),
        LinearProbe("[b]layers[/b]", "epoch", "test", 9, valid={"r2": 0.0}, metrics={"mae": 1.0}),
    ),
    {"train": 70, "valid": 15, "test": 9},
)  # fmt: skip


def test_the_score_is_accuracy_or_else_r2() -> None:
    assert [probe.score for probe in PROBES.probes] == [0.25, None, 0.75, None]


def test_probes_are_found_by_name_and_tested_on_test_by_default() -> None:
    assert PROBES["weights", "epoch"] is PROBES.probes[0]
    assert PROBES["weights", "epoch", "wider"] is PROBES.probes[1]
    assert PROBES["[b]layers[/b]", "epoch"] is PROBES.probes[3]
    for key in (("weights", "kind", "wider"), ("weights",), "weights", ("a", "b", "c", "d")):
        with pytest.raises(KeyError):
            PROBES[key]
    with pytest.raises(KeyError, match="did you mean 'wider'"):
        PROBES["weights", "epoch", "widr"]


def test_the_table_has_a_line_a_target_and_test_and_a_column_a_feature() -> None:
    lines = [line.split() for line in str(PROBES).splitlines()]
    assert lines == [
        ["target", "tested", "on", "score", "weights", "[b]layers[/b]"],
        ["epoch", "test", "R²", "0.250", "–"],
        ["epoch", "wider", "R²", "–", "–"],
        ["kind", "test", "accuracy", "0.750*", "–"],
    ]
    assert str(LinearProbes((), {})).split() == ["target", "tested", "on", "score"]


def test_plain_values_are_those_of_json() -> None:
    plain = PROBES.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["probes"][2]["missing"] == ["elu"]
