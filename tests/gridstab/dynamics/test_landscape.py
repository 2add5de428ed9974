"""Stability landscapes pixel by pixel: against known shapes, SciPy, and the symmetry of the law."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import gridstab
from gridstab.dynamics.basin_map import basin_map
from gridstab.dynamics.engine import Perturbations
from gridstab.dynamics.landscape import landscapes_of, raster, stability_landscape
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import InvalidParameterError
from tests.gridstab.disc_engine import DiscEngine, ring_grid, ring_model


def images(resolution: int, engine: DiscEngine, batch: int | None = None) -> np.ndarray:
    model, nodes = ring_model(6), np.arange(6)
    with pytest.MonkeyPatch.context() as patch:
        if batch is not None:
            patch.setattr("gridstab.dynamics.landscape.BATCH", batch)
        return landscapes_of(
            model, nodes, resolution, domega_range=15.0, engine=engine, stop="fast", horizon=500.0
        )


def test_every_pixel_is_the_outcome_at_its_centre() -> None:
    engine = DiscEngine(np.array([0.3, 0.6, 0.9]), undecided_to=0.7)
    found = images(12, engine)
    for node in range(6):
        for row in range(12):
            for column in range(12):
                x, y = (2 * column + 1) / 12 - 1, (2 * row + 1) / 12 - 1
                squared, radius = x**2 + y**2, (0.3, 0.6, 0.9)[node % 3]
                truth = 1 if squared < radius**2 else -1 if squared < 0.49 else 0
                assert found[node, row, column] == truth


def test_images_do_not_depend_on_batches() -> None:
    engine = DiscEngine(0.6)
    whole = images(7, engine)
    engine.batches.clear()
    np.testing.assert_array_equal(images(7, engine, batch=50), whole)
    assert max(engine.batches) == 50


def test_one_node_is_the_map_of_its_basin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridstab.dynamics.swing.operating_point", lambda grid: np.zeros(6))
    engine = DiscEngine(np.array([0.5, 0.9]), undecided_to=0.7)
    found = stability_landscape(ring_grid(6), 2, resolution=9, engine=engine)
    truth = basin_map(ring_grid(6), 2, resolution=9, engine=engine)
    np.testing.assert_array_equal(found.status, truth.status)
    np.testing.assert_array_equal(found.dtheta, truth.dtheta)
    np.testing.assert_array_equal(found.domega, truth.domega)
    assert found.settings == truth.settings
    assert found.share == np.mean(found.status == 1)
    assert found.undecided == np.sum(found.status == -1) > 0
    assert stability_landscape(ring_grid(6), 0, engine=engine).status.shape == (20, 20)


def test_two_machines_against_scipy() -> None:
    """All pixels at once, followed for 250 s: both have stopped by then, or run off for ever."""
    grid = gridstab.PowerGrid.from_arrays([(0, 1)], [1.0, -1.0], coupling=6.0)
    found = stability_landscape(grid, 0, resolution=6, engine="native", threads=1)
    dtheta, domega = raster(6)
    start = np.arcsin(1 / 6)
    column, row = (axis.ravel() for axis in np.meshgrid(dtheta, domega))
    zeros = np.zeros_like(column)

    def law(_: float, state: np.ndarray) -> np.ndarray:
        one, other, fast, slow = state.reshape(4, -1)
        pull = 6 * np.sin(one - other)
        return np.concatenate([fast, slow, 1 - 0.1 * fast - pull, -1 - 0.1 * slow + pull])

    state = np.concatenate([column + start, zeros, row, zeros])
    solved = solve_ivp(law, (0, 250), state, rtol=1e-6, atol=1e-6)
    last = np.abs(solved.y[:, -1].reshape(4, -1)[2:]).max(axis=0)
    assert ((last < 0.01) | (last > 5)).all()  # no pixel is in doubt
    np.testing.assert_array_equal(found.status.ravel(), last < 0.1)
    assert 0.2 < found.share < 0.8


def test_without_power_everything_returns() -> None:
    grid = gridstab.PowerGrid.from_arrays([(0, 1), (1, 2)], np.zeros(3), damping=0.4)
    assert (stability_landscape(grid, 1, resolution=6, engine="native").status == 1).all()


def test_the_mirror_image_mirrors_the_landscape() -> None:
    """(θ, ω, P) → (−θ, −ω, −P): the image turned by half a turn."""
    grid = gridstab.random_grid(8, seed=4)
    opposite = replace(grid, power=-grid.power)
    for node in (0, 5):
        found = stability_landscape(grid, node, resolution=10, engine="native", threads=1)
        turned = stability_landscape(opposite, node, resolution=10, engine="native", threads=1)
        np.testing.assert_array_equal(turned.status, found.status[::-1, ::-1])
        assert 0 < found.share < 1


def test_the_raster_is_symmetric_and_within_the_window() -> None:
    for resolution in (2, 7, 20):
        for axis, largest in zip(raster(resolution, 3.0), (np.pi, 3.0), strict=True):
            np.testing.assert_allclose(axis, -axis[::-1], atol=1e-15)
            assert axis[-1] == pytest.approx(largest * (1 - 1 / resolution))


def test_engines_are_asked_for_single_nodes() -> None:
    asked: list[Perturbations] = []

    class Listening(DiscEngine):
        def run(self, model: SwingModel, perturbations: Perturbations, **more: object) -> object:
            asked.append(perturbations)
            return super().run(model, perturbations, **more)  # type: ignore[arg-type]

    images(3, Listening())
    np.testing.assert_array_equal(asked[0].node, np.arange(6).repeat(9))


@pytest.mark.parametrize(
    ("node", "options", "message"),
    [
        (6, {}, "node must be 0 to 5 in this grid, got 6"),
        (-1, {}, "node must be at least 0, got -1"),
        (0, {"resolution": 1}, "resolution must be at least 2, got 1"),
        (0, {"resolution": 100_000}, "resolution must be at most 5,000"),
        (0, {"horizon": float("nan")}, "horizon must be positive and finite"),
        (0, {"domega_range": 0}, "domega_range must be positive"),
        (0, {"threads": 0}, "threads must be at least 1"),
        (0, {"stop": "soon"}, "unknown stop rule 'soon'"),
    ],
)
def test_bad_parameters_are_refused(node: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        stability_landscape(ring_grid(6), node, **({"engine": DiscEngine()} | options))  # type: ignore[arg-type]
