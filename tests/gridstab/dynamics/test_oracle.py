"""The oracle against linear algebra, mechanics and its own energy balance."""

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.linalg import expm

from gridstab.dynamics import oracle
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid

RING = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)]


def uneven_grid(**changes: object) -> PowerGrid:
    """A ring with a chord and a leaf, where no two nodes or lines are alike."""
    settings: dict[str, object] = {
        "power": [1.0, -0.5, 1.5, -1.0, -1.5, 1.0, -0.5],
        "inertia": [1.0, 2.0, 0.5, 1.5, 1.2, 0.8, 0.7],
        "damping": [0.1, 0.3, 0.0, 0.2, 0.05, 0.4, 0.15],
        "coupling": [8.0, 9.0, 7.0, 6.0, 10.0, 5.0, 9.0, 8.5],
    }
    return PowerGrid.from_arrays([*RING, (1, 4), (2, 6)], **(settings | changes))


def dense_right_hand_side(
    grid: PowerGrid, theta: np.ndarray, omega: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    coupling = grid.adjacency(weighted=True).toarray()
    force = (coupling * np.sin(theta[None, :] - theta[:, None])).sum(axis=1)
    return omega, (grid.power - grid.damping * omega + force) / grid.inertia


def test_right_hand_side_is_the_dense_formula() -> None:
    model = SwingModel.of(uneven_grid())
    rng = np.random.default_rng(0)
    theta, omega = rng.normal(size=(2, 7)) * 3
    for got, want in zip(
        oracle.right_hand_side(model, theta, omega),
        dense_right_hand_side(model.grid, theta, omega),
        strict=True,
    ):
        np.testing.assert_allclose(got, want, atol=1e-12)


def test_small_perturbations_follow_the_matrix_exponential() -> None:
    model = SwingModel.of(uneven_grid(power=0.0 * np.ones(7)))
    grid, n, size, times = model.grid, 7, 1e-5, np.array([0.5, 4.0])
    jacobian = np.zeros((2 * n, 2 * n))
    jacobian[:n, n:] = np.eye(n)
    jacobian[n:, :n] = -grid.laplacian(weighted=True).toarray() / grid.inertia[:, None]
    jacobian[n:, n:] = -np.diag(grid.damping / grid.inertia)
    start = np.zeros(2 * n)
    start[2], start[n + 2] = size, 2 * size
    theta, omega = oracle.simulate_trajectory(model, 2, size, 2 * size, times, tolerance=1e-13)
    for k, time in enumerate(times):
        want = expm(jacobian * time) @ start
        np.testing.assert_allclose(np.r_[theta[k], omega[k]], want, atol=1e-8 * size)


def test_damping_alone_changes_the_energy() -> None:
    model = SwingModel.of(uneven_grid())
    times = np.linspace(0, 5, 5001)
    theta, omega = oracle.simulate_trajectory(model, 3, 2.0, -6.0, times)
    dissipated = trapezoid((model.grid.damping * omega**2).sum(axis=1), times)
    lost = oracle.energy(model, theta[0], omega[0]) - oracle.energy(model, theta[-1], omega[-1])
    assert dissipated > 5
    assert lost == pytest.approx(dissipated, abs=1e-4)


def test_energy_of_a_pendulum() -> None:
    grid = PowerGrid.from_arrays([(0, 1)], [0.0, 0.0], coupling=3.0, inertia=[2.0, 1.0])
    model = SwingModel.of(grid)
    theta, omega = oracle.perturbed_state(model, 0, 1.2, 0.5)
    want = 3.0 * (1 - np.cos(1.2)) + 0.5 * 2.0 * 0.5**2
    assert oracle.energy(model, theta, omega) == pytest.approx(want, abs=1e-14)


def test_basin_energy_forgets_whole_turns_of_nodes() -> None:
    model = SwingModel.of(uneven_grid())
    theta, omega = oracle.perturbed_state(model, 1, 0.6, 1.0)
    inside = oracle.energy(model, theta, omega)
    turns = np.array([0, 3, -1, 2, 0, -5, 4])
    assert oracle.basin_energy(model, theta, omega) == pytest.approx(inside, abs=1e-12)
    turned = oracle.basin_energy(model, theta + 2 * np.pi * turns, omega)
    assert turned == pytest.approx(inside, abs=1e-9)


def test_a_twisted_ring_is_outside_every_lift_of_the_basin() -> None:
    model = SwingModel.of(PowerGrid.from_arrays(RING, np.zeros(6)))
    twisted = 2 * np.pi * np.arange(6) / 6
    assert oracle.right_hand_side(model, twisted, np.zeros(6))[1] == pytest.approx(0, abs=1e-12)
    assert oracle.basin_energy(model, twisted, np.zeros(6)) == np.inf


def test_takahashi_imada_drifts_exactly() -> None:
    """Across a line too weak to matter, nodes relax exponentially to P / D."""
    power, damping, inertia = np.array([2.0, -2.0]), np.array([0.5, 0.0]), np.array([1.0, 2.0])
    grid = PowerGrid.from_arrays([(0, 1)], power, damping=damping, inertia=inertia, coupling=1e-300)
    model = SwingModel.of(grid, theta=np.zeros(2))
    theta, omega = oracle.takahashi_imada(model, np.zeros(2), np.array([1.0, 3.0]), 0.5, 8)
    time, limit = 4.0, 4.0
    decay = np.exp(-0.5 * time)
    assert omega[0] == pytest.approx(limit + (1.0 - limit) * decay, abs=1e-12)
    assert theta[0] == pytest.approx(limit * time + (1.0 - limit) * (1 - decay) / 0.5, abs=1e-12)
    assert omega[1] == pytest.approx(3.0 - time, abs=1e-12)
    assert theta[1] == pytest.approx(3.0 * time - time**2 / 2, abs=1e-12)


@pytest.mark.parametrize("damping", [0.0, 0.1, "uneven"])
def test_takahashi_imada_has_order_four(damping: float | str) -> None:
    changes = {} if damping == "uneven" else {"damping": damping}
    model = SwingModel.of(uneven_grid(**changes))
    start = oracle.perturbed_state(model, 2, 1.5, -3.0)
    theta, omega = oracle.simulate_trajectory(model, 2, 1.5, -3.0, np.array([2.0]), 1e-13)
    errors = []
    for steps in (40, 80, 160):
        got = oracle.takahashi_imada(model, *start, 2.0 / steps, steps)
        errors.append(np.abs(np.r_[got[0] - theta[0], got[1] - omega[0]]).max())
    slopes = np.log2(np.divide(errors[:-1], errors[1:]))
    np.testing.assert_allclose(slopes, 4, atol=0.2)
    assert errors[-1] < 1e-5


def test_takahashi_imada_loses_energy_to_fourth_order_only() -> None:
    model = SwingModel.of(uneven_grid(damping=0.0))
    start = oracle.perturbed_state(model, 2, 1.0, 2.0)
    begin = oracle.energy(model, *start)
    coarse, fine = (
        abs(oracle.energy(model, *oracle.takahashi_imada(model, *start, 20 / n, n)) / begin - 1)
        for n in (500, 1000)
    )
    assert coarse < 1e-4
    assert np.log2(coarse / fine) == pytest.approx(4, abs=0.3)


def test_an_unknown_node_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="no node 7 to perturb; nodes are 0 to 6"):
        oracle.perturbed_state(SwingModel.of(uneven_grid()), 7, 0.0, 0.0)
