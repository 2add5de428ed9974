"""The kernels' integrator: its order against SciPy, its fixed point, its symmetries."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gridstab.dynamics.engine import STOP_RULES
from gridstab.dynamics.native.fixed_step import advance, bare_steps
from gridstab.dynamics.schedule import EARLY_STEP, make_schedule
from gridstab.dynamics.swing import SwingModel
from gridstab.grids.growth import random_grid
from gridstab.grids.power_grid import PowerGrid

NODES = 20


def homogeneous() -> PowerGrid:
    return random_grid(NODES, seed=3)


def heterogeneous() -> PowerGrid:
    grid, rng = homogeneous(), np.random.default_rng(0)
    return PowerGrid.from_arrays(
        grid.lines,
        grid.power,
        inertia=rng.uniform(0.5, 2, NODES),
        damping=np.r_[0.0, rng.uniform(0, 0.5, NODES - 1)],
        coupling=rng.uniform(6, 12, grid.num_lines),
    )


@pytest.fixture(params=[homogeneous, heterogeneous], ids=lambda make: make.__name__)
def model(request):
    return SwingModel.of(request.param())


def start(model: SwingModel, trajectories: int = 3):
    rng = np.random.default_rng(1)
    theta = np.repeat(model.theta[:, None], trajectories, axis=1)
    omega = np.zeros_like(theta)
    theta[2] += rng.uniform(-np.pi, np.pi, trajectories)
    omega[2] += rng.uniform(-10, 10, trajectories)
    return theta, omega


def exact(model: SwingModel, theta, omega, time: float):
    grid = model.grid
    adjacency = grid.adjacency(weighted=True).toarray()

    def slope(_, state):
        angle, frequency = state[:NODES], state[NODES:]
        force = (adjacency * np.sin(angle[None] - angle[:, None])).sum(axis=1)
        return np.r_[frequency, (grid.power - grid.damping * frequency + force) / grid.inertia]

    ends = [
        solve_ivp(slope, (0, time), np.r_[t, w], "DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
        for t, w in zip(theta.T, omega.T, strict=True)
    ]
    return np.array(ends).T[:NODES], np.array(ends).T[NODES:]


def test_order_is_four(model):
    theta, omega = start(model)
    reference = np.concatenate(exact(model, theta, omega, 4.0))
    steps = np.array([160, 320, 640])
    errors = [
        np.abs(np.concatenate(advance(model, theta, omega, step=4 / n, steps=n)) - reference).max()
        for n in steps
    ]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(4.0, abs=0.2)


def test_float32_follows_float64(model):
    theta, omega = start(model)
    double = advance(model, theta, omega, step=0.05, steps=40)
    single = advance(model, theta, omega, step=0.05, steps=40, precision="float32")
    np.testing.assert_allclose(single[0], double[0], atol=2e-4)
    np.testing.assert_allclose(single[1], double[1], atol=1e-3)


def test_operating_point_stays(model):
    theta = model.theta[:, None].copy()
    after = advance(model, theta, np.zeros_like(theta), step=0.05, steps=200)
    np.testing.assert_allclose(after[0], theta, atol=1e-11)
    np.testing.assert_allclose(after[1], 0, atol=1e-11)


def test_a_common_phase_changes_nothing(model):
    theta, omega = start(model)
    plain = advance(model, theta, omega, step=0.05, steps=40)
    shifted = advance(model, theta + 0.7, omega, step=0.05, steps=40)
    np.testing.assert_allclose(shifted[0] - 0.7, plain[0], atol=1e-10)
    np.testing.assert_allclose(shifted[1], plain[1], atol=1e-10)


def test_turning_every_sign_turns_the_trajectory():
    grid = heterogeneous()
    mirror = PowerGrid.from_arrays(
        grid.lines, -grid.power, inertia=grid.inertia, damping=grid.damping, coupling=grid.coupling
    )
    model = SwingModel.of(grid)
    theta, omega = start(model)
    plain = advance(model, theta, omega, step=0.05, steps=40)
    mirrored = advance(SwingModel.of(mirror), -theta, -omega, step=0.05, steps=40)
    np.testing.assert_allclose(mirrored[0], -plain[0], atol=1e-10)
    np.testing.assert_allclose(mirrored[1], -plain[1], atol=1e-10)


def test_energy_is_kept_without_damping():
    grid = homogeneous()
    model = SwingModel.of(PowerGrid.from_arrays(grid.lines, grid.power, damping=0.0))
    theta, omega = start(model)
    # Without damping, a node that leaves the basin is accelerated by its power for ever.
    theta, omega = model.theta[:, None] + 0.3 * (theta - model.theta[:, None]), 0.3 * omega
    tail, head = grid.lines.T

    def energy(theta, omega):
        stored = -9 * np.cos(theta[tail] - theta[head]).sum(axis=0)
        return (omega**2).sum(axis=0) / 2 + stored - (grid.power[:, None] * theta).sum(axis=0)

    end = advance(model, theta, omega, step=0.0125, steps=8000)
    before, after = energy(theta, omega), energy(*end)
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_stiff_grids_take_shorter_steps():
    star = PowerGrid.from_arrays([(0, i) for i in range(1, 100)], [99.0] + [-1.0] * 99, coupling=20)
    usual = make_schedule(SwingModel.of(homogeneous()), STOP_RULES["fast"], 500.0)
    stiff = make_schedule(SwingModel.of(star), STOP_RULES["fast"], 500.0)
    assert usual.interval / usual.steps == pytest.approx(EARLY_STEP)
    assert stiff.interval / stiff.steps * np.sqrt(2 * 99 * 20) <= 0.8


@pytest.mark.parametrize("horizon", [0.3, 1.0, 7.7, 33.0, 99.9, 500.0])
@pytest.mark.parametrize("stop", STOP_RULES)
def test_schedule_meets_the_horizon_and_the_windows(horizon, stop):
    rule = STOP_RULES[stop]
    schedule = make_schedule(SwingModel.of(homogeneous()), rule, horizon)
    assert schedule.end * schedule.interval == pytest.approx(horizon)
    assert schedule.interval <= rule.check_interval + 1e-12
    late = schedule.end - schedule.switch
    assert late < 0 or late % 2 == 0
    assert schedule.window % 2 == 0
    assert schedule.switch % 2 == 0


def test_bare_steps_counts_every_lane():
    assert bare_steps(SwingModel.of(homogeneous()), 10) == 160
    assert bare_steps(SwingModel.of(homogeneous()), 10, "float64") == 80
