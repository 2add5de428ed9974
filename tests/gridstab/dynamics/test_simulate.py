"""Counts, intervals and stopping, against an engine whose basin is known exactly."""

import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridstab.arguments import at_least, positive
from gridstab.dynamics.counts import NodeCounts
from gridstab.dynamics.engine import Perturbations, Reason, Status, Trajectories, stop_rule
from gridstab.dynamics.intervals import stability_interval
from gridstab.dynamics.outcomes import outcomes, trajectories
from gridstab.dynamics.sampling import perturbations
from gridstab.dynamics.settings import Settings
from gridstab.dynamics.simulate import simulate, simulate_nodes
from gridstab.errors import EngineUnavailableError, InvalidParameterError
from gridstab.grids.power_grid import PowerGrid
from tests import ROOT
from tests.gridstab.disc_engine import DiscEngine, ring_grid, ring_model

MODEL = ring_model(6)
RADII = np.array([0.2, 0.5, 0.7, 0.85, 0.95, 1.0])
ENGINE = DiscEngine(RADII, undecided_to=0.9)


@pytest.fixture(autouse=True)
def any_state_serves(monkeypatch):
    """The disc engine looks at perturbations only, so no power flow needs to be solved."""
    monkeypatch.setattr("gridstab.dynamics.swing.operating_point", lambda grid: np.zeros(6))


def counted(nodes=range(6), engine=ENGINE, batch=None, **options):
    return simulate_nodes(MODEL, list(nodes), Settings(**options), engine=engine, batch=batch)


def assert_identical(one, other):
    for field in fields(NodeCounts):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert a.dtype == b.dtype, field.name
        assert a.tobytes() == b.tobytes(), field.name


def test_counts_are_those_of_a_slow_loop():
    """One trajectory at a time, in plain Python, from the same perturbations."""
    counts = counted(samples=300)
    for node in range(6):
        drawn = perturbations(0, 1, node, 0, 300)
        stable = undecided = below = 0
        times, largest = [], []
        for dtheta, domega in zip(drawn.dtheta, drawn.domega, strict=True):
            squared = (dtheta / np.pi) ** 2 + (domega / 15) ** 2
            largest.append(abs(domega) + abs(dtheta))
            below += largest[-1] < 12.3
            if squared < RADII[node] ** 2:
                stable += 1
                times.append(100 * np.sqrt(squared) + 0.1)
            elif squared < 0.9**2:
                undecided += 1
        assert counts.n_samples[node] == 300
        assert counts.n_stable[node] == stable
        assert counts.n_undecided[node] == undecided
        assert counts.reason_counts[node, Reason.CERTIFIED] == stable
        assert counts.reason_counts[node, Reason.HORIZON] == undecided
        assert counts.reason_counts[node].sum() == 300
        assert counts.max_frequency_deviation[node] == max(largest)
        assert counts.max_frequency_counts[node, :123].sum() == below
        assert counts.return_time_sum[node] == pytest.approx(sum(times), abs=stable / 2048)


@settings(max_examples=12, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 255), max_size=4, unique=True).map(sorted),
    order=st.permutations(range(6)),
    split=st.integers(1, 5),
    batch=st.integers(10, 700),
    sampler=st.sampled_from(["mc", "sobol"]),
)
def test_counts_are_bitwise_the_same_however_work_is_split(cuts, order, split, batch, sampler):
    whole = counted(samples=256, sampler=sampler)
    blocks = []
    for nodes in (order[:split], order[split:]):
        block = NodeCounts.zeros(len(nodes), 8 if sampler == "sobol" else 0)
        for first, last in zip([0, *cuts], [*cuts, 256], strict=True):
            part = simulate_nodes(
                MODEL,
                nodes,
                Settings(samples=256, sampler=sampler),
                engine=ENGINE,
                first_sample=first,
                samples=last - first,
                batch=batch,
            )
            block = part.merge(block)
        blocks.append(block)
    joined = NodeCounts.concatenate(blocks)
    back = np.argsort(order)
    assert_identical(
        NodeCounts(*(getattr(joined, field.name)[back] for field in fields(NodeCounts))), whole
    )


def test_threads_and_settings_beside_the_law_change_nothing():
    one = simulate_nodes(MODEL, np.arange(6), Settings(samples=64), engine=ENGINE, threads=1)
    assert_identical(
        one, simulate_nodes(MODEL, np.arange(6), Settings(samples=64), engine=ENGINE, threads=7)
    )
    other = simulate_nodes(MODEL, np.arange(6), Settings(samples=64), engine=ENGINE, grid_id=2)
    assert (one.n_stable != other.n_stable).any()


def test_engine_batches_are_bounded_and_mix_nodes():
    engine = DiscEngine()
    counted(range(6), engine=engine, samples=9000)
    assert max(engine.batches) == 20_000
    assert len(engine.batches) == 3


@pytest.mark.parametrize("sampler", ["mc", "sobol"])
def test_shares_approach_the_exact_ones_and_intervals_cover_them(sampler):
    """300 independent streams: a 95 % interval misses the exact share about 15 times."""
    truth = np.array([DiscEngine(RADII).share(node) for node in range(6)])
    misses = np.zeros(6)
    error = []
    for grid_id in range(50):
        counts = simulate_nodes(
            MODEL,
            np.arange(6),
            Settings(samples=512, sampler=sampler),
            engine=DiscEngine(RADII),
            grid_id=grid_id,
        )
        low, high = stability_interval(counts.n_stable, counts.n_samples, counts.scramble_stable).T
        misses += (truth < low) | (truth > high)
        error.append(counts.n_stable / 512 - truth)
    assert 2 <= misses.sum() <= 32
    # The mean over streams is unbiased within 3.5 of its own standard errors.
    spread = np.std(error, axis=0, ddof=1) / np.sqrt(50)
    assert (np.abs(np.mean(error, axis=0)) < 3.5 * spread + 1e-12).all()


@pytest.mark.parametrize("scrambles", [2, 3, 8, 1024])
@pytest.mark.parametrize("samples", [1, 7, 1000, 4097, 10**9])
def test_the_numbers_of_samples_that_a_message_names_can_be_taken(samples, scrambles):
    with pytest.raises(InvalidParameterError, match="sobol sampler must be") as refused:
        Settings(samples=samples, sampler="sobol", scrambles=scrambles)
    named = str(refused.value).partition("; use ")[2].split(" or ")
    assert named
    for number in map(int, named):
        Settings(samples=number, sampler="sobol", scrambles=scrambles)


def test_sobol_has_a_fifth_of_the_variance_or_less():
    variance = {}
    for sampler in ("mc", "sobol"):
        shares = [
            counted([3], samples=1024, sampler=sampler, seed=seed).n_stable[0] / 1024
            for seed in range(60)
        ]
        variance[sampler] = np.mean((np.array(shares) - ENGINE.share(3)) ** 2)
    binomial = ENGINE.share(3) * (1 - ENGINE.share(3)) / 1024
    assert variance["mc"] == pytest.approx(binomial, rel=0.6)
    assert variance["sobol"] < variance["mc"] / 5


@pytest.mark.parametrize(
    ("sampler", "schedule"),
    [
        ("mc", [100, 200, 400, 800, 1600, 3200, 4096]),
        ("sobol", [128, 256, 512, 1024, 2048, 4096]),
    ],
)
def test_precision_stops_each_node_at_the_first_stage_that_reaches_it(sampler, schedule):
    counts = counted(samples=4096, precision=0.02, sampler=sampler)
    for node in range(6):
        for end in schedule:
            part = counted([node], samples=end, sampler=sampler)
            low, high = stability_interval(part.n_stable, part.n_samples, part.scramble_stable)[0]
            if (high - low) / 2 <= 0.02:
                break
        assert counts.n_samples[node] == end
        assert counts.n_stable[node] == part.n_stable[0]
    assert len(set(counts.n_samples)) > 1


def test_precision_does_not_depend_on_the_other_nodes_or_batches():
    whole = counted(samples=2000, precision=0.03)
    alone = [counted([node], samples=2000, precision=0.03, batch=17) for node in range(6)]
    assert_identical(NodeCounts.concatenate(alone), whole)


def test_an_unreachable_precision_ends_at_the_cap():
    counts = counted([2], samples=300, precision=1e-4)
    assert counts.n_samples[0] == 300
    assert_identical(counts, counted([2], samples=300))


def test_nodes_short_of_the_precision_are_known_and_said():
    result = simulate(ring_grid(6), samples=400, precision=0.03, engine=ENGINE)
    half = np.diff(result.interval, axis=1).ravel() / 2
    np.testing.assert_array_equal(result.short_of_precision, half > 0.03)
    short = int(result.short_of_precision.sum())
    assert 0 < short < 6
    assert (result.n_samples[result.short_of_precision] == 400).all()
    assert f"precision not reached at {short} nodes" in repr(result)
    plain = simulate(ring_grid(6), samples=10, engine=ENGINE)
    assert not plain.short_of_precision.any()
    assert "precision" not in repr(plain)


def test_progress_counts_trajectories_and_never_runs_over():
    calls = []
    simulate_nodes(
        MODEL,
        np.arange(6),
        Settings(samples=1000, precision=0.04),
        engine=ENGINE,
        on_progress=lambda done, most: calls.append((done, most)),
    )
    done, most = np.array(calls).T
    assert (np.diff(done) > 0).all()
    assert (np.diff(most) <= 0).all()
    assert (done <= most).all()
    assert most[0] == 6000


def test_simulate_fills_the_result():
    result = simulate(ring_grid(6), samples=200, seed=4, engine=ENGINE, sampler="mc", grid_id=9)
    again = simulate_nodes(
        MODEL, np.arange(6), Settings(samples=200, seed=4), engine=ENGINE, grid_id=9
    )
    np.testing.assert_array_equal(result.n_stable, again.n_stable)
    assert result.settings == {
        "samples": 200,
        "seed": 4,
        "engine": "disc",
        "engine_version": "1.0",
        "stop": "fast",
        "sampler": "mc",
        "scrambles": 8,
        "precision": None,
        "horizon": 500.0,
        "dtheta_range": np.pi,
        "domega_range": 15.0,
        "grid_id": 9,
    }
    assert result.scramble_stable.shape == (6, 0)


def test_undecided_trajectories_are_counted_apart():
    result = simulate(ring_grid(6), samples=4000, engine=ENGINE)
    ring = np.pi / 4 * np.maximum(0.81 - RADII**2, 0)
    np.testing.assert_allclose(result.n_undecided / 4000, ring, atol=0.03)
    assert (result.n_undecided[4:] == 0).all()
    total = result.n_stable + result.n_unstable + result.n_undecided
    np.testing.assert_array_equal(total, 4000)


class StatusEngine(DiscEngine):
    """Ends every trajectory as not finite."""

    def run(self, model, perturbations, **options):
        lost = Trajectories.empty(len(perturbations))
        lost.max_frequency[::2] = np.nan
        lost.max_frequency[1::2] = np.inf
        return lost


def test_diverged_trajectories_leave_every_bound():
    result = simulate(ring_grid(6), samples=10, engine=StatusEngine())
    assert (result.n_undecided == 10).all()
    assert (result.reason_counts[:, Reason.DIVERGED] == 10).all()
    assert (result.max_frequency_deviation == np.inf).all()
    assert (result.survivability_within(60.0) == 0).all()
    assert np.isnan(result.mean_return_time).all()


def test_outcomes_broadcast():
    dtheta, domega = np.linspace(-3, 3, 7), np.linspace(-14, 14, 5)
    node = np.array([1, 4])
    got = outcomes(ring_grid(6), node[:, None, None], dtheta, domega[:, None], engine=ENGINE)
    assert got.shape == (2, 5, 7)
    assert got.dtype == np.int8
    for i, j, k in np.ndindex(got.shape):
        squared = (dtheta[k] / np.pi) ** 2 + (domega[j] / 15) ** 2
        inside, ring = squared < RADII[node[i]] ** 2, squared < 0.81
        assert got[i, j, k] == (1 if inside else -1 if ring else 0)


def test_one_perturbation_has_one_outcome():
    got = outcomes(ring_grid(6), 2, 0.1, 0.5, engine=ENGINE)
    assert got.shape == ()
    assert got == Status.RETURNED


def test_trajectories_say_why_and_when():
    got = trajectories(ring_grid(6), 2, [0.0, np.pi], 1.5, engine=ENGINE, stop="certified")
    np.testing.assert_array_equal(got.status, [Status.RETURNED, Status.LEFT])
    np.testing.assert_array_equal(got.reason, [Reason.CERTIFIED, Reason.SETTLED])
    np.testing.assert_allclose(got.stop_time, [10.1, 100 * np.sqrt(1.01) + 0.1])


def test_the_engine_is_told_the_rule_and_the_horizon():
    seen = []

    class Spy(DiscEngine):
        def run(self, model, perturbations, *, stop, horizon=500.0, threads=1):
            seen.append((stop, horizon, threads))
            return super().run(model, perturbations, stop=stop)

    simulate(ring_grid(6), 5, engine=Spy(), stop="published", horizon=70.0, threads=3)
    trajectories(ring_grid(6), 0, 0.0, 0.0, engine=Spy(), stop="horizon", horizon=9.0, threads=2)
    assert seen == [(stop_rule("published"), 70.0, 3), (stop_rule("horizon"), 9.0, 2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "samples must be at least 1, got 0"),
        ({"samples": True}, "samples must be an integer, got True"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"precision": float("nan")}, "precision must be positive and finite, got nan"),
        ({"precision": 0.0}, "precision must be positive and finite, got 0.0"),
        ({"precision": 0.5}, "precision must be below 0.5, got 0.5"),
        ({"horizon": float("inf")}, "horizon must be positive and finite, got inf"),
        ({"dtheta_range": -1.0}, "dtheta_range must be positive and finite, got -1.0"),
        ({"domega_range": float("nan")}, "domega_range must be positive and finite, got nan"),
        ({"horizon": 1e308}, "horizon must be at most 1,000,000 s, got 1e+308"),
        ({"horizon": True}, "horizon must be positive and finite, got True"),
        ({"dtheta_range": 1e9}, "dtheta_range must be at most 1,000 rad, got 1000000000.0"),
        ({"domega_range": 1e9}, "domega_range must be at most 10,000 rad/s"),
        ({"samples": 10**30}, "samples must be at most 1,000,000,000, got 1000"),
        ({"stop": ["fast"]}, "unknown stop rule ['fast']"),
        ({"sampler": None}, "unknown sampler None"),
        ({"engine": b"native"}, "engine must be a name, got b'native'"),
        ({"stop": "soon"}, "unknown stop rule 'soon'; choose one of horizon"),
        ({"sampler": "lhs"}, "unknown sampler 'lhs'; choose one of mc, sobol"),
        ({"sampler": "sobol", "scrambles": 1}, "scrambles must be at least 2, got 1"),
        ({"sampler": "sobol", "samples": 1000}, "got 1000; use 512 or 1024"),
        ({"sampler": "sobol", "samples": 384}, "got 384; use 256 or 512"),
        ({"sampler": "sobol", "samples": 5}, "got 5; use 8"),
    ],
)
def test_settings_refuse_what_makes_no_sense(options, message):
    with pytest.raises(InvalidParameterError) as caught:
        Settings(**options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_of_the_wrong_type_are_refused():
    for value in (1.5, float("nan"), "3", None):
        with pytest.raises(InvalidParameterError, match="samples must be an integer"):
            at_least("samples", value, 1)
    with pytest.raises(InvalidParameterError, match="positive and finite, got '3'"):
        positive("horizon", "3")
    at_least("samples", np.int32(4), 1)
    positive("horizon", np.float32(4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: outcomes(ring_grid(6), 6, 0.0, 0.0, engine=ENGINE), "node must be 0 to 5.*got 6"),
        (lambda: outcomes(ring_grid(6), -1, 0.0, 0.0, engine=ENGINE), "got -1"),
        (lambda: outcomes(ring_grid(6), 1.0, 0.0, 0.0, engine=ENGINE), "node must be an integer"),
        (
            lambda: outcomes(ring_grid(6), 1, [0.0, np.nan], 0.0, engine=ENGINE),
            "dtheta must be finite, got nan",
        ),
        (lambda: outcomes(ring_grid(6), 1, 0.0, np.inf, engine=ENGINE), "domega must be finite"),
        (lambda: outcomes(ring_grid(6), 1, "a", 0.0, engine=ENGINE), "dtheta must be numbers"),
        (
            lambda: outcomes(ring_grid(6), 1, np.zeros(2), np.zeros(3), engine=ENGINE),
            r"must broadcast, got shapes \(\), \(2,\) and \(3,\)",
        ),
        (lambda: simulate(ring_grid(6), 10, engine=ENGINE, threads=0), "threads must be at least"),
        (lambda: counted([6]), "node must be 0 to 5 in this grid, got 6"),
        (
            lambda: simulate_nodes(
                MODEL, [0], Settings(precision=0.1), engine=ENGINE, first_sample=5
            ),
            "precision decides",
        ),
        (
            lambda: simulate_nodes(
                MODEL, [0], Settings(samples=10), engine=ENGINE, first_sample=5, samples=6
            ),
            "within 0 to 10, got 5 to 11",
        ),
    ],
)
def test_calls_refuse_what_makes_no_sense(call, message):
    with pytest.raises(InvalidParameterError, match=message):
        call()


def test_unknown_engines_are_refused():
    with pytest.raises(EngineUnavailableError, match="'abacus'"):
        simulate(ring_grid(6), 10, engine="abacus")


def test_the_public_surface_holds_functions_not_modules():
    import gridstab.dynamics.basin_map
    import gridstab.dynamics.simulate

    for name in ("simulate", "basin_map", "outcomes", "trajectories", "make_engine"):
        assert callable(getattr(gridstab.dynamics, name))
    assert gridstab.dynamics.Perturbations is Perturbations
    assert set(gridstab.dynamics.__all__) <= set(dir(gridstab.dynamics))
    with pytest.raises(AttributeError, match="nothing"):
        _ = gridstab.dynamics.nothing


def test_a_single_node_always_returns() -> None:
    result = simulate(PowerGrid.from_arrays([], [0.0], name="alone"), samples=20, threads=1)
    assert result.snbs.tolist() == [1.0]


def test_wrong_types_end_in_one_line():
    """In a process of its own: here, the test run's own check of types would come first."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.gridstab.dynamics.wrong_types"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "all refused or taken\n"), done.stderr[-2000:]
