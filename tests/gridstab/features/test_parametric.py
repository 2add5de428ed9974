"""Parametric gains: against dense algebra, against Floquet multipliers, against simulation."""

import numpy as np
import pytest

from gridstab import PowerGrid, operating_point, random_grid
from gridstab.dynamics import outcomes
from gridstab.features.operating_state import operating_state
from gridstab.features.parametric import parametric_gain, solitary_gain
from gridstab.features.solitary import solitary_balance
from gridstab.features.star_response import star_responses


def uneven_grid(seed: int = 5) -> PowerGrid:
    plain = random_grid(20, seed=seed)
    rng = np.random.default_rng(0)
    return PowerGrid.from_arrays(
        plain.lines,
        plain.power,
        coupling=rng.uniform(7, 11, plain.num_lines),
        inertia=rng.uniform(0.5, 2, 20),
        damping=rng.uniform(0.05, 0.2, 20),
    )


def rest_of(grid: PowerGrid, node: int) -> np.ndarray:
    """Laplacian of the stiffnesses without the lines of a node."""
    state, laplacian = operating_state(grid), np.zeros((grid.num_nodes, grid.num_nodes))
    for (a, b), weight in zip(grid.lines, state.stiffness, strict=True):
        if node not in (a, b):
            laplacian[[a, b], [a, b]] += weight
            laplacian[[a, b], [b, a]] -= weight
    return laplacian


def test_the_response_of_lines_is_its_definition() -> None:
    grid, frequency, seen = uneven_grid(), np.array([0.7, 2.0, 5.3, 11.0]), 0
    for star in star_responses(grid, frequency):
        for node, response in zip(star.nodes, star.response, strict=True):
            around = [a + b - node for a, b in grid.lines if node in (a, b)]
            for w, got in zip(frequency, response, strict=True):
                own = -grid.inertia * w**2 + 1j * grid.damping * w
                whole = np.linalg.inv(rest_of(grid, node) + np.diag(own))
                expected = whole[np.ix_(around, around)] + 1 / own[node]
                np.testing.assert_allclose(got, expected, rtol=1e-8)
            seen += 1
    assert seen == 20


def floquet_rate(grid: PowerGrid, node: int, frequency: float) -> float:
    """Growth of the fastest swing [1/s] while a node rotates evenly, from one period's matrix."""
    n, theta = grid.num_nodes, operating_point(grid)
    laplacian, at_node = rest_of(grid, node), np.eye(n)[node]
    state = np.eye(2 * n)
    h = 2 * np.pi / frequency / 400

    def slope(time: float, state: np.ndarray) -> np.ndarray:
        matrix = laplacian.copy()
        for (a, b), coupling in zip(grid.lines, grid.coupling, strict=True):
            if node in (a, b):
                other = a + b - node
                line = at_node - np.eye(n)[other]
                matrix += coupling * np.cos(frequency * time - theta[other]) * np.outer(line, line)
        deviation, speed = state[:n], state[n:]
        return np.concatenate([speed, -0.1 * speed - matrix @ deviation])

    for step in range(400):
        k1 = slope(step * h, state)
        k2 = slope((step + 0.5) * h, state + h / 2 * k1)
        k3 = slope((step + 0.5) * h, state + h / 2 * k2)
        k4 = slope((step + 1) * h, state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    multipliers = np.linalg.eigvals(state)
    swings = np.abs(np.angle(multipliers)) > 0.1  # not the slow change of the rotation itself
    return float(np.log(np.abs(multipliers[swings]).max()) * frequency / (2 * np.pi))


@pytest.mark.parametrize("detuning", [-0.4, -0.2, 0.0, 0.2, 0.4, 2.0])
def test_a_swing_grows_that_is_pumped_twice_a_period(detuning: float) -> None:
    """A node at the end of a chain of three; what is left is one oscillator of Ω² = 2 K cos."""
    grid = PowerGrid.from_arrays([(0, 1), (1, 2)], [1.0, -0.4, -0.6])
    stiffness = operating_state(grid).stiffness[1]
    frequency = 2 * np.sqrt(2 * stiffness) + detuning
    gain = parametric_gain(grid, np.array([frequency, 3.0, 3.0]))[0]
    rate = floquet_rate(grid, 0, round(frequency / 0.05) * 0.05)
    if abs(detuning) <= 0.2:
        assert gain > 5
        assert rate > 0.15
    if detuning == 0:
        assert gain == pytest.approx((9 * 0.5 / (frequency * 0.1)) ** 2, rel=0.3)
        assert rate == pytest.approx(0.1 * (np.sqrt(gain) - 1) / 2, rel=0.3)
    if detuning == 2:
        assert gain < 1
        assert rate < 0


def test_no_swing_grows_without_gain_and_the_gains_rank_the_growth() -> None:
    grid = random_grid(20, seed=3)
    nodes = np.flatnonzero(grid.degree <= 3)
    gains = parametric_gain(grid, np.full(20, 9.5))[nodes]
    rates = np.array([floquet_rate(grid, int(i), 9.5) for i in nodes])
    assert (gains[rates > 0] > 1).all()
    assert np.corrcoef(np.log(gains), rates)[0, 1] > 0.6


def test_states_that_shake_the_grid_are_not_stayed_in() -> None:
    gains, stays = [], []
    for seed in range(25):
        grid = random_grid(20, seed=(7, seed))
        _, root = solitary_balance(grid).window()
        asked = np.flatnonzero((root > 0) & (grid.degree >= 2) & (grid.degree <= 3))
        gains += solitary_gain(grid)[asked].tolist()
        found = outcomes(grid, asked, 0.0, 15.0 * np.sign(grid.power[asked]))
        stays += (found == 0).tolist()
    weak, strong = np.array(gains) < 0.2, np.array(gains) > 0.6
    assert min(weak.sum(), strong.sum()) > 30
    assert np.mean(np.array(stays)[weak]) > 0.95
    assert np.mean(np.array(stays)[strong]) < 0.75


def test_gains_do_not_depend_on_the_sign_of_power_or_on_names() -> None:
    grid = uneven_grid()
    mirrored = PowerGrid.from_arrays(
        grid.lines,
        -grid.power,
        coupling=grid.coupling,
        inertia=grid.inertia,
        damping=grid.damping,
    )
    np.testing.assert_allclose(solitary_gain(mirrored), solitary_gain(grid), atol=1e-6)
    order = np.random.default_rng(1).permutation(20)
    place = np.argsort(order)
    renamed = PowerGrid.from_arrays(
        place[grid.lines],
        grid.power[order],
        coupling=grid.coupling,
        inertia=grid.inertia[order],
        damping=grid.damping[order],
    )
    np.testing.assert_allclose(solitary_gain(renamed), solitary_gain(grid)[order], atol=1e-6)


def test_nodes_that_do_not_rotate_have_no_gain() -> None:
    idle = PowerGrid.from_arrays([(0, 1), (1, 2)], [1.0, 0.0, -1.0])
    assert solitary_gain(idle)[1] == -4
    np.testing.assert_array_equal(solitary_gain(PowerGrid.from_arrays([], [0.0])), [-4.0])
