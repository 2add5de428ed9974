"""Everything that takes part in the engine race, behind one call: outcomes of perturbations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from benchmarks import peers
from benchmarks.task import has_returned, initial_states, returned
from gridstab.dynamics.engine import Engine, Perturbations, stop_rule
from gridstab.dynamics.julia.embedded import obstacle
from gridstab.dynamics.julia.engine import JuliaEngine
from gridstab.dynamics.native.engine import NativeEngine
from gridstab.dynamics.reference.engine import ReferenceEngine
from gridstab.dynamics.swing import SwingModel

Run = Callable[[Perturbations, float], Bool[np.ndarray, " trajectories"]]
"""Perturbations and the horizon [s] to whether each trajectory has returned."""


@dataclass(frozen=True)
class Contestant:
    """A way to compute outcomes.

    Attributes:
        name: Name in tables.
        build: Prepares a grid.
        trajectories: Trajectories of one measurement.
        native: Whether it is this library's default engine, to which others are compared.
    """

    name: str
    build: Callable[[SwingModel], Run]
    trajectories: int
    native: bool = False


def native_contestants(trajectories: int) -> list[Contestant]:
    """The native engine under its stop rules; ``trajectories`` for the fastest."""
    single, double = NativeEngine(), NativeEngine(precision="float64")
    return [
        _engine("native fast", single, "fast", trajectories, native=True),
        _engine("native certified", single, "certified", trajectories, native=True),
        _engine("native certified float64", double, "certified", trajectories // 2, native=True),
        _engine("native horizon", single, "horizon", trajectories // 2, native=True),
        _engine("native horizon float64", double, "horizon", trajectories // 4, native=True),
    ]


def own_adaptive(trajectories: int) -> Contestant:
    """The solver of the published data with its stop, in this library's compiled loops."""
    engine = ReferenceEngine("tsit5", rtol=peers.TOLERANCE, atol=peers.TOLERANCE)
    return _engine("own tsit5, published stop", engine, "published", trajectories)


def julia_contestants(trajectories: int, adaptive: int) -> tuple[list[Contestant], dict[str, str]]:
    """The Julia engine: the native method, and the setting of the published study.

    They are no peers, which integrate to the horizon: their stops are part of what is measured.

    Args:
        trajectories: Of the fast method.
        adaptive: Of Tsitouras 5(4) at 1e-6 with the published stop.

    Returns:
        The contestants, and why there are none.
    """
    fast = JuliaEngine()
    state = fast.availability()
    if not state.usable:
        return [], {"julia": state.why}
    if obstacle():
        # The processor time of another process would not be counted.
        return [], {"julia": f"not in this process: {obstacle()}"}
    published = JuliaEngine("tsit5", tolerance=peers.TOLERANCE)
    return [
        _engine("julia fast", fast, "fast", trajectories),
        _engine("julia tsit5, published stop", published, "published", adaptive),
    ], {}


def peer_contestants(scale: float) -> tuple[list[Contestant], dict[str, str]]:
    """The peers that are installed, and why the others are not there."""
    present, missing = [], {}
    for module in peers.MODULES:
        try:
            peer = peers.load(module)
        except ImportError as error:
            missing[module] = str(error)
            continue
        present.append(_peer(peer, max(1, round(scale * peer.batches))))
    return present, missing


def _engine(
    name: str, engine: Engine, stop: str, trajectories: int, *, native: bool = False
) -> Contestant:
    def build(model: SwingModel) -> Run:
        def run(perturbations: Perturbations, horizon: float) -> Bool[np.ndarray, " trajectories"]:
            rule = stop_rule(stop)
            return has_returned(engine.run(model, perturbations, stop=rule, horizon=horizon))

        return run

    return Contestant(name, build, trajectories, native)


def _peer(peer: peers.Peer, batches: int) -> Contestant:
    def build(model: SwingModel) -> Run:
        solve = peer.build(model)

        def run(perturbations: Perturbations, horizon: float) -> Bool[np.ndarray, " trajectories"]:
            states = initial_states(model, perturbations)
            parts = range(0, len(states), peer.batch)
            return np.concatenate(
                [returned(solve(states[i : i + peer.batch], horizon)) for i in parts]
            )

        return run

    return Contestant(peer.name, build, batches * peer.batch)
