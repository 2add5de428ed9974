import json

import numpy as np
import pytest

from gridstab.dynamics.counts import FREQUENCY_BINS, NodeCounts
from gridstab.dynamics.engine import Reason, Status, Trajectories
from gridstab.dynamics.intervals import wilson_interval
from gridstab.dynamics.result import StabilityResult
from gridstab.errors import InvalidParameterError
from tests.gridstab.disc_engine import ring_grid


def result_of(max_frequency, status=None):
    """Six nodes, equally many trajectories each."""
    trajectories = np.size(max_frequency) // 6
    status = np.full((6, trajectories), Status.RETURNED) if status is None else status
    counts = NodeCounts.zeros(6)
    counts.add(
        np.repeat(np.arange(6), trajectories),
        np.tile(np.arange(trajectories), 6),
        Trajectories(
            status=np.ravel(status).astype(np.int8),
            reason=np.full(6 * trajectories, Reason.HORIZON, np.int8),
            stop_time=np.tile(np.arange(trajectories) / 2.0, 6),
            max_frequency=np.ravel(max_frequency).astype(float),
        ),
    )
    return StabilityResult.of(ring_grid(6), counts)


@pytest.fixture
def frequencies():
    return np.random.default_rng(0).gamma(4.0, 3.5, (6, 500))


@pytest.mark.parametrize("bound", [0.1, 0.3, 1.7, 12.3, 15.0, 29.9, 60.0])
def test_survivability_is_the_direct_count_at_tenths(frequencies, bound):
    result = result_of(frequencies)
    direct = (frequencies < bound).mean(axis=1)
    np.testing.assert_array_equal(result.survivability_within(bound), direct)


def test_a_frequency_on_the_bound_is_beyond_it():
    for bound in np.arange(1, FREQUENCY_BINS + 1) / 10:
        result = result_of(np.full((6, 1), bound))
        assert (result.survivability_within(float(bound)) == 0).all()
        assert (result_of(np.full((6, 1), np.nextafter(bound, 0))).max_frequency_counts.sum()) == 6


def test_survivability_is_linear_within_a_bin_and_monotone(frequencies):
    result = result_of(frequencies)
    low, middle, high = (result.survivability_within(b) for b in (12.3, 12.35, 12.4))
    np.testing.assert_allclose(middle, (low + high) / 2)
    bounds = np.linspace(0.01, 60, 300)
    shares = np.array([result.survivability_within(float(bound)) for bound in bounds])
    assert (np.diff(shares, axis=0) >= -1e-15).all()


def test_survivability_defaults_to_the_published_bound(frequencies):
    result = result_of(frequencies)
    np.testing.assert_array_equal(result.survivability, (frequencies < 15).mean(axis=1))
    np.testing.assert_array_equal(result.troublemaker, (frequencies > 15).any(axis=1))


@pytest.mark.parametrize("bound", [0.0, -1.0, 60.1, float("nan")])
def test_bounds_outside_the_histogram_are_refused(frequencies, bound):
    with pytest.raises(
        InvalidParameterError, match=r"bound must be (positive|above 0 and at most 60)"
    ):
        result_of(frequencies).survivability_within(bound)


@pytest.fixture
def result():
    status = np.zeros((6, 10))
    for node, stable in enumerate([3, 10, 0, 7, 3, 9]):
        status[node, :stable] = Status.RETURNED
    status[2, 6:] = Status.UNDECIDED
    return result_of(np.full((6, 10), 20.0) - np.arange(6)[:, None], status)


def test_ratios_follow_from_counts(result):
    np.testing.assert_array_equal(result.snbs, [0.3, 1.0, 0.0, 0.7, 0.3, 0.9])
    np.testing.assert_array_equal(result.n_undecided, [0, 0, 4, 0, 0, 0])
    np.testing.assert_array_equal(result.n_unstable, [7, 0, 6, 3, 7, 1])
    np.testing.assert_array_equal(
        result.interval, wilson_interval(result.n_stable, result.n_samples)
    )
    np.testing.assert_allclose(
        result.mean_return_time, [0.5, 2.25, np.nan, 1.5, 0.5, 2.0], equal_nan=True
    )
    np.testing.assert_array_equal(result.troublemaker, [True] * 5 + [False])


def test_weakest_nodes_come_first(result):
    np.testing.assert_array_equal(result.weakest(4), [2, 0, 4, 3])
    assert len(result.weakest(0)) == 0
    assert len(result.weakest(99)) == 6
    with pytest.raises(InvalidParameterError, match="got -1"):
        result.weakest(-1)


def test_table_and_columns_hold_the_same_and_survive_json(result):
    columns, rows = result.to_dict(), result.table()
    assert rows[3] == {
        "node": 3,
        "name": "3",
        "samples": 10,
        "stable": 7,
        "undecided": 0,
        "snbs": 0.7,
        "low": result.interval[3, 0],
        "high": result.interval[3, 1],
        "survivability": 0.0,
        "max_frequency_deviation": 17.0,
        "mean_return_time": 1.5,
        "troublemaker": True,
    }
    assert [row["snbs"] for row in rows] == columns["snbs"]
    assert columns["mean_return_time"][2] is None
    assert json.loads(json.dumps(columns, allow_nan=False)) == columns


def test_repr_says_what_matters(result):
    assert repr(result).startswith("StabilityResult('ring', nodes=6, samples=60, mean SNBS 0.5333")


def test_sums_of_times_do_not_depend_on_order():
    times = np.random.default_rng(1).uniform(0, 500, 3000)
    sums = set()
    for seed in range(5):
        counts = NodeCounts.zeros(1)
        for part in np.array_split(np.random.default_rng(seed).permutation(times), 7 + seed):
            more = NodeCounts.zeros(1)
            size = len(part)
            more.add(
                np.zeros(size, int),
                np.arange(size),
                Trajectories(np.ones(size, int), np.zeros(size, int), part, np.zeros(size)),
            )
            counts = counts.merge(more)
        sums.add(float(counts.return_time_sum[0]))
    assert len(sums) == 1
    assert sums.pop() == pytest.approx(times.sum(), abs=3000 / 2048)
