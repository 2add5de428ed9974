"""The Julia engines' numbers against those of NumPy, SciPy and numba."""

import numpy as np
import pytest

from gridstab.dynamics import oracle
from gridstab.dynamics.engine import (
    Engine,
    Perturbations,
    StopRule,
    Trajectories,
    stop_rule,
)
from gridstab.dynamics.engines import ENGINES
from gridstab.dynamics.julia import embedded
from gridstab.dynamics.julia.engine import JuliaEngine
from gridstab.dynamics.julia.request import METHODS
from gridstab.dynamics.native.engine import NativeEngine
from gridstab.dynamics.reference.engine import ReferenceEngine
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import EngineFailedError, InvalidParameterError
from gridstab.grids.growth import random_grid

MODEL = SwingModel.of(random_grid(20, seed=1))


def draw(nodes: int, count: int, seed: int = 0, domega: float = 15.0) -> Perturbations:
    rng = np.random.default_rng(seed)
    return Perturbations(
        rng.integers(0, nodes, count),
        rng.uniform(-np.pi, np.pi, count),
        rng.uniform(-domega, domega, count),
    )


def agreement(one: Engine, other: Engine, model: SwingModel, perturbations: Perturbations) -> float:
    outcomes = [engine.run(model, perturbations, stop=stop_rule("fast")) for engine in (one, other)]
    return float((outcomes[0].status == outcomes[1].status).mean())


def assert_equal(one: Trajectories, other: Trajectories) -> None:
    for field, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(other, field), field)


def test_all_three_are_registered() -> None:
    made = {name: ENGINES[name]() for name in ENGINES if name.startswith("julia")}
    assert {name: engine.name for name, engine in made.items()} == {name: name for name in made}
    assert set(made) == {"julia", "julia-tsit5", "julia-dop853"}


@pytest.mark.usefixtures("julia")
class TestWithJulia:
    @pytest.mark.parametrize(("mode", "said"), [("auto", "in-process"), ("subprocess",) * 2])
    def test_the_version_names_the_mode(
        self, monkeypatch: pytest.MonkeyPatch, mode: str, said: str
    ) -> None:
        monkeypatch.setenv("GRIDSTAB_JULIA_MODE", mode)
        if mode == "auto" and embedded.obstacle():
            pytest.skip(embedded.obstacle())
        state = JuliaEngine().availability()
        assert state.usable
        assert state.version.startswith("Julia 1.")
        assert state.version.endswith(said)

    def test_the_fast_method_agrees_with_the_native_engine(self) -> None:
        perturbations = draw(20, 300)
        assert agreement(JuliaEngine(), NativeEngine(), MODEL, perturbations) >= 0.995

    @pytest.mark.parametrize("rule", ["published", "fast"])
    def test_the_solver_of_the_published_data_agrees_with_our_other(self, rule: str) -> None:
        perturbations = draw(20, 60, domega=8.0)
        mine, other = (
            engine.run(MODEL, perturbations, stop=stop_rule(rule), horizon=200.0)
            for engine in (JuliaEngine("tsit5", 1e-6), ReferenceEngine("tsit5", 1e-6, 1e-6))
        )
        assert (mine.status == other.status).mean() >= 0.98
        same = mine.reason == other.reason
        assert same.mean() >= 0.95
        assert np.median(np.abs(mine.stop_time - other.stop_time)[same]) < 1e-3
        np.testing.assert_allclose(mine.max_frequency, other.max_frequency, rtol=1e-3)

    def test_states_are_those_of_scipy(self) -> None:
        perturbations = draw(20, 3, seed=1)
        columns = (perturbations.node, perturbations.dtheta, perturbations.domega)
        truth = [
            np.concatenate(oracle.simulate_trajectory(MODEL, *start, np.array([20.0])))
            for start in zip(*(column.tolist() for column in columns), strict=True)
        ]
        for method in ("dop853", "tsit5"):
            engine = JuliaEngine(method, 1e-10)
            states = np.stack(engine.final_states(MODEL, perturbations, 20.0), axis=1)
            np.testing.assert_allclose(states, truth, rtol=0, atol=1e-6)

    def test_states_of_the_fast_method(self) -> None:
        """Fourth order at steps of 0.05 s and single precision, before errors have grown."""
        perturbations = draw(20, 6, seed=1, domega=3.0)
        _, omega = JuliaEngine().final_states(MODEL, perturbations, 2.0)
        _, truth = JuliaEngine("dop853", 1e-10).final_states(MODEL, perturbations, 2.0)
        np.testing.assert_allclose(omega, truth, rtol=0, atol=2e-2)

    def test_both_modes_give_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Bit for bit, errors included."""
        results = []
        for mode in ("auto", "subprocess"):
            monkeypatch.setenv("GRIDSTAB_JULIA_MODE", mode)
            fast = JuliaEngine().run(MODEL, draw(20, 200), stop=stop_rule("fast"), threads=2)
            exact = JuliaEngine("dop853", 1e-6)
            slow = exact.run(MODEL, draw(20, 10), stop=stop_rule("published"))
            theta, omega = exact.final_states(MODEL, draw(20, 3), 5.0)
            with monkeypatch.context() as broken:
                broken.setitem(METHODS, "fast", 99)
                with pytest.raises(EngineFailedError, match="99") as raised:
                    JuliaEngine().run(MODEL, draw(20, 1), stop=stop_rule("fast"))
            results.append((fast, slow, theta, omega, str(raised.value)))
        inside, outside = results
        assert_equal(inside[0], outside[0])
        assert_equal(inside[1], outside[1])
        assert (inside[2] == outside[2]).all()
        assert (inside[3] == outside[3]).all()
        assert inside[4] == outside[4]
        assert "\n" not in inside[4]

    def test_no_perturbations_no_outcomes(self) -> None:
        assert len(JuliaEngine().run(MODEL, draw(20, 0), stop=stop_rule("fast")).status) == 0

    @pytest.mark.slow
    @pytest.mark.parametrize("nodes", [20, 100])
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_the_fast_method_agrees_on_many(self, nodes: int, seed: int) -> None:
        model = SwingModel.of(random_grid(nodes, seed=seed))
        perturbations = draw(nodes, 2000, seed=seed)
        assert agreement(JuliaEngine(), NativeEngine(), model, perturbations) >= 0.995


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"method": "euler"}, "'euler'.*fast, tsit5, dop853"),
        ({"method": "tsit5", "tolerance": 0.0}, "tolerance .* 0.0"),
        ({"method": "tsit5", "tolerance": float("nan")}, "tolerance .* nan"),
    ],
)
def test_bad_settings(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidParameterError, match=complaint):
        JuliaEngine(**settings)


@pytest.mark.parametrize("node", [-1, 20])
def test_unknown_nodes_never_reach_julia(node: int) -> None:
    perturbations = Perturbations(np.array([0, node]), np.zeros(2), np.zeros(2))
    with pytest.raises(InvalidParameterError, match=f"no node {node}"):
        JuliaEngine().run(MODEL, perturbations, stop=StopRule("horizon"))


@pytest.mark.parametrize(("name", "value"), [("horizon", 0.0), ("horizon", np.inf), ("threads", 0)])
def test_bad_parameters(name: str, value: float) -> None:
    with pytest.raises(InvalidParameterError, match=f"{name} .*{value}"):
        JuliaEngine().run(MODEL, draw(20, 1), stop=StopRule("horizon"), **{name: value})
