"""Packed sets tell damage, hold landscapes, and open wherever labels are asked for."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from gnncore.storage import CorruptFileError
from gridstab.cli import app
from gridstab.datasets import Campaign, LandscapeFolder, RunFolder, run_campaign, run_landscapes
from gridstab.datasets.benchmark import benchmark_path
from gridstab.datasets.counted_grid import CountedGrid
from gridstab.datasets.packed import origin, pack, unpack, verify_packed
from gridstab.errors import RunFolderError


@pytest.fixture
def run_folder(campaign: Campaign, tmp_path: Path) -> RunFolder:
    return run_campaign(campaign, tmp_path / "run").folder


def command(*arguments: str | Path, code: int = 0) -> Any:
    ran = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "160"})
    assert ran.exit_code == code, ran.output
    return ran


def test_every_changed_number_is_seen(run_folder: RunFolder, tmp_path: Path) -> None:
    file = pack(run_folder.path, tmp_path / "set.h5")
    assert verify_packed(file) == []
    with h5py.File(file) as opened:
        names = list(opened)
    for name in names:
        changed = tmp_path / f"{name}.h5"
        changed.write_bytes(file.read_bytes())
        with h5py.File(changed, "r+") as opened:
            values = opened[name][()]
            values.reshape(-1)[-1] += 1
            opened[name][...] = values
        with pytest.raises(CorruptFileError, match="its numbers differ"):
            unpack(changed)
        assert len(verify_packed(changed)) == 1
    with h5py.File(file, "r+") as opened:
        opened.attrs["origin"] = opened.attrs["origin"].replace('"seed": 5', '"seed": 6')
    with pytest.raises(CorruptFileError, match="its origin is"):
        unpack(file)


@pytest.mark.parametrize("kept", [0, 7, 100, 0.3, 0.7, -1])
def test_what_is_cut_off_is_refused(run_folder: RunFolder, tmp_path: Path, kept: float) -> None:
    file = pack(run_folder.path, tmp_path / "set.h5")
    data = file.read_bytes()
    file.write_bytes(data[: round(kept * len(data)) if 0 < kept < 1 else int(kept)])
    with pytest.raises(CorruptFileError):
        unpack(file)
    assert len(verify_packed(file)) == 1
    for refused in (
        ("train", "--data", file, "--out", tmp_path / "model"),
        ("evaluate", tmp_path / "model", "--data", file),
    ):
        ran = command(*refused, code=2)
        assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", ["ds20", "ds100", "texas"])
def test_files_without_checksum_open_and_say_so(name: str) -> None:
    assert verify_packed(benchmark_path(name)) == ["it carries no checksum; pack it again"]


def test_the_large_set_is_as_it_was_packed() -> None:
    assert verify_packed(benchmark_path("ds20-large")) == []


def test_landscapes_are_packed_too(campaign: Campaign, tmp_path: Path) -> None:
    folder = run_landscapes(campaign, tmp_path / "images", resolution=7).folder
    assert isinstance(folder, LandscapeFolder)
    seen: list[tuple[int, int]] = []
    file = pack(folder.path, tmp_path / "images.h5", on_progress=lambda *at: seen.append(at))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert origin(file) == folder.config
    with h5py.File(file) as opened:
        assert opened["landscape_bits"].dtype == np.uint8
        assert opened["landscape_bits"].shape == (18, 7)  # 49 pixels in 7 bytes
    for item in unpack(file):
        truth = folder.landscapes(item.grid_id)
        assert item.grid == truth.grid
        assert item.landscape is not None
        np.testing.assert_array_equal(item.landscape, truth.status == 1)
        np.testing.assert_array_equal(item.snbs, truth.snbs)
        np.testing.assert_array_equal(item.n_undecided, truth.n_undecided)
        assert item.domega_range == 15.0


def test_the_command(
    run_folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command("pack", "run", "--out", "set.h5").stdout
    assert said.startswith("packed 3 grids into set.h5, ")
    for item in unpack("set.h5"):
        np.testing.assert_array_equal(item.snbs, CountedGrid.read(run_folder, item.grid_id).snbs)
    assert command("verify", "set.h5").stdout == (
        "set.h5: a packed set: all numbers are as they should be\n"
    )
    found = json.loads(command("info", "set.h5", "--json").stdout)
    truth = json.loads(command("info", "run", "--json").stdout)
    assert (found["grids"], found["nodes"]) == (truth["grids"], truth["nodes"])
    assert found["mean_snbs"] == pytest.approx(truth["mean_snbs"])
    assert found["config"] == truth["config"]
    before = Path("set.h5").read_bytes()
    for bad in (("run", "--out", "set.h5"), ("run", "--out", "set.txt"), ("none", "--out", "n.h5")):
        assert command("pack", *bad, code=2).stderr.count("\n") == 1
    assert Path("set.h5").read_bytes() == before
    Path("set.h5").write_bytes(before[:-50])
    assert command("verify", "set.h5", code=1).stdout.count("\n") == 1
    assert command("info", "set.h5", code=2).stderr.count("\n") == 1
    assert not Path("n.h5").exists()
    Path("run", "manifest.json").unlink()
    with pytest.raises(RunFolderError, match="unfinished"):
        pack("run", tmp_path / "n.h5")


def test_packaged_sets_go_by_their_names(
    run_folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command("info", "ds20").stdout
    assert said.startswith("ds20: a packed set of 1,000 grids with 20,000 nodes\n")
    assert json.loads(command("info", "texas", "--json").stdout)["run"] == "texas"
    assert command("verify", "ds20-large").stdout.startswith("ds20-large: a packed set: all numb")
    for name in ("info", "verify"):
        told = command(name, "ds21", code=2).stderr
        assert told.startswith("gridstab: 'ds21' is no folder; give the folder of a run or of a ")
        assert "ds20, ds100, ds20-large, ds100-large, texas" in told
    run_folder.path.rename("ds20")
    assert command("info", "ds20").stdout.startswith("ds20\n")
