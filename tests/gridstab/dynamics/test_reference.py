"""The reference engines against order conditions, SciPy, matrix exponentials and the oracle."""

from collections.abc import Iterator
from functools import cache
from itertools import combinations_with_replacement
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from gridstab.dynamics import oracle
from gridstab.dynamics.engine import (
    RETURN_FREQUENCY,
    STOP_RULES,
    Perturbations,
    Reason,
    Status,
    StopRule,
    Trajectories,
)
from gridstab.dynamics.engines import make_engine
from gridstab.dynamics.reference.engine import ReferenceEngine, integrate, integrate_fixed
from gridstab.dynamics.reference.stopping import (
    basin_energy,
    close_window,
    make_certificate,
    make_stops,
    make_window,
    open_first_window,
    widen_window,
)
from gridstab.dynamics.reference.tableaus import METHODS, Tableau
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import InvalidParameterError
from gridstab.grids.growth import random_grid
from gridstab.grids.power_grid import PowerGrid

ORDERS = {"tsit5": 5, "dopri5": 5, "dop853": 8}
RING = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)]
FIELDS = ("status", "reason", "stop_time", "max_frequency")


def uneven_grid(**changes: object) -> PowerGrid:
    """A ring with a chord and a leaf, where no two nodes or lines are alike."""
    values: dict[str, object] = {
        "power": [1.0, -0.5, 1.5, -1.0, -1.5, 1.0, -0.5],
        "inertia": [1.0, 2.0, 0.5, 1.5, 1.2, 0.8, 0.7],
        "damping": [0.1, 0.3, 0.05, 0.2, 0.05, 0.4, 0.15],
        "coupling": [8.0, 9.0, 7.0, 6.0, 10.0, 5.0, 9.0, 8.5],
    }
    return PowerGrid.from_arrays([*RING, (1, 4), (2, 6)], **(values | changes))


GRIDS = {
    "two nodes": PowerGrid.from_arrays([(0, 1)], [1.0, -1.0]),
    "star": PowerGrid.from_arrays([(0, k) for k in range(1, 5)], [2.0, -1.0, -1.0, 1.0, -1.0]),
    "tree": PowerGrid.from_arrays(
        [(0, 1), (1, 2), (1, 3), (3, 4)], [1.0, 0.0, -1.0, 1.0, -1.0], inertia=[1, 2, 1, 0.5, 1]
    ),
    "ring": PowerGrid.from_arrays(RING, [1.0, -1.0] * 3),
    "uneven": uneven_grid(),
    "random": random_grid(12, seed=3),
}


def draw(grid: PowerGrid, count: int, seed: int = 0) -> Perturbations:
    rng = np.random.default_rng(seed)
    return Perturbations(
        rng.integers(0, grid.num_nodes, count),
        rng.uniform(-np.pi, np.pi, count),
        rng.uniform(-15, 15, count),
    )


def one(node: int, dtheta: float, domega: float) -> Perturbations:
    return Perturbations(np.array([node]), np.array([dtheta]), np.array([domega]))


ROUNDING = 2e-14
"""Coefficients of size 10, each to 16 digits, add up to sums of size 1."""

# Tableaus: order conditions, one for every rooted tree (Hairer et al., section II.2).

Tree = tuple["Tree", ...]


@cache
def trees(order: int) -> list[Tree]:
    """All rooted trees of that many vertices; a tree is the sorted tuple of its branches."""

    def forests(vertices: int, largest: int) -> Iterator[Tree]:
        if vertices == 0:
            yield ()
        for size in range(min(vertices, largest), 0, -1):
            for count in range(vertices // size, 0, -1):
                for heads in combinations_with_replacement(trees(size), count):
                    for rest in forests(vertices - size * count, size - 1):
                        yield heads + rest

    return list(forests(order - 1, order - 1))


def vertices(tree: Tree) -> int:
    return 1 + sum(map(vertices, tree))


def density(tree: Tree) -> int:
    return vertices(tree) * prod(map(density, tree))


def stage_values(tree: Tree, matrix: np.ndarray) -> np.ndarray:
    return prod(
        (matrix @ stage_values(branch, matrix) for branch in tree), start=np.ones(len(matrix))
    )


def with_last_slope(tableau: Tableau) -> tuple[np.ndarray, np.ndarray]:
    """The matrix and weights with the slope of the new state as one more stage."""
    stages = len(tableau.weights)
    matrix = np.zeros((stages + 1, stages + 1))
    matrix[:stages, :stages] = tableau.matrix
    matrix[stages, :stages] = tableau.weights
    return matrix, np.append(tableau.weights, 0.0)


def violation(matrix: np.ndarray, weights: np.ndarray, order: int) -> float:
    return max(
        abs(weights @ stage_values(tree, matrix) - 1 / density(tree)) for tree in trees(order)
    )


def test_there_are_as_many_rooted_trees_as_known() -> None:
    assert [len(trees(order)) for order in range(1, 10)] == [1, 1, 2, 4, 9, 20, 48, 115, 286]


@pytest.mark.parametrize("name", METHODS)
def test_order_conditions(name: str) -> None:
    matrix, weights = with_last_slope(METHODS[name])
    for order in range(1, ORDERS[name] + 1):
        assert violation(matrix, weights, order) < ROUNDING
    assert violation(matrix, weights, ORDERS[name] + 1) > 1e-6


@pytest.mark.parametrize(
    ("name", "field", "order"),
    [
        ("tsit5", "error", 4),
        ("dopri5", "error", 4),
        ("dop853", "error", 5),
        ("dop853", "error_correction", 3),
    ],
)
def test_embedded_methods_have_their_order(name: str, field: str, order: int) -> None:
    matrix, weights = with_last_slope(METHODS[name])
    embedded = weights - getattr(METHODS[name], field)
    for lower in range(1, order + 1):
        assert violation(matrix, embedded, lower) < ROUNDING
    assert violation(matrix, embedded, order + 1) > 1e-6


# States.


@pytest.mark.parametrize("name", GRIDS)
def test_states_are_those_of_scipy_at_a_finer_tolerance(name: str) -> None:
    model, times = SwingModel.of(GRIDS[name]), np.array([0.0, 2.0, 8.0])
    perturbations = Perturbations(np.array([0, 1]), np.array([1.0, -2.0]), np.array([8.0, 4.0]))
    theta, omega = integrate(model, perturbations, times)
    for k, perturbation in enumerate([(0, 1.0, 8.0), (1, -2.0, 4.0)]):
        want = oracle.simulate_trajectory(model, *perturbation, times, 1e-10)
        np.testing.assert_allclose(theta[k], want[0], atol=1e-6)
        np.testing.assert_allclose(omega[k], want[1], atol=1e-6)


@pytest.mark.parametrize(("method", "scipys"), [("dopri5", "RK45"), ("dop853", "DOP853")])
def test_steps_are_those_of_scipy(method: str, scipys: str) -> None:
    """At a loose tolerance states agree to rounding only if every accepted step does."""
    model = SwingModel.of(GRIDS["uneven"])
    n, time = 7, 6.0
    start = np.concatenate(oracle.perturbed_state(model, 2, 1.0, 4.0))

    def slope(_: float, state: np.ndarray) -> np.ndarray:
        return np.concatenate(oracle.right_hand_side(model, state[:n], state[n:]))

    want = solve_ivp(slope, (0, time), start, scipys, rtol=1e-3, atol=1e-4).y[:, -1]
    got = integrate(model, one(2, 1.0, 4.0), np.array([time]), method=method, rtol=1e-3, atol=1e-4)
    exact = np.ravel(oracle.simulate_trajectory(model, 2, 1.0, 4.0, np.array([time])))
    assert np.abs(want - exact).max() > 1e-4
    np.testing.assert_allclose(np.ravel(got), want, atol=1e-10)


def observed_order(
    model: SwingModel,
    perturbation: Perturbations,
    time: float,
    method: str,
    want: np.ndarray,
) -> float:
    """Slope of the error at three numbers of fixed steps."""
    counts = [32, 48, 64] if method == "dop853" else [256, 384, 512]
    errors = [
        np.linalg.norm(
            np.ravel(integrate_fixed(model, perturbation, time / count, count, method=method))
            - want
        )
        for count in counts
    ]
    return -float(np.polyfit(np.log(counts), np.log(errors), 1)[0])


@pytest.mark.parametrize("method", METHODS)
def test_order_on_the_linearised_equation(method: str) -> None:
    """At P = 0 the swing equation is linear but for a cubic term, 1e-14 of these amplitudes."""
    model = SwingModel.of(uneven_grid(power=np.zeros(7)))
    grid, n, size, time = model.grid, 7, 1e-7, 2.0
    jacobian = np.zeros((2 * n, 2 * n))
    jacobian[:n, n:] = np.eye(n)
    jacobian[n:, :n] = -grid.laplacian(weighted=True).toarray() / grid.inertia[:, None]
    jacobian[n:, n:] = -np.diag(grid.damping / grid.inertia)
    start = np.zeros(2 * n)
    start[2], start[n + 2] = size, -size
    order = observed_order(model, one(2, size, -size), time, method, expm(jacobian * time) @ start)
    # The leading error term of tsit5 is so small that the next one still shows.
    above = 0.4 if method == "tsit5" else 0.2
    assert ORDERS[method] - 0.2 < order < ORDERS[method] + above


@pytest.mark.parametrize("method", METHODS)
def test_order_on_a_large_perturbation(method: str) -> None:
    """Steps small enough for the leading error term alone would meet rounding at order 8."""
    model, perturbation, time = SwingModel.of(GRIDS["uneven"]), one(2, 1.5, -3.0), 3.0
    exact = integrate(model, perturbation, np.array([time]), rtol=1e-13, atol=1e-13)
    order = observed_order(model, perturbation, time, method, np.ravel(exact))
    assert ORDERS[method] - 0.2 < order < ORDERS[method] + 0.9


def test_energy_is_kept_without_damping_and_falls_with_it() -> None:
    times = np.linspace(0, 100, 201)
    for damping, grid in ((False, uneven_grid(damping=0.0)), (True, uneven_grid())):
        model = SwingModel.of(grid)
        theta, omega = integrate(model, one(2, 1.0, 3.0), times)
        energies = [oracle.energy(model, *state) for state in zip(theta[0], omega[0], strict=True)]
        if damping:
            assert (np.diff(energies) < 0).all()
            assert energies[-1] < 0.01 * energies[0]
        else:
            np.testing.assert_allclose(energies, energies[0], rtol=1e-6)


def test_a_common_phase_changes_nothing() -> None:
    grid = GRIDS["uneven"]
    theta = SwingModel.of(grid).theta
    times, perturbations = np.array([1.0, 5.0]), draw(grid, 4)
    plain = integrate(SwingModel.of(grid, theta=theta), perturbations, times)
    shifted = integrate(SwingModel.of(grid, theta=theta + 0.3), perturbations, times)
    np.testing.assert_allclose(shifted[0] - 0.3, plain[0], atol=1e-7)
    # At equal steps even the error is the same; relative tolerances see the phases themselves.
    plain = integrate_fixed(SwingModel.of(grid, theta=theta), perturbations, 0.05, 60)
    shifted = integrate_fixed(SwingModel.of(grid, theta=theta + 0.3), perturbations, 0.05, 60)
    np.testing.assert_allclose(shifted[0] - 0.3, plain[0], atol=1e-10)
    np.testing.assert_allclose(shifted[1], plain[1], atol=1e-10)


def test_relabelling_nodes_permutes_the_states() -> None:
    grid, perturbations = GRIDS["uneven"], draw(GRIDS["uneven"], 4)
    new_label = np.random.default_rng(5).permutation(7)
    old_label = np.argsort(new_label)
    renamed = PowerGrid.from_arrays(
        new_label[grid.lines],
        grid.power[old_label],
        inertia=grid.inertia[old_label],
        damping=grid.damping[old_label],
        coupling=grid.coupling,
    )
    theta = SwingModel.of(grid).theta
    times = np.array([3.0])
    want = integrate(SwingModel.of(grid, theta=theta), perturbations, times)
    got = integrate(
        SwingModel.of(renamed, theta=theta[old_label]),
        Perturbations(new_label[perturbations.node], perturbations.dtheta, perturbations.domega),
        times,
    )
    for mine, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(mine[..., new_label], theirs, atol=1e-9)


# Stops.


@given(seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_basin_energy_is_that_of_the_oracle(seed: int) -> None:
    """On random states of a grid with two cycles, whole turns included; both outcomes occur."""
    rng = np.random.default_rng(seed)
    model = SwingModel.of(GRIDS["uneven"])
    spread = rng.choice([0.5, 1.5, 3.0])
    theta = model.theta + rng.normal(size=7) * spread + 2 * np.pi * rng.integers(-3, 4, 7)
    omega = rng.normal(size=7)
    want = oracle.basin_energy(model, theta, omega)
    got = basin_energy(theta, omega, make_certificate(model))
    assert got == pytest.approx(want, rel=1e-9)


def test_the_twisted_ring_has_no_basin_energy() -> None:
    model = SwingModel.of(PowerGrid.from_arrays(RING, np.zeros(6)))
    twisted = 2 * np.pi * np.arange(6) / 6
    assert basin_energy(twisted, np.zeros(6), make_certificate(model)) == np.inf


def test_a_window_settles_only_when_it_repeats() -> None:
    stops = make_stops(STOP_RULES["fast"], SwingModel.of(GRIDS["two nodes"]))

    def closes(means: list[float], extremes: list[float]) -> list[bool]:
        window, theta, answers = make_window(2), np.zeros(2), []
        open_first_window(window, theta)
        for mean, extreme in zip(means, extremes, strict=True):
            widen_window(window, np.array([mean - extreme, 0.0]))
            widen_window(window, np.array([mean + extreme, 0.0]))
            theta = theta + np.array([mean * stops.settled_window, 0.0])
            answers.append(close_window(window, theta, stops))
        return answers

    assert closes([5.0, 5.0, 5.01], [1.0, 1.0, 1.0]) == [False, True, True]
    assert closes([5.0, 5.03], [1.0, 1.0]) == [False, False]
    assert closes([5.0, 5.0], [1.0, 1.03]) == [False, False]
    assert closes([0.9, 0.9], [1.0, 1.0]) == [False, False]
    assert closes([-5.0, -5.0], [1.0, 1.0]) == [False, True]


@pytest.mark.parametrize("name", ["uneven", "random"])
def test_certified_stops_are_at_the_first_check_that_the_oracle_certifies(name: str) -> None:
    model, rule = SwingModel.of(GRIDS[name]), StopRule("test", certified=True, settling=1.0)
    horizon, perturbations = 300.0, draw(GRIDS[name], 25)
    outcome = ReferenceEngine().run(model, perturbations, stop=rule, horizon=horizon)
    checks = np.arange(1.0, 21.0)
    theta, omega = integrate(model, perturbations, checks)
    barrier = rule.margin * model.lowest_barrier
    stopped = 0
    for k in range(len(perturbations)):
        energies = [
            oracle.basin_energy(model, *state) for state in zip(theta[k], omega[k], strict=True)
        ]
        low = np.flatnonzero(np.array(energies) < barrier)
        if len(low):
            stopped += 1
            assert outcome.stop_time[k] == checks[low[0]]
            assert outcome.status[k] == Status.RETURNED
            assert outcome.reason[k] == Reason.CERTIFIED
        else:
            assert outcome.stop_time[k] > checks[-1]
    assert 5 < stopped < 25


def test_published_stops_are_at_the_first_quiet_step() -> None:
    """Between the last loud and the first quiet time of a fine grid, and never before t = 1."""
    model, perturbations = SwingModel.of(GRIDS["tree"]), draw(GRIDS["tree"], 4)
    outcome = ReferenceEngine().run(model, perturbations, stop=STOP_RULES["published"])
    times = np.arange(0, 200, 0.01)
    _, omega = integrate(model, perturbations, times)
    quiet = (np.abs(omega) <= RETURN_FREQUENCY).all(axis=2)
    for k in np.flatnonzero(outcome.status == Status.RETURNED):
        assert outcome.reason[k] == Reason.PUBLISHED
        near = np.abs(times - outcome.stop_time[k]) <= 0.011
        assert quiet[k][near].any()
        first = times[quiet[k] & (times >= 1)][0]
        assert outcome.stop_time[k] >= first - 0.011
    calm = ReferenceEngine().run(model, one(0, 0.0, 0.01), stop=STOP_RULES["published"])
    assert 1 <= calm.stop_time[0] < 5


def test_the_published_rule_takes_a_turning_point_for_a_return() -> None:
    """Two nodes that swing against each other are quiet twice a period, far from rest."""
    model, perturbation = SwingModel.of(GRIDS["two nodes"]), one(0, 2.0, 0.0)
    engine = ReferenceEngine("tsit5", rtol=1e-12, atol=1e-12)
    outcome = engine.run(model, perturbation, stop=STOP_RULES["published"])
    assert outcome.reason[0] == Reason.PUBLISHED
    assert outcome.stop_time[0] < 2.0
    theta, omega = integrate(model, perturbation, outcome.stop_time)
    assert oracle.energy(model, theta[0, 0], omega[0, 0]) > 5.0


def test_trapped_but_swinging_is_undecided_where_certificates_are_read() -> None:
    model, perturbation = SwingModel.of(GRIDS["two nodes"]), one(0, 0.5, 0.0)
    engine = ReferenceEngine()
    for name, status in (
        ("horizon", Status.LEFT),
        ("certified", Status.UNDECIDED),
        ("fast", Status.UNDECIDED),
    ):
        outcome = engine.run(model, perturbation, stop=STOP_RULES[name], horizon=5.0)
        assert outcome.status[0] == status
        assert outcome.reason[0] == Reason.HORIZON


def test_without_damping_being_trapped_is_no_return() -> None:
    model = SwingModel.of(PowerGrid.from_arrays([(0, 1)], [1.0, -1.0], damping=0.0))
    outcome = ReferenceEngine().run(model, one(0, 0.5, 0.0), stop=STOP_RULES["certified"])
    assert outcome.status[0] == Status.UNDECIDED
    calm = ReferenceEngine().run(model, one(0, 0.01, 0.0), stop=STOP_RULES["certified"])
    assert (calm.status[0], calm.reason[0]) == (Status.RETURNED, Reason.CERTIFIED)


def test_a_barrier_below_the_threshold_is_no_certificate_of_quiet() -> None:
    """A slow state may still cross a low barrier: P = K leaves almost none."""
    grid = PowerGrid.from_arrays([(0, 1)], [8.999, -8.999], coupling=9.0)
    model = SwingModel.of(grid, theta=np.array([np.arcsin(8.999 / 9.0), 0.0]))
    stops = make_stops(STOP_RULES["certified"], model)
    assert 0 < model.lowest_barrier < 0.0049
    assert stops.quiet_energy == stops.trapping_energy == 0.97 * model.lowest_barrier


# The engine.


@pytest.mark.parametrize("rule", STOP_RULES)
def test_outcomes_do_not_depend_on_the_batch(rule: str) -> None:
    model, perturbations = SwingModel.of(GRIDS["random"]), draw(GRIDS["random"], 16)
    engine = make_engine("tsit5")

    def run(part: Perturbations, threads: int = 1) -> Trajectories:
        return engine.run(model, part, stop=STOP_RULES[rule], horizon=150.0, threads=threads)

    whole = run(perturbations)
    alone = Trajectories.concatenate([run(perturbations[k : k + 1]) for k in range(16)])
    for other in (alone, run(perturbations, threads=3)):
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(whole, field), getattr(other, field))


def test_what_is_not_finite_has_diverged() -> None:
    model = SwingModel.of(GRIDS["two nodes"])
    perturbations = Perturbations(
        np.zeros(3, int), np.array([np.nan, 0.1, 0.1]), np.array([0.0, np.inf, 1])
    )
    outcome = ReferenceEngine().run(model, perturbations, stop=STOP_RULES["fast"])
    assert outcome.status.tolist() == [Status.UNDECIDED, Status.UNDECIDED, Status.RETURNED]
    assert outcome.reason.tolist() == [Reason.DIVERGED, Reason.DIVERGED, Reason.CERTIFIED]
    theta, _ = integrate(model, perturbations, np.array([1.0]))
    assert np.isnan(theta[:2]).all()
    assert np.isfinite(theta[2]).all()


def test_an_empty_batch_has_no_outcomes() -> None:
    model = SwingModel.of(GRIDS["two nodes"])
    assert (
        len(ReferenceEngine().run(model, draw(model.grid, 0), stop=STOP_RULES["fast"]).status) == 0
    )


def test_bad_arguments_are_refused_by_name() -> None:
    model, fast = SwingModel.of(GRIDS["two nodes"]), STOP_RULES["fast"]
    with pytest.raises(InvalidParameterError, match="unknown method 'rk4'; choose one of tsit5"):
        ReferenceEngine("rk4")
    with pytest.raises(InvalidParameterError, match="rtol must be at least 1e-14, got 0"):
        ReferenceEngine(rtol=0.0)
    with pytest.raises(InvalidParameterError, match="no node 2 to perturb; nodes are 0 to 1"):
        ReferenceEngine().run(model, one(2, 0.0, 0.0), stop=fast)
    with pytest.raises(InvalidParameterError, match="horizon must be positive and finite, got -1"):
        ReferenceEngine().run(model, one(0, 0.0, 0.0), stop=fast, horizon=-1.0)
    with pytest.raises(InvalidParameterError, match="threads must be at least 1, got 0"):
        ReferenceEngine().run(model, one(0, 0.0, 0.0), stop=fast, threads=0)
    with pytest.raises(InvalidParameterError, match="times must increase"):
        integrate(model, one(0, 0.0, 0.0), np.array([2.0, 1.0]))
    with pytest.raises(InvalidParameterError, match="step and steps must be positive"):
        integrate_fixed(model, one(0, 0.0, 0.0), 0.0, 5)
