"""What mechanics says about outcomes, asked of every engine that is registered and can run here.

Every statement is a theorem or an independent computation for the exact dynamics; an engine is
known to this file by nothing but the shared interface. A new engine joins by its line in ENGINES.
"""

from functools import cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gridstab.dynamics import oracle
from gridstab.dynamics.engine import (
    STOP_RULES,
    Engine,
    Perturbations,
    Reason,
    Status,
    Trajectories,
)
from gridstab.dynamics.engines import ENGINES
from gridstab.dynamics.swing import SwingModel
from gridstab.grids.growth import random_grid
from gridstab.grids.power_grid import PowerGrid

FIELDS = ("status", "reason", "stop_time", "max_frequency")
RING = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)]

every_rule = pytest.mark.parametrize("rule", STOP_RULES)


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    made = ENGINES[request.param]()
    state = made.availability()
    if not state.usable:
        pytest.skip(f"{request.param}: {state.why}")
    return made


def uneven_grid(**changes: object) -> PowerGrid:
    """A ring with a chord and a leaf, where no two nodes or lines are alike."""
    values: dict[str, object] = {
        "power": [1.0, -0.5, 1.5, -1.0, -1.5, 1.0, -0.5],
        "inertia": [1.0, 2.0, 0.5, 1.5, 1.2, 0.8, 0.7],
        "damping": [0.1, 0.3, 0.15, 0.2, 0.12, 0.4, 0.15],
        "coupling": [8.0, 9.0, 7.0, 6.0, 10.0, 5.0, 9.0, 8.5],
    }
    return PowerGrid.from_arrays([*RING, (1, 4), (2, 6)], **(values | changes))


def draw(nodes: int, count: int, seed: int = 0, domega: float = 15.0) -> Perturbations:
    rng = np.random.default_rng(seed)
    return Perturbations(
        rng.integers(0, nodes, count),
        rng.uniform(-np.pi, np.pi, count),
        rng.uniform(-domega, domega, count),
    )


def run(
    engine: Engine,
    model: SwingModel,
    perturbations: Perturbations,
    rule: str = "horizon",
    horizon: float = 300.0,
    threads: int = 1,
) -> Trajectories:
    return engine.run(model, perturbations, stop=STOP_RULES[rule], horizon=horizon, threads=threads)


# What every outcome says.


@every_rule
def test_the_operating_point_returns(engine: Engine, rule: str) -> None:
    model = SwingModel.of(uneven_grid())
    rest = Perturbations(np.arange(7), np.zeros(7), np.zeros(7))
    outcome = run(engine, model, rest, rule)
    assert (outcome.status == Status.RETURNED).all()
    np.testing.assert_allclose(outcome.max_frequency, 0, atol=1e-3)


@every_rule
def test_outcomes_are_consistent(engine: Engine, rule: str) -> None:
    """Each rule gives its own reasons; times and frequencies stay in their ranges."""
    model, perturbations = SwingModel.of(random_grid(12, seed=3)), draw(12, 60)
    outcome = run(engine, model, perturbations, rule, horizon=180.0)
    allowed = {
        "horizon": {Reason.HORIZON},
        "published": {Reason.HORIZON, Reason.PUBLISHED},
        "certified": {Reason.HORIZON, Reason.CERTIFIED},
        "fast": {Reason.HORIZON, Reason.CERTIFIED, Reason.SETTLED},
    }[rule]
    assert set(outcome.reason.tolist()) == allowed
    early = outcome.reason != Reason.HORIZON
    assert (outcome.stop_time[early] >= 1).all()
    assert (outcome.stop_time[early] < 180).all()
    np.testing.assert_allclose(outcome.stop_time[~early], 180, atol=1e-3)
    for reason, status in (
        (Reason.PUBLISHED, Status.RETURNED),
        (Reason.CERTIFIED, Status.RETURNED),
        (Reason.SETTLED, Status.LEFT),
    ):
        assert (outcome.status[outcome.reason == reason] == status).all()
    # The perturbation itself counts, to the rounding of single precision.
    assert (outcome.max_frequency >= np.abs(perturbations.domega) * (1 - 1e-2)).all()


@every_rule
def test_outcomes_do_not_depend_on_the_batch(engine: Engine, rule: str) -> None:
    model, perturbations = SwingModel.of(random_grid(12, seed=3)), draw(12, 20)
    whole = run(engine, model, perturbations, rule, horizon=130.0)
    parts = [perturbations[k : k + 1] for k in range(3)] + [perturbations[3:8], perturbations[8:]]
    divided = [run(engine, model, part, rule, horizon=130.0) for part in parts]
    threaded = run(engine, model, perturbations, rule, horizon=130.0, threads=3)
    for other in (Trajectories.concatenate(divided), threaded):
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(whole, field), getattr(other, field))


# Symmetries. Short times, so that rounding is not yet amplified; the largest frequency is seen at
# steps, whose positions an adaptive engine may shift.


def assert_same(one: Trajectories, other: Trajectories) -> None:
    np.testing.assert_allclose(one.max_frequency, other.max_frequency, rtol=0.02, atol=0.02)


def test_a_common_phase_changes_nothing(engine: Engine) -> None:
    grid, perturbations = uneven_grid(), draw(7, 40)
    theta = SwingModel.of(grid).theta
    plain = run(engine, SwingModel.of(grid, theta=theta), perturbations, horizon=4.0)
    shifted = run(engine, SwingModel.of(grid, theta=theta + 0.7), perturbations, horizon=4.0)
    assert_same(plain, shifted)


def test_a_whole_turn_changes_nothing(engine: Engine) -> None:
    model, p = SwingModel.of(uneven_grid()), draw(7, 40)
    turned = Perturbations(p.node, p.dtheta - 2 * np.pi, p.domega)
    assert_same(run(engine, model, p, horizon=4.0), run(engine, model, turned, horizon=4.0))


def test_the_mirror_image_mirrors(engine: Engine) -> None:
    """(θ, ω, P) → (−θ, −ω, −P) maps trajectories to trajectories."""
    grid, p = uneven_grid(), draw(7, 40)
    mirrored = Perturbations(p.node, -p.dtheta, -p.domega)
    assert_same(
        run(engine, SwingModel.of(grid), p, horizon=4.0),
        run(engine, SwingModel.of(uneven_grid(power=-grid.power)), mirrored, horizon=4.0),
    )


def test_names_of_nodes_do_not_matter(engine: Engine) -> None:
    grid, p = uneven_grid(), draw(7, 40)
    new_label = np.random.default_rng(5).permutation(7)
    old_label = np.argsort(new_label)
    renamed = PowerGrid.from_arrays(
        new_label[grid.lines],
        grid.power[old_label],
        inertia=grid.inertia[old_label],
        damping=grid.damping[old_label],
        coupling=grid.coupling,
    )
    relabelled = Perturbations(new_label[p.node], p.dtheta, p.domega)
    assert_same(
        run(engine, SwingModel.of(grid), p, horizon=4.0),
        run(engine, SwingModel.of(renamed), relabelled, horizon=4.0),
    )


def test_inertia_sets_the_unit_of_time(engine: Engine) -> None:
    """m → 4m and D → 2D slow everything down by 2, so frequencies halve."""
    grid, p = uneven_grid(), draw(7, 40)
    heavy = uneven_grid(inertia=4 * grid.inertia, damping=2 * grid.damping)
    slow = Perturbations(p.node, p.dtheta, p.domega / 2)
    fast_outcome = run(engine, SwingModel.of(grid), p, horizon=3.0)
    slow_outcome = run(engine, SwingModel.of(heavy), slow, horizon=6.0)
    np.testing.assert_allclose(
        2 * slow_outcome.max_frequency, fast_outcome.max_frequency, rtol=0.02, atol=0.02
    )


# Energy.


@every_rule
def test_below_the_barrier_everything_returns(engine: Engine, rule: str) -> None:
    """And no frequency exceeds what the energy at the start can pay for."""
    model = SwingModel.of(uneven_grid())
    drawn = draw(7, 400, seed=1, domega=5.0)
    energies = np.array(
        [
            oracle.basin_energy(model, *oracle.perturbed_state(model, *perturbation))
            for perturbation in zip(
                drawn.node.tolist(), drawn.dtheta.tolist(), drawn.domega.tolist(), strict=True
            )
        ]
    )
    low = np.flatnonzero(energies < 0.95 * model.lowest_barrier)[:60]
    assert len(low) == 60
    trapped = Perturbations(drawn.node[low], drawn.dtheta[low], drawn.domega[low])
    outcome = run(engine, model, trapped, rule)
    assert (outcome.status == Status.RETURNED).all()
    affordable = np.sqrt(2 * energies[low] / model.grid.inertia.min())
    assert (outcome.max_frequency <= affordable * 1.001 + 1e-3).all()
    if rule in ("certified", "fast"):
        # The certificate holds at the first check already.
        assert (outcome.reason == Reason.CERTIFIED).all()
        np.testing.assert_allclose(outcome.stop_time, outcome.stop_time.min(), atol=1e-3)
        assert outcome.stop_time.max() < 1.3


@every_rule
@pytest.mark.parametrize("grid", ["tree", "ring", "random"])
def test_without_power_everything_returns(engine: Engine, rule: str, grid: str) -> None:
    """At P = 0 the energy falls while any frequency lives and has nowhere to go, even on states
    that settle away from the operating point, such as a twisted ring."""
    lines = {
        "tree": [(0, 1), (1, 2), (1, 3), (3, 4), (4, 5)],
        "ring": RING,
        "random": random_grid(10, seed=2).lines,
    }[grid]
    nodes = int(np.max(lines)) + 1
    model = SwingModel.of(PowerGrid.from_arrays(lines, np.zeros(nodes), damping=0.4))
    outcome = run(engine, model, draw(nodes, 60), rule)
    assert (outcome.status == Status.RETURNED).all()


def test_strong_damping_leaves_no_other_attractor(engine: Engine) -> None:
    """A pendulum with torque below its maximum does not rotate once D / √(2 K) exceeds 1.2."""
    model = SwingModel.of(PowerGrid.from_arrays([(0, 1)], [4.0, -4.0], damping=6.0))
    outcome = run(engine, model, draw(2, 60), "fast")
    assert (outcome.status == Status.RETURNED).all()


@pytest.mark.parametrize("angle", [0.5, 1.5, 3.0])
def test_an_undamped_pendulum_keeps_its_energy(engine: Engine, angle: float) -> None:
    """Two nodes at P = D = 0 swing for ever: |ω| reaches √(K (1 − cos δ)) and does not die out."""
    grid = PowerGrid.from_arrays([(0, 1)], [0.0, 0.0], damping=0.0)
    outcome = run(
        engine,
        SwingModel.of(grid),
        Perturbations(np.array([0, 1]), np.array([angle, -angle]), np.zeros(2)),
        horizon=100.3,
    )
    # Seen at steps, so the crest can be missed by a little, and never exceeded.
    crest = np.sqrt(9.0 * (1 - np.cos(angle)))
    assert (outcome.max_frequency <= crest * 1.003).all()
    assert (outcome.max_frequency >= crest * 0.97).all()
    assert (outcome.status == Status.LEFT).all()


def test_trapped_and_still_swinging_is_undecided(engine: Engine) -> None:
    """At a horizon too near to decide, and for ever without damping, unless too faint to matter."""
    swing = Perturbations(np.array([0, 0]), np.array([0.5, 0.01]), np.zeros(2))
    for damping, horizon in ((0.1, 5.3), (0.0, 150.0)):
        grid = PowerGrid.from_arrays([(0, 1)], [1.0, -1.0], damping=damping)
        outcome = run(engine, SwingModel.of(grid), swing, "certified", horizon)
        assert outcome.status.tolist() == [Status.UNDECIDED, Status.RETURNED]
        assert outcome.reason.tolist() == [Reason.HORIZON, Reason.CERTIFIED]


# The basin boundary of two nodes.

POWER, COUPLING, FRICTION = 1.0, 9.0, 0.1
INERTIA = np.array([1.0, 2.0])
STIFFNESS = (1 / INERTIA).sum()
REST = np.arcsin(POWER / COUPLING)


def pendulum(_: float, state: np.ndarray) -> list[float]:
    """δ'' = μ (P − K sin δ) − γ δ' with δ = θ_0 − θ_1, μ = 1/m_0 + 1/m_1 and γ = D_i / m_i.

    With γ the same at both nodes their mean frequency decays as e^(−γt) on its own, so the grid
    returns exactly if this pendulum comes to rest.
    """
    delta, speed = state
    return [speed, STIFFNESS * (POWER - COUPLING * np.sin(delta)) - FRICTION * speed]


def saddle_rate(sign: int) -> float:
    """Eigenvalues of the pendulum at its saddle δ = π − δ*."""
    return -FRICTION / 2 + sign * np.sqrt(FRICTION**2 / 4 + STIFFNESS * COUPLING * np.cos(REST))


@cache
def boundary_points() -> tuple[np.ndarray, np.ndarray]:
    """The stable manifold of the saddle within |Δω| < 15, as offsets, and its unit normals.

    Integrated backwards from the saddle; a normal points to the side of the unstable manifold
    that leads to rotation, which is the same side all along the curve.
    """
    points, normals = [], []
    saddle, size = np.pi - REST, 1e-7
    for side in (-1, 1):
        start = np.array([saddle, 0.0]) + side * size * np.array([1.0, saddle_rate(-1)])
        curve = solve_ivp(
            lambda time, state: [-v for v in pendulum(time, state)],
            (0, 20),
            start,
            "DOP853",
            np.linspace(4.0, 20, 36),
            rtol=1e-12,
            atol=1e-12,
        ).y.T
        for state in curve:
            offset = state - [REST, 0.0]
            if abs(offset[1]) < 15:
                offset[0] -= 2 * np.pi * np.rint(offset[0] / (2 * np.pi))
                forward = np.array(pendulum(0.0, state))
                normal = np.array([-forward[1], forward[0]]) * -side
                points.append(offset)
                normals.append(normal / np.linalg.norm(normal))
    return np.array(points), np.array(normals)


def test_beyond_the_saddle_the_pendulum_rotates_and_before_it_rests() -> None:
    """The premise of the boundary: the two ends of the saddle's unstable manifold."""
    for side, rotates in ((1, True), (-1, False)):
        start = [np.pi - REST + side * 1e-3, side * 1e-3 * saddle_rate(1)]
        end = solve_ivp(pendulum, (0, 150), start, "DOP853", rtol=1e-9, atol=1e-9).y[:, -1]
        assert (abs(end[1]) > 1) == rotates


@every_rule
def test_the_basin_boundary_of_two_nodes(engine: Engine, rule: str) -> None:
    """States 1e-3 beside the stable manifold of the saddle are on their sides of it."""
    grid = PowerGrid.from_arrays(
        [(0, 1)], [POWER, -POWER], coupling=COUPLING, inertia=INERTIA, damping=FRICTION * INERTIA
    )
    model = SwingModel.of(grid)
    points, normals = boundary_points()
    assert len(points) > 20
    assert np.ptp(points[:, 1]) > 20
    for node, sign in ((0, 1.0), (1, -1.0)):
        for offset, status in ((1e-3, Status.LEFT), (-1e-3, Status.RETURNED)):
            dtheta, domega = sign * (points + offset * normals).T
            perturbations = Perturbations(np.full(len(points), node), dtheta, domega)
            outcome = run(engine, model, perturbations, rule, horizon=160.0)
            assert (outcome.status == status).all()


def test_rotation_is_recognised_early(engine: Engine) -> None:
    """And a node that is only hit hard, but comes back, is not taken for a rotating one."""
    model = SwingModel.of(PowerGrid.from_arrays([(0, 1)], [1.0, -1.0]))
    hit = Perturbations(np.array([0, 0]), np.array([0.0, 0.0]), np.array([14.0, -3.0]))
    outcome = run(engine, model, hit, "fast")
    assert outcome.reason.tolist() == [Reason.SETTLED, Reason.CERTIFIED]
    assert outcome.stop_time[0] < 200
    assert run(engine, model, hit).status.tolist() == [Status.LEFT, Status.RETURNED]
