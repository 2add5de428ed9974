"""Metrics against their formulas in plain Python, and what they refuse."""

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from gnncore import metrics
from gnncore.errors import GnncoreError

finite = st.floats(-1e3, 1e3, width=32)
pairs = st.lists(st.tuples(finite, finite), min_size=1, max_size=30)
scores = st.lists(
    st.tuples(st.sampled_from([-3.0, 0.0, 0.2, 0.5, 0.8, 40.0, 41.0]), st.booleans()),
    min_size=2,
    max_size=20,
).filter(lambda rows: any(label for _, label in rows))


def columns(rows: list[tuple[float, float]]) -> tuple[Tensor, Tensor]:
    return tuple(torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))


@settings(deadline=None)
@given(rows=pairs)
def test_errors_by_their_formulas(rows: list[tuple[float, float]]) -> None:
    n = len(rows)
    assert metrics.mse(*columns(rows)) == pytest.approx(sum((a - b) ** 2 for a, b in rows) / n)
    assert metrics.mae(*columns(rows)) == pytest.approx(sum(abs(a - b) for a, b in rows) / n)
    near = sum(abs(a - b) < 7.5 for a, b in rows) / n
    assert metrics.share_within(*columns(rows), 7.5) == pytest.approx(near)


@settings(deadline=None)
@given(rows=pairs.filter(lambda rows: len({target for _, target in rows}) > 1))
@example(rows=[(0.0, 0.0), (0.0, 0.0078125)])
def test_r2_by_its_formula(rows: list[tuple[float, float]]) -> None:
    exact = [(Fraction(a), Fraction(b)) for a, b in rows]
    mean = sum(b for _, b in exact) / len(exact)
    expected = 1 - sum((a - b) ** 2 for a, b in exact) / sum((b - mean) ** 2 for _, b in exact)
    assert metrics.r2(*columns(rows)) == pytest.approx(float(expected), rel=1e-6)


def test_the_mean_explains_nothing() -> None:
    target = torch.tensor([0.0, 1.0, 5.0])
    assert metrics.r2(torch.full((3,), 2.0), target) == 0.0
    assert metrics.r2(target, target) == 1.0


def test_a_small_spread_far_from_zero_keeps_its_digits() -> None:
    """The sums of squares would cancel to nothing in single precision."""
    target = 1000 + torch.linspace(0, 1, 50) / 16
    prediction = target.flip(0).contiguous()
    exact = [
        (Fraction(a), Fraction(b))
        for a, b in zip(prediction.tolist(), target.tolist(), strict=True)
    ]
    mean = sum(b for _, b in exact) / 50
    expected = 1 - sum((a - b) ** 2 for a, b in exact) / sum((b - mean) ** 2 for _, b in exact)
    assert metrics.r2(prediction, target) == pytest.approx(float(expected), rel=1e-5)


def test_tolerance_is_exclusive() -> None:
    target = torch.zeros(3, dtype=torch.float64)
    prediction = torch.tensor([0.0999, 0.1, -0.2], dtype=torch.float64)
    assert metrics.share_within(prediction, target) == pytest.approx(1 / 3)


def test_the_truth_has_no_excess() -> None:
    """With labels k/N of known probabilities, the estimate is zero on average."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(20_000, generator=generator, dtype=torch.float64)
    trials = torch.full_like(truth, 50)
    label = torch.binomial(trials, truth, generator=generator) / 50
    variance = label * (1 - label) / 49
    assert metrics.mse(truth, label) == pytest.approx(1 / 6 / 50, rel=0.05)
    assert abs(metrics.excess_mse(truth, label, variance)) < 1e-4
    excess = metrics.excess_mse(truth + 0.05, label, variance)
    assert excess == pytest.approx(0.05**2, abs=2e-4)


def test_kendall_counts_pairs() -> None:
    prediction = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert metrics.kendall_tau(prediction, prediction**3) == pytest.approx(1.0)
    assert metrics.kendall_tau(prediction, -prediction) == pytest.approx(-1.0)
    # 5 of 6 pairs agree and 1 does not: (5 - 1) / 6.
    swapped = torch.tensor([1.0, 2.0, 4.0, 3.0])
    assert metrics.kendall_tau(prediction, swapped) == pytest.approx(2 / 3)
    # One tie in the target: 5 agree, none disagrees, τ-b = 5 / √(6 · 5).
    tied = torch.tensor([1.0, 2.0, 3.0, 3.0])
    assert metrics.kendall_tau(prediction, tied) == pytest.approx(5 / math.sqrt(30))


@settings(deadline=None)
@given(rows=scores, beta=st.sampled_from([0.5, 1.0, 2.0]), threshold=st.sampled_from([0.0, 0.5]))
def test_decisions_by_counting(
    rows: list[tuple[float, bool]], beta: float, threshold: float
) -> None:
    prediction, target = columns(rows)
    hits = sum(score > threshold and label for score, label in rows)
    found = sum(score > threshold for score, _ in rows)
    there = sum(label for _, label in rows)
    f_beta = (1 + beta**2) * hits / (beta**2 * there + found)
    for labels in (target, target.bool(), target.long()):
        given_ = {"threshold": threshold}
        assert metrics.recall(prediction, labels, **given_) == pytest.approx(hits / there)
        expected = hits / found if found else 0.0
        assert metrics.precision(prediction, labels, **given_) == pytest.approx(expected)
        assert metrics.f_beta(prediction, labels, beta, **given_) == pytest.approx(f_beta)


@settings(deadline=None)
@given(rows=scores)
def test_average_precision_by_thresholds(rows: list[tuple[float, bool]]) -> None:
    expected, before, there = 0.0, 0, sum(label for _, label in rows)
    for threshold in sorted({score for score, _ in rows}, reverse=True):
        found = [label for score, label in rows if score >= threshold]
        expected += (sum(found) - before) / there * sum(found) / len(found)
        before = sum(found)
    assert metrics.average_precision(*columns(rows)) == pytest.approx(expected)


@settings(deadline=None)
@given(rows=scores.filter(lambda rows: not all(label for _, label in rows)))
def test_auroc_by_pairs(rows: list[tuple[float, bool]]) -> None:
    wins = [
        (a > b) + (a == b) / 2 for a, x in rows if x for b, y in rows if not y
    ]  # fmt: skip
    assert metrics.auroc(*columns(rows)) == pytest.approx(sum(wins) / len(wins))


REGRESSION = [metrics.mse, metrics.mae, metrics.r2, metrics.share_within, metrics.kendall_tau]
CLASSIFICATION = [
    metrics.f_beta,
    metrics.precision,
    metrics.recall,
    metrics.average_precision,
    metrics.auroc,
]
Metric = Callable[[Tensor, Tensor], float]


@pytest.mark.parametrize("metric", [*REGRESSION, *CLASSIFICATION], ids=lambda m: m.__name__)
def test_what_is_not_defined_is_said_in_one_line(metric: Metric) -> None:
    good, name = torch.tensor([0.0, 1.0, 0.0]), metric.__name__
    assert isinstance(metric(good, good), float)
    with pytest.raises(GnncoreError, match=f"^{name} of no values is not defined$"):
        metric(torch.zeros(0), torch.zeros(0))
    for bad in (float("nan"), float("inf")):
        spoilt = torch.tensor([0.0, bad, bad])
        with pytest.raises(GnncoreError, match=f"^{name} .*finite.* at 1 of the prediction .*2 of"):
            metric(spoilt, good)
        with pytest.raises(GnncoreError, match=f"^{name} needs finite .* at 1 of the target"):
            metric(good, spoilt)


@pytest.mark.parametrize("metric", [metrics.r2, metrics.kendall_tau], ids=lambda m: m.__name__)
def test_a_constant_target_is_refused(metric: Metric) -> None:
    with pytest.raises(GnncoreError, match=r"not defined for a constant target; all 2 are 0\.5$"):
        metric(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5]))


def test_a_constant_prediction_has_no_order() -> None:
    with pytest.raises(GnncoreError, match=r"constant prediction; all 2 are 1$"):
        metrics.kendall_tau(torch.ones(2), torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize("metric", CLASSIFICATION, ids=lambda m: m.__name__)
def test_labels_are_zero_and_one_with_a_positive(metric: Metric) -> None:
    with pytest.raises(GnncoreError, match=r"needs labels 0 and 1, got 0\.3$"):
        metric(torch.tensor([0.0, 1.0]), torch.tensor([0.3, 1.0]))
    with pytest.raises(GnncoreError, match=r"without a positive label; all are 0$"):
        metric(torch.tensor([0.0, 1.0]), torch.zeros(2))


def test_values_outside_their_range_are_refused() -> None:
    one = torch.ones(1)
    with pytest.raises(GnncoreError, match=r"constant target; all 1 are 1$"):
        metrics.auroc(one, one)
    with pytest.raises(GnncoreError, match=r"beta of f_beta must be positive, got -1\.0"):
        metrics.f_beta(one, one, -1.0)
    with pytest.raises(GnncoreError, match=r"variances of at least 0, got -1$"):
        metrics.excess_mse(one, one, -one)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(GnncoreError, match=r"equal length, got shapes \(2,\) and \(3,\)"):
        metrics._pair("mse", torch.zeros(2), torch.zeros(3))
    with pytest.raises(GnncoreError, match=r"equal length, got shapes \(2, 1\) and \(2, 1\)"):
        metrics._pair("mse", torch.zeros(2, 1), torch.zeros(2, 1))
