import sys

import h5py
import numpy as np
import pytest

from gridstab.dynamics.basin_map import basin_map
from gridstab.errors import InvalidParameterError
from tests.gridstab.disc_engine import DiscEngine, ring_grid


@pytest.fixture(autouse=True)
def any_state_serves(monkeypatch):
    monkeypatch.setattr("gridstab.dynamics.swing.operating_point", lambda grid: np.zeros(6))


def test_the_map_is_the_disc_at_the_cells_centres():
    result = basin_map(ring_grid(6), 3, resolution=40, engine=DiscEngine(0.6, undecided_to=0.7))
    assert result.status.shape == (40, 40)
    for row in range(40):
        for column in range(40):
            x, y = (2 * column + 1) / 40 - 1, (2 * row + 1) / 40 - 1
            squared = x**2 + y**2
            truth = 1 if squared < 0.36 else -1 if squared < 0.49 else 0
            assert result.status[row, column] == truth
    np.testing.assert_allclose(result.dtheta[[0, -1]], [-np.pi * 39 / 40, np.pi * 39 / 40])
    np.testing.assert_allclose(result.domega[[0, -1]], [-15 * 39 / 40, 15 * 39 / 40])


def test_large_maps_are_simulated_in_parts(monkeypatch):
    engine = DiscEngine(0.6)
    whole = basin_map(ring_grid(6), 3, resolution=23, engine=engine)
    monkeypatch.setattr(sys.modules["gridstab.dynamics.basin_map"], "CELLS_AT_ONCE", 100)
    engine.batches.clear()
    parts = basin_map(ring_grid(6), 3, resolution=23, engine=engine)
    np.testing.assert_array_equal(parts.status, whole.status)
    assert max(engine.batches) <= 100


def test_the_share_approaches_the_exact_one():
    engine = DiscEngine(0.6)
    error = [
        abs(basin_map(ring_grid(6), 0, resolution=n, engine=engine).share - engine.share())
        for n in (10, 200)
    ]
    assert error[1] < 0.001 < 0.01 < error[0] < 0.05


def test_a_wider_range_shrinks_the_basin_in_it():
    engine = DiscEngine(0.6)
    wide = basin_map(ring_grid(6), 0, resolution=100, domega_range=30.0, engine=engine)
    assert wide.share == pytest.approx(engine.share() / 2, abs=0.005)


def test_saved_maps_hold_the_outcomes_and_how_they_were_made(tmp_path):
    result = basin_map(ring_grid(6), 2, resolution=12, engine=DiscEngine(), stop="certified")
    result.save(tmp_path / "map.h5")
    with h5py.File(tmp_path / "map.h5") as file:
        np.testing.assert_array_equal(file["status"][:], result.status)
        np.testing.assert_array_equal(file["dtheta"][:], result.dtheta)
        np.testing.assert_array_equal(file["domega"][:], result.domega)
        assert dict(file.attrs) == {
            "node": 2,
            "grid": "ring",
            "grid_sha256": ring_grid(6).content_hash,
            "engine": "disc",
            "stop": "certified",
            "horizon": 500.0,
        }
    first = (tmp_path / "map.h5").read_bytes()
    result.save(tmp_path / "map.h5")
    assert (tmp_path / "map.h5").read_bytes() == first


@pytest.mark.parametrize(
    ("node", "options", "message"),
    [
        (6, {}, "node must be 0 to 5 in this grid, got 6"),
        (-1, {}, "node must be at least 0, got -1"),
        (0, {"resolution": 1}, "resolution must be at least 2, got 1"),
        (0, {"resolution": 100_000}, "resolution must be at most 5,000, got 100000"),
        (0, {"horizon": 1e308}, "horizon must be at most 1,000,000 s"),
        (0, {"domega_range": 1e308}, "domega_range must be at most 10,000 rad/s"),
        (0, {"domega_range": float("nan")}, "domega_range must be positive and finite, got nan"),
        (0, {"stop": "soon"}, "unknown stop rule 'soon'"),
    ],
)
def test_bad_parameters_are_refused(node, options, message):
    with pytest.raises(InvalidParameterError, match=message):
        basin_map(ring_grid(6), node, engine=DiscEngine(), **options)
