import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, ttest_1samp

from gridstab.dynamics.intervals import (
    binomial_variance,
    scramble_interval,
    scramble_variance,
    stability_interval,
    wilson_interval,
)
from gridstab.errors import InvalidParameterError


@given(
    st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.5, 0.9, 0.95, 0.999]),
)
def test_wilson_is_scipys(counts, confidence):
    stable, samples = counts
    truth = binomtest(stable, samples).proportion_ci(confidence, method="wilson")
    interval = wilson_interval(np.array([stable]), np.array([samples]), confidence)
    np.testing.assert_allclose(interval, [[truth.low, truth.high]], rtol=1e-10, atol=1e-15)


def test_wilson_has_the_published_widths():
    stable, samples = np.array([50, 950, 9500]), np.array([100, 1000, 10_000])
    half = np.diff(wilson_interval(stable, samples), axis=1)[:, 0] / 2
    np.testing.assert_allclose(half, [0.096, 0.014, 0.0043], atol=5e-4)


def test_no_samples_know_nothing():
    np.testing.assert_array_equal(wilson_interval(np.array([0]), np.array([0])), [[0.0, 1.0]])


def test_wilson_covers_at_its_confidence():
    rng = np.random.default_rng(1)
    share = rng.uniform(0.02, 0.98, 20_000)
    low, high = wilson_interval(rng.binomial(200, share), np.full(len(share), 200)).T
    covered = np.mean((low <= share) & (share <= high))
    assert 0.94 < covered < 0.96


def test_scrambles_give_students_interval():
    stable = np.array([[40, 44, 41, 47], [63, 60, 61, 64]])
    interval = scramble_interval(stable, np.array([256, 256]), 0.9)
    truth = ttest_1samp(stable / 64, 0.0, axis=1).confidence_interval(0.9)
    np.testing.assert_allclose(interval, np.stack([truth.low, np.minimum(truth.high, 1)], axis=1))


def test_scrambles_cover_at_their_confidence():
    rng = np.random.default_rng(2)
    share = rng.uniform(0.2, 0.8, 5000)
    stable = rng.binomial(128, share[:, None], (len(share), 8))
    low, high = scramble_interval(stable, np.full(len(share), 1024)).T
    covered = np.mean((low <= share) & (share <= high))
    assert 0.935 < covered < 0.965


def test_scrambles_that_agree_fall_back_to_wilson():
    stable, samples = np.array([[32, 32, 32], [7, 7, 7]]), np.array([96, 96])
    np.testing.assert_array_equal(
        scramble_interval(stable, samples), wilson_interval(stable.sum(axis=1), samples)
    )


@given(st.lists(st.integers(0, 16), min_size=2, max_size=9))
def test_scramble_interval_stays_in_range_and_holds_the_mean(stable):
    low, high = scramble_interval(np.array([stable]), np.array([16 * len(stable)]))[0]
    assert 0 <= low <= np.mean(stable) / 16 + 1e-12
    assert np.mean(stable) / 16 - 1e-12 <= high <= 1


def test_the_sampler_decides_the_interval():
    stable, samples = np.array([90]), np.array([128])
    scrambles = np.array([[20, 25, 22, 23]])
    np.testing.assert_array_equal(
        stability_interval(stable, samples, scrambles), scramble_interval(scrambles, samples)
    )
    np.testing.assert_array_equal(
        stability_interval(stable, samples, scrambles[:, :0]), wilson_interval(stable, samples)
    )


@pytest.mark.parametrize(
    ("stable", "samples", "confidence", "message"),
    [
        (5, 4, 0.95, "got 5 of 4 at 0"),
        (-1, 4, 0.95, "got -1 of 4 at 0"),
        (1, 4, 1.0, "confidence must be between 0 and 1, got 1.0"),
        (1, 4, float("nan"), "got nan"),
    ],
)
def test_impossible_input_is_refused(stable, samples, confidence, message):
    with pytest.raises(InvalidParameterError, match=message):
        wilson_interval(np.array([stable]), np.array([samples]), confidence)


def test_the_variance_of_a_random_share_is_estimated_without_bias():
    """Exactly, by summing over all outcomes of five trajectories with p = 0.3."""
    outcomes = np.arange(6)
    variance = binomial_variance(outcomes, np.full(6, 5))
    assert binom.pmf(outcomes, 5, 0.3) @ variance == pytest.approx(0.3 * 0.7 / 5)
    assert np.isnan(binomial_variance(np.array([1, 0]), np.array([1, 0]))).all()


def test_the_variance_between_scrambles_is_estimated_without_bias():
    rng = np.random.default_rng(2)
    stable = rng.binomial(25, 0.3, (20_000, 4))
    variance = scramble_variance(stable, np.full(20_000, 100))
    assert variance.mean() == pytest.approx(0.3 * 0.7 / 100, rel=0.03)
    assert scramble_variance(np.array([[7, 7]]), np.array([20])) == 0
