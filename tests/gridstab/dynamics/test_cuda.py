"""The kernel that runs on GPUs, run here on the CPU thread by thread, against independent truth."""

import ctypes
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridstab import random_grid
from gridstab.dynamics import oracle
from gridstab.dynamics.cuda import engine as cuda
from gridstab.dynamics.cuda.device import cupy_availability
from gridstab.dynamics.cuda.engine import CudaEngine
from gridstab.dynamics.cuda.layout import LARGEST_BLOCK, Layout
from gridstab.dynamics.cuda.tables import make_problem
from gridstab.dynamics.engine import (
    STOP_RULES,
    Perturbations,
    Reason,
    Status,
    StopRule,
    Trajectories,
)
from gridstab.dynamics.engines import make_engine
from gridstab.dynamics.reference.engine import ReferenceEngine, integrate
from gridstab.dynamics.schedule import EARLY_TIME
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import EngineUnavailableError, InvalidParameterError
from gridstab.grids.power_grid import PowerGrid
from tests.gridstab.dynamics.cuda_on_cpu.emulated import (
    COMPILER,
    EmulatedDevice,
    compiled,
    emulated_engine,
)

NODES = 20
SHARED = Layout(lanes=4, groups=4, nodes_per_group=5, shared_rows=True, homogeneous=True)
IN_WORKSPACE = replace(SHARED, nodes_per_group=0, shared_rows=False)
HORIZON = STOP_RULES["horizon"]
FAST = STOP_RULES["fast"]
NEVER = np.iinfo(np.int32).max

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="g++ is not installed")


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest) -> Path:
    """Where compiled kernels are kept from run to run."""
    cache = request.config.cache
    assert cache is not None
    return Path(cache.mkdir("cuda_on_cpu"))


def homogeneous(seed: int = 1) -> SwingModel:
    return SwingModel.of(random_grid(NODES, seed=seed))


def heterogeneous() -> SwingModel:
    grid, rng = random_grid(NODES, seed=2), np.random.default_rng(3)
    inertia = rng.uniform(0.7, 2.0, NODES)
    return SwingModel.of(
        PowerGrid.from_arrays(
            grid.lines,
            grid.power,
            inertia=inertia,
            damping=inertia * np.linspace(0.1, 0.2, NODES),
            coupling=rng.uniform(7.0, 11.0, grid.num_lines),
        )
    )


MODELS = {"homogeneous": homogeneous, "heterogeneous": heterogeneous}


def layout_for(model: SwingModel, base: Layout = SHARED) -> Layout:
    return replace(base, homogeneous=model.grid.is_homogeneous)


def draw(count: int, seed: int = 0, nodes: int = NODES) -> Perturbations:
    rng = np.random.default_rng(seed)
    return Perturbations(
        rng.integers(0, nodes, count),
        rng.uniform(-np.pi, np.pi, count),
        rng.uniform(-15, 15, count),
    )


def exact(
    model: SwingModel, perturbations: Perturbations, k: int, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """θ and ω of the k-th trajectory at ``times``, shape ``(times, nodes)``."""
    theta, omega = integrate(model, perturbations[k : k + 1], times)
    return theta[0], omega[0]


def one(node: int, dtheta: float, domega: float) -> Perturbations:
    return Perturbations(np.array([node]), np.array([dtheta]), np.array([domega]))


def simulate(
    folder: Path,
    model: SwingModel,
    perturbations: Perturbations,
    stop: StopRule,
    horizon: float,
    *,
    base: Layout = SHARED,
    blocks: int = 2,
    thread_order: int = 0,
    **settings: Any,
) -> Trajectories:
    device = EmulatedDevice(folder, resident_blocks=blocks, thread_order=thread_order)
    made = emulated_engine(device, layout=layout_for(model, base), **settings)
    return made.run(model, perturbations, stop=stop, horizon=horizon)


def advance(
    folder: Path,
    model: SwingModel,
    perturbations: Perturbations,
    *,
    base: Layout = SHARED,
    rest: np.ndarray | None = None,
    stop: StopRule = HORIZON,
    **overrides: int,
) -> tuple[np.ndarray, np.ndarray, float, dict[str, np.ndarray]]:
    """θ and ω of each trajectory where the kernel stopped, the step, and the outcomes.

    ``rest`` replaces the state that is perturbed; other keywords, fields of the parameters.
    """
    device, layout = EmulatedDevice(folder), layout_for(model, base)
    tables, parameters, interval = make_problem(model, stop, 10.0, layout)
    step = interval / int(parameters["round_steps"][0])
    for name, value in {"rounds": 100, "late_after": NEVER, "horizon": 1, **overrides}.items():
        parameters[name] = value
    nodes = model.grid.num_nodes
    workspace = cuda.make_workspace(device, layout, nodes, 1)
    state = workspace["state"].reshape(nodes, layout.lanes, 2)
    if rest is not None:
        tables["rest"] = rest.astype(np.float32)
    kept = [cuda._point(device, parameters, tables)]
    cuda._point_at(device, parameters, workspace)
    kernel = device.load(layout, nodes)
    outcome = cuda._run_chunk(device, kernel, 1, parameters, workspace, perturbations)
    del kept
    count = len(perturbations)
    theta, omega = state[:, :count].astype(np.float64).T
    return theta, omega, step, outcome


def wrapped(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2 * np.pi) - np.pi


@needs_compiler
def test_sines_and_cosines_are_accurate(folder: Path) -> None:
    theta = np.random.default_rng(0).uniform(-60, 60, 100_000).astype(np.float32)
    theta[:3] = 0.0, np.float32(np.pi / 2), np.float32(-np.pi)
    sine, cosine = np.empty_like(theta), np.empty_like(theta)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (theta, sine, cosine)]
    compiled(folder, SHARED).sines_cosines(len(theta), *pointers)
    assert np.abs(sine - np.sin(theta.astype(np.float64))).max() < 1.5e-7
    assert np.abs(cosine - np.cos(theta.astype(np.float64))).max() < 1.5e-7


def specified(
    model: SwingModel, perturbations: Perturbations, parts: list[tuple[float, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """θ and ω in processed coordinates after (step, number of steps) parts, by the oracle."""
    states, process = [], oracle._process
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle, "_process", lambda model, theta, omega, scale: (theta, omega))
        for node, dtheta, domega in zip(
            perturbations.node, perturbations.dtheta, perturbations.domega, strict=True
        ):
            state = oracle.perturbed_state(model, int(node), dtheta, domega)
            before = 0.0
            for step, steps in parts:
                state = process(model, *state, (step**2 - before**2) / 12)
                state = oracle.takahashi_imada(model, *state, step, steps)
                before = step
            states.append(state)
    theta, omega = np.swapaxes(states, 0, 1)
    return theta, omega


@needs_compiler
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("steps", "tolerance"), [(1, 3e-6), (20, 2e-5), (200, 1e-3)])
def test_steps_follow_the_specification(
    folder: Path, kind: str, steps: int, tolerance: float
) -> None:
    model, perturbations = MODELS[kind](), draw(4, seed=1)
    theta, omega, h, _ = advance(folder, model, perturbations, round_steps=steps)
    expected_theta, expected_omega = specified(model, perturbations, [(h, steps)])
    assert np.abs(wrapped(theta - expected_theta)).max() < tolerance
    assert np.abs(omega - expected_omega).max() < tolerance


@needs_compiler
@pytest.mark.parametrize("kind", MODELS)
def test_doubling_the_step_changes_the_processed_coordinates(folder: Path, kind: str) -> None:
    model, perturbations = MODELS[kind](), draw(4)
    theta, omega, h, _ = advance(
        folder, model, perturbations, round_steps=10, late_after=1, horizon=3
    )
    expected_theta, expected_omega = specified(model, perturbations, [(h, 10), (2 * h, 10)])
    assert np.abs(wrapped(theta - expected_theta)).max() < 5e-5
    assert np.abs(omega - expected_omega).max() < 5e-5


@needs_compiler
@pytest.mark.parametrize("kind", MODELS)
def test_outcomes_agree_with_the_reference(folder: Path, kind: str) -> None:
    model, perturbations = MODELS[kind](), draw(160, seed=4)
    got = simulate(folder, model, perturbations, FAST, 160.0)
    expected = ReferenceEngine().run(model, perturbations, stop=FAST, horizon=160.0)
    assert (got.status == expected.status).mean() >= 0.97
    assert {Status.LEFT, Status.RETURNED} <= set(got.status)
    assert {Reason.CERTIFIED, Reason.HORIZON} <= set(got.reason)
    # More trajectories than lanes: every lane was refilled many times.
    assert len(perturbations) > 20 * SHARED.lanes


@needs_compiler
@pytest.mark.parametrize(
    "kind", ["heterogeneous", pytest.param("homogeneous", marks=pytest.mark.slow)]
)
def test_outcomes_do_not_depend_on_batch_blocks_slices_or_rows(folder: Path, kind: str) -> None:
    model, perturbations = MODELS[kind](), draw(24, seed=5)
    stop = replace(FAST, settled_tolerance=0.3, settled_window=4.0)
    whole = simulate(folder, model, perturbations, stop, 120.0)
    assert len(set(whole.reason)) >= 2

    backwards = np.arange(24)[::-1]
    shuffled = Perturbations(
        *(getattr(perturbations, f)[backwards] for f in ("node", "dtheta", "domega"))
    )
    alternatives = {
        "chunks": simulate(folder, model, perturbations, stop, 120.0, chunk=7),
        "slices": simulate(folder, model, perturbations, stop, 120.0, steps_per_launch=1),
        "blocks": simulate(folder, model, perturbations, stop, 120.0, blocks=6),
        "workspace": simulate(folder, model, perturbations, stop, 120.0, base=IN_WORKSPACE),
        "threads": simulate(folder, model, perturbations, stop, 120.0, thread_order=7),
        "order": simulate(folder, model, shuffled, stop, 120.0),
    }
    for name, got in alternatives.items():
        order = backwards if name == "order" else slice(None)
        for field in ("status", "reason", "stop_time", "max_frequency"):
            assert (getattr(got, field)[order] == getattr(whole, field)).all(), (name, field)


@needs_compiler
def test_lanes_and_groups_leave_the_states_alone(folder: Path) -> None:
    model, perturbations = homogeneous(), draw(2)
    wide = Layout(lanes=32, groups=8, nodes_per_group=3, shared_rows=True, homogeneous=True)
    expected = advance(folder, model, perturbations, round_steps=20, horizon=3)
    got = advance(folder, model, perturbations, round_steps=20, horizon=3, base=wide)
    for a, b in zip(got[:2], expected[:2], strict=True):
        assert (a == b).all()


@needs_compiler
@pytest.mark.slow
def test_a_thousand_threads_follow_the_specification(folder: Path) -> None:
    nodes = 1200
    ring = [(i, (i + step) % nodes) for i in range(nodes) for step in (1, 7)]
    model = SwingModel.of(PowerGrid.from_arrays(ring, np.tile([1.0, -1.0], nodes // 2)))
    layout = Layout.of(nodes, homogeneous=True, shared_bytes=227 * 1024)
    assert layout.threads == LARGEST_BLOCK
    perturbations = draw(4, nodes=nodes)
    theta, omega, h, _ = advance(folder, model, perturbations, base=layout, round_steps=20)
    expected_theta, expected_omega = specified(model, perturbations, [(h, 20)])
    assert np.abs(wrapped(theta - expected_theta)).max() < 5e-5
    assert np.abs(omega - expected_omega).max() < 5e-5


@needs_compiler
def test_homogeneous_grids_agree_with_the_general_kernel(folder: Path) -> None:
    model, perturbations = homogeneous(), draw(4)
    special = advance(folder, model, perturbations, round_steps=20)
    general = _advance_general(folder, model, perturbations)
    for a, b in zip(special[:2], general[:2], strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def _advance_general(folder: Path, model: SwingModel, perturbations: Perturbations) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PowerGrid, "is_homogeneous", False)
        return advance(folder, model, perturbations, round_steps=20)


# The stop rules


@needs_compiler
def test_published_rule_stops_at_the_first_quiet_check(folder: Path) -> None:
    model = homogeneous()
    perturbations = Perturbations(np.array([3, 11]), np.array([0.4, -0.5]), np.array([1.0, 2.0]))
    got = simulate(folder, model, perturbations, STOP_RULES["published"], 100.0)
    assert (got.reason == Reason.PUBLISHED).all()
    assert (got.status == Status.RETURNED).all()
    for k in range(2):
        # Checks are 0.2 apart, and 0.4 with the late step.
        checks = np.concatenate(
            [np.arange(1.0, EARLY_TIME, 0.2), np.arange(EARLY_TIME, 100.0, 0.4)]
        )
        _, omega = exact(model, perturbations, k, checks)
        quiet = np.abs(omega).max(axis=1)
        before = checks < got.stop_time[k] - 0.01
        # Processed frequencies differ from true ones by (h²/12) f'(θ) ω, a few per cent.
        assert quiet[before].min() > 0.09
        assert quiet[~before][0] < 0.11


@needs_compiler
def test_certificate_holds_from_the_check_at_which_the_energy_is_low_enough(folder: Path) -> None:
    model = homogeneous()
    perturbations = Perturbations(
        np.array([3, 11, 7]), np.array([0.4, -2.0, 6.5]), np.array([1.0, 5.0, 2.0])
    )
    stop = STOP_RULES["certified"]
    got = simulate(folder, model, perturbations, stop, 200.0)
    assert (got.reason == Reason.CERTIFIED).all()
    for k in range(3):
        times = np.arange(1.0, got.stop_time[k] + 0.5)
        theta, omega = exact(model, perturbations, k, times)
        energies = [oracle.basin_energy(model, *state) for state in zip(theta, omega, strict=True)]
        bound = stop.margin * model.lowest_barrier
        assert energies[-1] < 1.02 * bound
        # Late checks come every other second; the one before did not hold yet.
        assert all(energy > 0.98 * bound for energy in energies[:-2])


@needs_compiler
def test_winding_states_are_never_certified(folder: Path) -> None:
    # A ring of 12 nodes rests with a turn around it, at an energy below its barrier.
    ring = [(i, (i + 1) % 12) for i in range(12)]
    model = SwingModel.of(PowerGrid.from_arrays(ring, np.zeros(12)))
    turn, still = 2 * np.pi * np.arange(12) / 12, np.zeros(12)
    assert (
        oracle.energy(model, turn - 2 * np.pi * (turn > np.pi), still) < 0.97 * model.lowest_barrier
    )
    reasons = []
    for rest in (turn, still):
        *_, outcome = advance(
            folder,
            model,
            one(0, 0.0, 0.0),
            rest=rest,
            stop=STOP_RULES["certified"],
            horizon=5,
            time_to_settle=0,
        )
        assert outcome["status"][0] == Status.RETURNED
        reasons.append(Reason(outcome["reason"][0]))
    assert reasons == [Reason.HORIZON, Reason.CERTIFIED]


def pair(damping: float = 0.1) -> SwingModel:
    return SwingModel.of(PowerGrid.from_arrays([(0, 1)], [1.0, -1.0], damping=damping))


@needs_compiler
def test_settled_windows_find_the_limit_cycle(folder: Path) -> None:
    # Out of step, the two nodes run at ±P/D = ±10 rad/s.
    got = simulate(folder, pair(), one(0, 0.0, 20.0), STOP_RULES["fast"], 500.0)
    assert (got.status[0], got.reason[0]) == (Status.LEFT, Reason.SETTLED)
    assert 20.0 < got.stop_time[0] < 300.0
    exact = simulate(folder, pair(), one(0, 0.0, 20.0), STOP_RULES["certified"], 500.0)
    assert (exact.status[0], exact.reason[0]) == (Status.LEFT, Reason.HORIZON)
    assert exact.stop_time[0] == 500.0


@needs_compiler
@pytest.mark.parametrize(
    ("stop", "damping", "expected"),
    [
        ("horizon", 0.1, (Status.LEFT, Reason.HORIZON)),
        ("certified", 0.1, (Status.UNDECIDED, Reason.HORIZON)),
        ("certified", 0.0, (Status.UNDECIDED, Reason.HORIZON)),
    ],
)
def test_swinging_at_the_horizon(
    folder: Path, stop: str, damping: float, expected: tuple[Status, Reason]
) -> None:
    horizon = 10.0 if damping else 200.0
    got = simulate(folder, pair(damping), one(0, 0.5, 0.0), STOP_RULES[stop], horizon)
    assert (got.status[0], got.reason[0]) == expected
    assert got.stop_time[0] == horizon


@needs_compiler
def test_diverged_lanes_do_not_disturb_their_neighbours(folder: Path) -> None:
    model, perturbations = homogeneous(), draw(12, seed=6)
    broken = Perturbations(perturbations.node, perturbations.dtheta, perturbations.domega.copy())
    broken.domega[[1, 6]] = np.nan, np.inf
    clean = simulate(folder, model, perturbations, FAST, 40.0)
    got = simulate(folder, model, broken, FAST, 40.0)
    for field in ("status", "reason", "stop_time", "max_frequency"):
        good = np.delete(getattr(got, field), [1, 6])
        assert (good == np.delete(getattr(clean, field), [1, 6])).all()
    assert (got.status[[1, 6]] == Status.UNDECIDED).all()
    assert (got.reason[[1, 6]] == Reason.DIVERGED).all()


@needs_compiler
def test_largest_frequency_is_that_of_the_exact_trajectory(folder: Path) -> None:
    model, perturbations = homogeneous(), draw(6, seed=7)
    got = simulate(folder, model, perturbations, HORIZON, 6.0)
    for k in range(6):
        _, omega = exact(model, perturbations, k, np.arange(0.0, 6.01, 0.05))
        # Processed frequencies differ from true ones by (h²/12) f'(θ) ω.
        assert got.max_frequency[k] == pytest.approx(np.abs(omega).max(), rel=0.02)


# The door


@needs_compiler
def test_no_perturbations_no_outcomes(folder: Path) -> None:
    assert len(simulate(folder, homogeneous(), draw(0), FAST, 10.0).status) == 0


@pytest.mark.parametrize(
    ("node", "horizon", "message"),
    [(20, 10.0, "no node 20"), (-1, 10.0, "no node -1"), (0, 0.0, "horizon"), (0, np.inf, "inf")],
)
def test_what_the_kernel_would_not_survive_is_refused(
    node: int, horizon: float, message: str
) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        CudaEngine().run(homogeneous(), one(node, 0.0, 0.0), stop=HORIZON, horizon=horizon)


@pytest.mark.skipif(cupy_availability().usable, reason="a CUDA device is here")
def test_without_a_device_the_engine_says_so() -> None:
    assert cupy_availability().why.startswith(("no CUDA device", "CuPy is not installed"))
    with pytest.raises(EngineUnavailableError, match="engine 'cuda' cannot run here"):
        make_engine("cuda")
