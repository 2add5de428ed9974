"""Packed sets hold exactly what the run folder held, in little space."""

from dataclasses import fields
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np
import pytest

from gnncore.storage import CorruptFileError
from gridstab.datasets import Campaign, RunFolder, export_run, import_labels, run_campaign
from gridstab.datasets.benchmark import BENCHMARK_SETS, benchmark_path, origin, pack, unpack
from gridstab.datasets.counted_grid import CountedGrid
from gridstab.errors import InvalidParameterError, RunFolderError
from tests import ROOT

CAMPAIGNS = ROOT / "simulations" / "campaigns"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    campaign = Campaign.resolve(nodes=20, grids=5, samples=10, seed=1)
    return run_campaign(campaign, tmp_path_factory.mktemp("packed") / "run").folder


def assert_same(one: CountedGrid, other: CountedGrid) -> None:
    assert one.grid == other.grid
    for field in fields(CountedGrid):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("grid_id", "sampler") or a is None:
            assert a == b
        elif field.name != "grid":
            np.testing.assert_array_equal(a, b, err_msg=field.name)
            assert a.dtype == b.dtype, field.name


def test_packing_loses_nothing(run: RunFolder, tmp_path: Path) -> None:
    file = pack(run.path, tmp_path / "small.h5")
    grids = unpack(file)
    assert [item.grid_id for item in grids] == [1, 2, 3, 4, 5]
    for item in grids:
        assert_same(item, CountedGrid.of(item.grid_id, run.result(item.grid_id)))
        assert item.grid.name == f"small-{item.grid_id}"
        positions = run.result(item.grid_id).grid.coordinates
        assert positions is not None
        np.testing.assert_allclose(item.grid.coordinates, positions, atol=1e-6)
    assert origin(file) == run.config
    assert file.read_bytes() == pack(run.path, tmp_path / "small.h5").read_bytes()


def test_positions_can_be_left_out(run: RunFolder, tmp_path: Path) -> None:
    whole = pack(run.path, tmp_path / "whole.h5")
    file = pack(run.path, tmp_path / "small.h5", positions=False)
    assert file.stat().st_size < whole.stat().st_size
    for item in unpack(file):
        assert item.grid.coordinates is None
        assert_same(item, CountedGrid.of(item.grid_id, run.result(item.grid_id)))


def test_numbers_lie_in_the_smallest_type(run: RunFolder, tmp_path: Path) -> None:
    with h5py.File(pack(run.path, tmp_path / "small.h5")) as file:
        types = {name: file[name].dtype for name in ("power", "lines", "n_stable", "coupling")}
    assert set(types.values()) == {np.dtype("int8")}


def test_imported_labels_and_uneven_parameters(run: RunFolder, tmp_path: Path) -> None:
    export_run(run.path, tmp_path / "v0", "v0")
    with h5py.File(tmp_path / "v0" / "grid_data_00002.h5", "r+") as file:
        file["edge_attr"][:2] = 8.25
    imported = import_labels(tmp_path / "v0", tmp_path / "imported", samples=10)
    grids = unpack(pack(imported.path, tmp_path / "imported.h5"))
    assert grids[1].grid.coupling[0] == 8.25
    for item in grids:
        assert_same(item, CountedGrid.read(imported, item.grid_id))
        assert item.n_undecided is None


def test_what_is_refused(run: RunFolder, tmp_path: Path) -> None:
    file = pack(run.path, tmp_path / "small.h5")
    (tmp_path / "cut.h5").write_bytes(file.read_bytes()[:-100])
    with h5py.File(tmp_path / "foreign.h5", "w") as other:
        other["x"] = 1
    for name in ("cut.h5", "foreign.h5"):
        with pytest.raises(CorruptFileError):
            unpack(tmp_path / name)
    with pytest.raises(InvalidParameterError, match="no packaged set 'ds21'"):
        benchmark_path("ds21")
    (run.path / "manifest.json").rename(tmp_path / "manifest.json")
    with pytest.raises(RunFolderError, match="unfinished"):
        pack(run.path, tmp_path / "none.h5")
    (tmp_path / "manifest.json").rename(run.path / "manifest.json")


@pytest.mark.parametrize("name", BENCHMARK_SETS)
def test_packaged_sets_are_what_their_campaign_says(name: str) -> None:
    campaign = Campaign.resolve(CAMPAIGNS / f"benchmark-{name}.toml")
    try:
        file = benchmark_path(name)
    except InvalidParameterError:
        pytest.skip(f"{name} has not been simulated yet")
    made = origin(file).campaign
    assert made is not None
    assert made.model_copy(update={"engine": campaign.engine}) == campaign
    assert file.stat().st_size < 8e6
    grids = unpack(file)
    assert len(grids) == campaign.grids
    for item in grids[:: max(len(grids) // 5, 1)]:
        assert item.grid == campaign.source.grid(item.grid_id)
        assert item.n_samples is not None
        assert (item.n_samples == campaign.samples).all()


def test_no_grid_is_in_two_sets() -> None:
    """What learns from one may be tested on another: also from the campaigns of the full size."""
    names = [f"benchmark-{name}" for name in BENCHMARK_SETS] + ["ds20-full", "ds100-full"]
    sources = {name: Campaign.resolve(CAMPAIGNS / f"{name}.toml").source for name in names}
    twice = [
        (one, other)
        for one, other in combinations(names, 2)
        if sources[one].grid(1) == sources[other].grid(1)
    ]
    assert twice == [
        ("benchmark-ds20-large", "ds20-full"),
        ("benchmark-ds100-large", "ds100-full"),
    ]
