"""Grids that are faster, slower or more strongly damped than the published ones.

The truth is Dormand–Prince 8(5,3) at a tolerance of 1e-10, which SciPy confirms. A trajectory is
compared where its outcome is beyond doubt: those of four neighbours, 2e-3 to each side in phase and
frequency, and of a solver with a tolerance of 1e-6 must be the same.
"""

from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gridstab.dynamics.cuda.layout import Layout
from gridstab.dynamics.engine import (
    STOP_RULES,
    Engine,
    Perturbations,
    Reason,
    Status,
    Trajectories,
)
from gridstab.dynamics.engines import ENGINES
from gridstab.dynamics.outcomes import trajectories
from gridstab.dynamics.rates import oscillation_rates, slowest_decay
from gridstab.dynamics.reference.engine import ReferenceEngine, integrate
from gridstab.dynamics.schedule import (
    EARLY_STEP,
    MOST_STEPS,
    make_schedule,
    run_by_speed,
    single_precision_suffices,
)
from gridstab.dynamics.swing import SwingModel
from gridstab.dynamics.thresholds import thresholds
from gridstab.errors import InvalidParameterError
from gridstab.grids.growth import random_grid
from gridstab.grids.power_grid import PowerGrid
from tests.gridstab.dynamics.cuda_on_cpu.emulated import COMPILER, EmulatedDevice, emulated_engine

TRUTH = ReferenceEngine("dop853", 1e-10, 1e-10)
COARSE = ReferenceEngine("tsit5", 1e-6, 1e-6)
FAST = STOP_RULES["fast"]
MOST_EARLY_STEPS = 20_000
"""Horizons are cut to so many steps: no test simulates a stiff grid for minutes."""

TOPOLOGIES = {
    "star": [(0, i) for i in range(1, 6)],
    "path": [(i, i + 1) for i in range(6)],
    "random": random_grid(10, seed=3).lines,
}

Numbers = tuple[str, float, float, float]
"""Topology, coupling K, friction D/m, and decades over which the inertias spread."""

QUICK: list[Numbers] = [
    ("star", 9.0, 1.0, 0.0),
    ("star", 9.0, 20.0, 0.0),
    ("path", 9.0, 0.01, 0.0),
    ("path", 9.0, 1.0, 4.0),
    ("random", 0.01, 0.1, 4.0),
    ("random", 9.0, 30.0, 0.0),
    ("random", 9.0, 1000.0, 0.0),
    ("star", 1000.0, 1.0, 0.0),
    ("random", 1000.0, 0.1, 4.0),
]
FULL: list[Numbers] = list(
    product(TOPOLOGIES, (0.01, 1.0, 9.0, 100.0, 1000.0), (0.01, 0.1, 1.0, 10.0, 1000.0), (0.0, 4.0))
)


def make_grid(numbers: Numbers) -> PowerGrid:
    """Powers are a tenth of K."""
    topology, coupling, friction, decades = numbers
    rng = np.random.default_rng(1)
    lines = np.asarray(TOPOLOGIES[topology])
    nodes = int(lines.max()) + 1
    power = rng.choice([-1.0, 1.0], nodes)
    inertia = 10.0 ** rng.uniform(-decades / 2, decades / 2, nodes)
    return PowerGrid.from_arrays(
        lines,
        0.1 * coupling * (power - power.mean()),
        inertia=inertia,
        damping=friction * inertia,
        coupling=coupling,
    )


def within_reach(model: SwingModel, longest: float, fastest_offset: float) -> float:
    """The horizon, shortened until the engines take it and a test does not last for minutes."""
    while True:
        try:
            step = make_schedule(model, FAST, longest, fastest_offset=fastest_offset).step
        except InvalidParameterError:
            longest /= 2
        else:
            return min(longest, MOST_EARLY_STEPS * step)


@cache
def case(
    numbers: Numbers, count: int, longest: float
) -> tuple[SwingModel, Perturbations, float, Trajectories, np.ndarray, np.ndarray]:
    """A model, perturbations, horizon, the truth, where it is beyond doubt, and how far the
    largest frequencies of neighbours are from each other."""
    grid = make_grid(numbers)
    model = SwingModel.of(grid)
    rng = np.random.default_rng(2)
    node = rng.integers(0, grid.num_nodes, count)
    speed = 3 * np.sqrt(grid.coupling[0] / grid.inertia[node])
    dtheta, domega = rng.uniform(-np.pi, np.pi, count), rng.uniform(-1, 1, count) * speed
    horizon = within_reach(model, longest, float(speed.max()))

    def run(turn: float, push: float, solver: ReferenceEngine = TRUTH) -> Trajectories:
        start = Perturbations(node, dtheta + turn, domega + push * speed)
        return solver.run(model, start, stop=STOP_RULES["horizon"], horizon=horizon)

    truth = run(0.0, 0.0)
    near = [run(*shift) for shift in ((2e-3, 0.0), (-2e-3, 0.0), (0.0, 2e-3), (0.0, -2e-3))]
    near.append(run(0.0, 0.0, COARSE))
    clear = np.all([other.status == truth.status for other in near], axis=0)
    spread = np.max([np.abs(other.max_frequency - truth.max_frequency) for other in near], axis=0)
    return model, Perturbations(node, dtheta, domega), horizon, truth, clear, spread


def assert_true(engine: Engine, numbers: Numbers, count: int, longest: float) -> None:
    """Outcomes are those of the truth, whatever the stop rule, and largest frequencies within
    the bounds that ``docs/integrator.md`` states."""
    model, perturbations, horizon, truth, clear, spread = case(numbers, count, longest)
    assert clear.mean() > 0.5
    returned = truth.status == Status.RETURNED
    # At looks h apart a crest of a swing at rate r is missed by (hr)²/8 of the swing at most, and
    # steps are 2h in the end.
    step = make_schedule(model, FAST, horizon).step
    missed = (2 * step * float(oscillation_rates(model.grid).max())) ** 2 / 8
    lowest = truth.max_frequency * (1 - missed - 0.002) - 3 * spread
    highest = truth.max_frequency * 1.005 + 3 * spread + 1e-3
    # What neighbours do not agree on is chaos, and nobody's to compute.
    sharp = spread <= 0.01 * truth.max_frequency
    clear = clear & sharp
    assert clear.mean() > 0.3
    for name in ("horizon", "certified", "fast"):
        outcome = engine.run(model, perturbations, stop=STOP_RULES[name], horizon=horizon)
        np.testing.assert_array_equal((outcome.status == Status.RETURNED)[clear], returned[clear])
        assert not (outcome.reason == Reason.DIVERGED).any()
        assert (outcome.max_frequency <= highest)[sharp].all()
        if name == "horizon":
            assert (outcome.max_frequency >= lowest)[sharp].all()
            # Survivability, for bounds that no largest frequency is near to.
            for bound in np.quantile(truth.max_frequency, [0.2, 0.5, 0.8]):
                decided = sharp & ((lowest > bound) | (highest < bound))
                survives = truth.max_frequency < bound
                assert ((outcome.max_frequency < bound) == survives)[decided].all()
    published = engine.run(model, perturbations, stop=STOP_RULES["published"], horizon=horizon)
    assert (published.status[clear & returned] == Status.RETURNED).all()


@pytest.fixture(scope="module", params=[name for name in ENGINES if name != "cuda"])
def engine(request: pytest.FixtureRequest) -> Engine:
    made = ENGINES[request.param]()
    state = made.availability()
    if not state.usable:
        pytest.skip(f"{request.param}: {state.why}")
    return made


@pytest.mark.parametrize("numbers", QUICK, ids=str)
def test_outcomes_are_true_on_any_time_scale(engine: Engine, numbers: Numbers) -> None:
    assert_true(engine, numbers, 6, 60.0)


@pytest.mark.slow
@pytest.mark.parametrize("numbers", FULL, ids=str)
def test_outcomes_are_true_on_every_time_scale(engine: Engine, numbers: Numbers) -> None:
    assert_true(engine, numbers, 24, 500.0)


@pytest.mark.skipif(COMPILER is None, reason="g++ is not installed")
def test_the_gpu_kernel_is_true_where_single_precision_is_enough(
    request: pytest.FixtureRequest,
) -> None:
    kernels = request.config.cache
    assert kernels is not None
    device = EmulatedDevice(Path(kernels.mkdir("cuda_on_cpu")))
    numbers: Numbers
    for numbers in (("star", 9.0, 20.0, 0.0), ("path", 9.0, 1.0, 4.0)):
        layout = Layout(4, 4, 5, shared_rows=True, homogeneous=numbers[0] == "star")
        cuda = emulated_engine(device, layout=layout)
        assert_true(cuda, numbers, 6, 20.0)
    model, start, horizon, *_ = case(("random", 9.0, 1000.0, 0.0), 6, 60.0)
    with pytest.raises(InvalidParameterError, match=r"float32.*take engine 'native'"):
        cuda.run(model, start, stop=FAST, horizon=horizon)


# Largest frequencies, against SciPy.


@pytest.mark.parametrize("damping", [0.01, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("name", ["native", "native64", "dop853", "tsit5"])
def test_the_crest_after_a_shock(name: str, damping: float) -> None:
    """A star whose hub is turned back and pushed on, for ten seconds."""
    power = np.array([2.0, -0.5, -0.5, -0.5, -0.5])
    grid = PowerGrid.from_arrays([(0, 1), (0, 2), (0, 3), (0, 4)], power, damping=damping)
    start = np.concatenate([SwingModel.of(grid).theta, np.zeros(5)])
    start[0] -= 1.8
    start[5] += 12.4

    def slope(_: float, state: np.ndarray) -> np.ndarray:
        flow = 9.0 * np.sin(state[1:5] - state[0])
        force = power - damping * state[5:] + np.concatenate([[flow.sum()], -flow])
        return np.concatenate([state[5:], force])

    times = np.linspace(0, 10, 20_001)
    states = solve_ivp(slope, (0, 10), start, "DOP853", times, rtol=1e-10, atol=1e-10).y
    crest = np.abs(states[5:]).max()
    got = trajectories(grid, 0, -1.8, 12.4, engine=name, stop="horizon", horizon=10.0, threads=1)
    # Fixed steps miss a crest by up to (hr)²/8, and overestimate none by more than 0.2 %.
    below = 0.015 if name.startswith("native") else 1e-4
    assert crest * (1 - below) <= got.max_frequency[0] <= crest * 1.002


@pytest.mark.parametrize(("method", "tolerance"), [("dop853", 1e-9), ("tsit5", 1e-6)])
def test_crests_between_adaptive_steps(method: str, tolerance: float) -> None:
    """As large as those of a thousand looks a second, while the steps are some 0.1 s long."""
    model = SwingModel.of(random_grid(10, seed=3))
    rng = np.random.default_rng(4)
    start = Perturbations(np.arange(10), rng.uniform(-3, 3, 10), rng.uniform(-15, 15, 10))
    _, omega = integrate(model, start, np.arange(1, 8001) / 1000, rtol=1e-10, atol=1e-10)
    crests = np.maximum(np.abs(omega).max(axis=(1, 2)), np.abs(start.domega))
    engine = ReferenceEngine(method, tolerance, tolerance)
    outcome = engine.run(model, start, stop=STOP_RULES["horizon"], horizon=8.0)
    np.testing.assert_allclose(outcome.max_frequency, crests, rtol=5e-4)


# The schedule.


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("nodes", [20, 100])
def test_published_grids_keep_their_steps_and_times(nodes: int, seed: int) -> None:
    model = SwingModel.of(random_grid(nodes, seed=seed))
    for rule in STOP_RULES.values():
        schedule = make_schedule(model, rule, 500.0)
        ticks = round(1 / schedule.interval)
        assert schedule.step == pytest.approx(EARLY_STEP, rel=1e-12)
        assert schedule.switch == 40 * ticks
        assert schedule.window == 10 * ticks
        assert schedule.time_to_settle == 100 * ticks
        assert single_precision_suffices(model, rule, schedule)
    limits = thresholds(FAST, model)
    assert (limits.time_to_settle, limits.settled_window) == (100.0, 10.0)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("friction", [0.01, 1.0, 30.0])
def test_the_slowest_decay_is_an_eigenvalue(topology: str, friction: float) -> None:
    """Of the linearised equation, as a dense matrix of all phases and frequencies."""
    model = SwingModel.of(make_grid((topology, 9.0, friction, 2.0)))
    grid, nodes = model.grid, model.grid.num_nodes
    laplacian = np.zeros((nodes, nodes))
    for (a, b), phase in zip(grid.lines, model.phase_difference, strict=True):
        ends = np.ix_([a, b], [a, b])
        laplacian[ends] += 9.0 * np.cos(phase) * np.array([[1, -1], [-1, 1]])
    jacobian = np.block(
        [
            [np.zeros((nodes, nodes)), np.eye(nodes)],
            [-laplacian / grid.inertia[:, None], -np.diag(grid.damping / grid.inertia)],
        ]
    )
    rates = np.sort(-np.linalg.eigvals(jacobian).real)
    # The first is the common phase, which nothing turns back.
    assert abs(rates[0]) < 1e-6
    assert model.slowest_decay == pytest.approx(rates[1], rel=1e-6)


def test_large_grids_find_the_same_slowest_decay() -> None:
    """A path of 300 nodes creeps at 2 K (1 − cos π/300) / D."""
    grid = PowerGrid.from_arrays([(i, i + 1) for i in range(299)], np.zeros(300), damping=5.0)
    creep = 2 * 9.0 * (1 - np.cos(np.pi / 300)) / 5.0
    rate = 2.5 - np.sqrt(6.25 - 5 * creep)
    assert slowest_decay(grid, np.zeros(299)) == pytest.approx(rate, rel=1e-6)


def test_certified_labels_of_creeping_grids_are_those_of_the_horizon() -> None:
    """With strong damping a swing outlives m/D by far; what is certified has the time it needs."""
    grid = PowerGrid.from_arrays([(i, i + 1) for i in range(9)], np.zeros(10), damping=4.0)
    rng = np.random.default_rng(0)
    node, dtheta = rng.integers(0, 10, 40), rng.uniform(-3, 3, 40)
    for horizon in (3.0, 6.0, 12.0):
        certified, at_horizon = (
            trajectories(
                grid, node, dtheta, 0.0, engine="native64", stop=stop, horizon=horizon, threads=1
            ).status
            for stop in ("certified", "horizon")
        )
        assert (at_horizon[certified == Status.RETURNED] == Status.RETURNED).all()


def test_slow_grids_are_not_taken_for_settled() -> None:
    """A kick to a heavy pair: both drift on together at 1.5 rad/s, hardly slower in 10 s."""
    grid = PowerGrid.from_arrays([(0, 1)], [1.0, -1.0], inertia=1000.0, damping=1.0, coupling=500)
    for name in ("native", "dop853"):
        outcome = trajectories(grid, 0, 0.0, 3.0, engine=name, horizon=400.0, threads=1)
        assert outcome.reason[0] != Reason.SETTLED
    assert thresholds(FAST, SwingModel.of(grid)).settled_window == pytest.approx(1000.0)


def test_couplings_of_five_decades_are_certified_in_double_precision() -> None:
    """Rounding of the strong lines' energy in float32 would hide the barrier of the weak one."""
    grid = PowerGrid.from_arrays(
        [(0, 1), (1, 2), (2, 3)], np.zeros(4), coupling=[1000.0, 1000.0, 0.01]
    )
    model = SwingModel.of(grid)
    schedule = make_schedule(model, FAST, 100.0)
    assert not single_precision_suffices(model, FAST, schedule)
    assert single_precision_suffices(model, STOP_RULES["horizon"], schedule)


def test_fast_perturbations_take_shorter_steps_of_their_own() -> None:
    """A node at 157 rad/s turns once in 0.04 s: its lines' forces would look constant."""
    grid = PowerGrid.from_arrays([(0, 1), (0, 2)], np.zeros(3), damping=0.5)
    domega = np.array([1.0, 157.0, -14.0, 40.0])
    together = trajectories(grid, 0, 0.3, domega, engine="native64", horizon=60.0, threads=1)
    truth = trajectories(grid, 0, 0.3, domega, engine="dop853", horizon=60.0, threads=1)
    np.testing.assert_array_equal(together.status, truth.status)
    np.testing.assert_allclose(together.max_frequency, truth.max_frequency, rtol=0.01)
    for k in range(4):
        alone = trajectories(grid, 0, 0.3, domega[k], engine="native64", horizon=60.0, threads=1)
        for field in vars(together):
            assert getattr(together, field)[k] == getattr(alone, field)[0]
    parts = []

    def record(part: Perturbations, fastest_offset: float) -> Trajectories:
        parts.append((len(part), fastest_offset))
        return Trajectories.empty(len(part))

    run_by_speed(Perturbations(np.zeros(4, int), np.zeros(4), domega), record)
    assert parts == [(2, 15.0), (1, 60.0), (1, 240.0)]


def test_whole_turns_of_an_offset_do_not_matter() -> None:
    grid = make_grid(("path", 9.0, 0.1, 0.0))
    plain = trajectories(grid, 2, 0.5, 3.0, threads=1)
    turned = trajectories(grid, 2, 0.5 + 2 * np.pi * 1000, 3.0, threads=1)
    np.testing.assert_allclose(turned.max_frequency, plain.max_frequency, rtol=1e-4)


@pytest.mark.parametrize("name", ["native", "dop853"])
@pytest.mark.parametrize(
    ("changes", "horizon", "complaint"),
    [
        ({"damping": [0.1, 1e6, 0.1]}, 500.0, r"node 1 decays at D/m = 1e\+06 1/s.*units of"),
        ({"coupling": 1e13}, 500.0, "lines of node 1 swing it at up to .* rad/s"),
        ({"damping": 0.0, "power": [1e6, -5e5, -5e5], "coupling": 1e7}, 5e3, "node 0, once out of"),
        ({"damping": 0.0}, 9e5, r"a horizon of 900000 s takes .* more than 20,000,000; shorten"),
    ],
)
def test_absurd_costs_are_refused_with_the_rate(
    name: str, changes: dict[str, object], horizon: float, complaint: str
) -> None:
    values: dict[str, object] = {"power": [1.0, -0.5, -0.5]} | changes
    grid = PowerGrid.from_arrays([(0, 1), (1, 2)], **values)
    with pytest.raises(InvalidParameterError, match=complaint) as refused:
        trajectories(grid, 0, 0.1, 0.0, engine=name, horizon=horizon, threads=1)
    assert "\n" not in str(refused.value)
    assert f"{MOST_STEPS:,}" in str(refused.value)


@pytest.mark.parametrize("numbers", FULL, ids=str)
def test_what_is_trapped_is_quiet_at_the_horizon(numbers: Numbers) -> None:
    """Swings with all the energy that a trapped state may have, at the rate of the slowest mode."""
    model = SwingModel.of(make_grid(numbers))
    limits = thresholds(FAST, model)
    left = limits.trapping_energy * np.exp(-2 * model.slowest_decay * limits.time_to_settle)
    assert left < limits.quiet_energy
