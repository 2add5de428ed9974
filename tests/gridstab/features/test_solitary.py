"""Solitary states: the formula against dense algebra, the formula against simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridstab import PowerGrid, operating_point, random_grid
from gridstab.dynamics import outcomes
from gridstab.features.selected_inverse import SelectedInverse, neighbour_pairs
from gridstab.features.solitary import drain, solitary_balance, solitary_state


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 14), st.integers(0, 10_000))
def test_selected_inverse_is_the_inverse(nodes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = np.nonzero(np.triu(rng.random((nodes, nodes)) < 0.3, 1))
    pairs = np.stack([a, b], axis=1)
    matrices = np.zeros((3, nodes, nodes), complex)
    matrices[:, a, b] = matrices[:, b, a] = rng.normal(size=(3, len(pairs)))
    index = np.arange(nodes)
    matrices[:, index, index] = rng.normal(size=(3, nodes)) + 1j * rng.uniform(1, 2, (3, nodes))
    plan = SelectedInverse(nodes, pairs)
    result = plan(matrices[:, index, index].T, matrices[:, a, b].T)
    inverse = np.linalg.inv(matrices)
    np.testing.assert_allclose(result[plan.row_of(index, index)].T, inverse[:, index, index])
    np.testing.assert_allclose(result[plan.row_of(b, a)].T, inverse[:, a, b], atol=1e-12)


def test_neighbour_pairs() -> None:
    assert neighbour_pairs([[2, 0], [0, 1, 2]]).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert neighbour_pairs([]).shape == (0, 2)


def drain_by_definition(grid: PowerGrid, node: int, frequency: float) -> float:
    """−½ Im(f̄ᵀ χ f + χ_i |F|²) with the grid without the node as a dense matrix."""
    theta = operating_point(grid)
    rest = np.delete(np.arange(grid.num_nodes), node)
    matrix = np.zeros((grid.num_nodes, grid.num_nodes), complex)
    force = np.zeros(grid.num_nodes, complex)
    for (a, b), coupling in zip(grid.lines, grid.coupling, strict=True):
        if node in (a, b):
            other = a + b - node
            force[other] = coupling * np.exp(-1j * theta[other])
            continue
        weight = coupling * np.cos(theta[a] - theta[b])
        matrix[[a, b], [a, b]] += weight
        matrix[[a, b], [b, a]] -= weight
    own = -grid.inertia * frequency**2 + 1j * grid.damping * frequency
    matrix += np.diag(own)
    f = force[rest]
    answer = np.linalg.solve(matrix[np.ix_(rest, rest)], f)
    return -0.5 * (f.conj() @ answer + abs(f.sum()) ** 2 / own[node]).imag


def test_drain_is_its_definition() -> None:
    plain = random_grid(20, seed=5)
    rng = np.random.default_rng(0)
    grid = PowerGrid.from_arrays(
        plain.lines,
        plain.power,
        coupling=rng.uniform(7, 11, plain.num_lines),
        inertia=rng.uniform(0.5, 2, 20),
        damping=rng.uniform(0.05, 0.2, 20),
    )
    frequency = np.array([0.5, 2.0, 5.3, 11.0])
    expected = [[drain_by_definition(grid, i, w) for w in frequency] for i in range(20)]
    np.testing.assert_allclose(drain(grid, frequency), expected, rtol=1e-9)
    assert (drain(grid, frequency) > 0).all()


def mean_frequency(grid: PowerGrid, nodes: list[int], omega: np.ndarray) -> np.ndarray:
    """Mean of ω of all nodes between 120 and 200 s after setting one node to ``omega``.

    Classical Runge–Kutta steps of 0.02 s, one trajectory a column.
    """
    incidence = np.zeros((grid.num_nodes, grid.num_lines))
    incidence[grid.lines.T, np.arange(grid.num_lines)] = [[1.0], [-1.0]]
    weighted = incidence * grid.coupling

    def slope(state: np.ndarray) -> np.ndarray:
        theta, speed = state
        pull = weighted @ np.sin(incidence.T @ theta)
        return np.stack([speed, grid.power[:, None] - grid.damping[:, None] * speed - pull])

    state = np.zeros((2, grid.num_nodes, len(nodes)))
    state[0] = operating_point(grid)[:, None]
    state[1, nodes, np.arange(len(nodes))] = omega
    h, then = 0.02, np.zeros(0)
    for step in range(10_000):
        if step == 6_000:
            then = state[0].copy()
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        k4 = slope(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return (state[0] - then) / (4_000 * h)


def test_predicted_frequencies_are_those_of_simulations() -> None:
    grid = random_grid(20, seed=1)
    predicted = solitary_state(grid)[:, 0]
    nodes = [5, 6, 14, 17]  # dead ends
    assert (grid.degree[nodes] == 1).all()
    simulated = mean_frequency(grid, nodes, grid.power[nodes] * 10)
    columns = np.arange(len(nodes))
    relative = simulated[nodes, columns] * 20 / 19  # the rest turns the other way
    np.testing.assert_allclose(np.abs(relative), predicted[nodes], atol=0.01)
    np.testing.assert_array_equal(np.sign(relative), grid.power[nodes])
    others = np.delete(simulated[:, 0], nodes[0])
    np.testing.assert_allclose(others, others[0], atol=1e-3)  # nobody else is out of step
    assert (outcomes(grid, nodes, 0.0, grid.power[nodes] * 10) == 0).all()


def test_hubs_have_no_solitary_state() -> None:
    grid = random_grid(20, seed=1)
    hubs = np.flatnonzero(grid.degree >= 5)
    assert len(hubs) >= 3
    frequency, window, margin = solitary_state(grid)[hubs].T
    assert (frequency == 0).all()
    assert (window == 0).all()
    assert (margin < 0).all()
    assert (outcomes(grid, hubs, 0.0, grid.power[hubs] * 10) == 1).all()


def test_a_pair_rotates_as_one_machine() -> None:
    """δ'' = 2P − α δ' − 2K sin δ, whose running solution has mean α ν = 2P − 2K²α / (ν³ + α²ν)."""
    pair = PowerGrid.from_arrays([(0, 1)], [1.0, -1.0])
    (frequency, *_), _ = solitary_state(pair)
    drained = 81 * 2 * 0.1 / (frequency * (frequency**2 + 0.01))
    assert 0.1 * frequency == pytest.approx(2 - drained, abs=1e-6)


def test_the_window_ends_where_the_surplus_vanishes() -> None:
    grid = random_grid(30, seed=2)
    balance = solitary_balance(grid)
    low, high = balance.window()
    exists = (balance.surplus > 0).any(axis=1)
    assert 0 < exists.sum() < 30
    np.testing.assert_array_equal(exists, high > 0)
    for i in np.flatnonzero(exists):
        surplus = np.interp(
            [low[i], (low[i] + high[i]) / 2, high[i]], balance.frequency, balance.surplus[i]
        )
        np.testing.assert_allclose(surplus[[0, 2]], 0, atol=1e-9)
        beyond = balance.frequency > high[i]
        assert (balance.surplus[i, beyond] <= 0).all()
        within = (balance.frequency > low[i]) & (balance.frequency < high[i])
        assert (balance.surplus[i, within] > 0).all()


def test_undamped_grids_have_features() -> None:
    grid = PowerGrid.from_arrays([(0, 1), (1, 2)], [1.0, -2.0, 1.0], damping=0.0)
    assert np.isfinite(solitary_state(grid)).all()
