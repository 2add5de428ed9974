"""Packed sets tell damage, hold landscapes, and open wherever labels are asked for."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import gridstab
from gnncore.storage import CorruptFileError, seal_of
from gridstab.cli import app
from gridstab.cli.summary import packed_results
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


def test_the_table_of_a_packed_set_is_that_of_its_run(
    run_folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pack(run_folder.path, "set.h5")
    tables = []
    for place in ("run", "set.h5"):
        command("info", place, "--csv", f"{place}.csv")
        tables.append(list(csv.DictReader(Path(f"{place}.csv").read_text().splitlines())))
    own, packed = tables
    # The times of return, the names of nodes and the last digits of deviations are not packed.
    for before, after in zip(own, packed, strict=True):
        assert before.keys() - after.keys() == {"mean_return_time", "name"}
        for name in after.keys() - {"max_frequency_deviation"}:
            assert after[name] == before[name]
        assert float(after["max_frequency_deviation"]) == pytest.approx(
            float(before["max_frequency_deviation"]), abs=0.1
        )


def test_a_packaged_set_is_not_written_over_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is no path, so that nothing else tells that it is the same file."""
    copied = Path(shutil.copy(benchmark_path("ds20"), tmp_path))
    monkeypatch.setattr("gridstab.cli.folders.place_of", lambda _: copied)
    before = copied.read_bytes()
    said = command("info", "ds20", "--csv", copied, code=2).stderr
    assert "it is the packed set 'ds20'" in said.replace("\n", " ")
    assert copied.read_bytes() == before


def test_labels_without_counts_have_no_intervals() -> None:
    grid = gridstab.random_grid(6, seed=1)
    (found,) = packed_results([CountedGrid(grid_id=3, grid=grid, snbs=np.linspace(0, 1, 6))])
    assert found["grid"] == 3
    assert found.keys() == {"grid", "grid_name", "node", "snbs"}


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


def rewritten(file: Path, to: Path, **columns: Any) -> Path:
    """The same set with other arrays, and without a checksum."""
    with h5py.File(file) as old, h5py.File(to, "w") as new:
        for name, value in old.attrs.items():
            if name != "seal":
                new.attrs[name] = value
        arrays = {name: old[name][()] for name in old}
        for name, change in columns.items():
            arrays[name] = change(arrays[name])
        for name, values in arrays.items():
            new[name] = values
    return to


def at(number: float, place: int = 4) -> Any:
    def change(values: np.ndarray) -> np.ndarray:
        changed = values.astype(np.float64)
        changed.reshape(-1)[place] = number
        return changed

    return change


def refused(file: Path, name: str, message: str) -> None:
    with pytest.raises(CorruptFileError, match=f"'{file}'.*{name}.*{message}"):
        unpack(file)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("n_stable", at(-1), "is -1 at 4, must be a whole number from 0"),
        ("n_stable", at(1000), "is 1000 at 4, must be at most n_samples"),
        ("n_stable", at(0.5), "is 0.5 at 4, must be a whole number"),
        ("n_stable", at(np.nan), "is nan at 4"),
        ("n_survived", at(1000), "is 1000 at 4, must be at most n_samples"),
        ("n_undecided", at(1000), "is 1000 at 4, must be at most n_samples"),
        ("n_samples", at(0), "is 0 at 4, must be a whole number from 1"),
        ("n_samples", at(1e300), r"is 1e\+300 at 4"),
        ("grid_id", at(1.5, 1), "is 1.5 at 1, must be a whole number"),
        ("grid_id", at(1, 1), "names grid 1 2 times"),
        ("grid_id", lambda values: values[:0], "names no grid"),
        ("num_nodes", at(0, 1), "is 0 at 1"),
        (
            "num_nodes",
            lambda values: values[:, None],
            r"has shape \(3, 1\), not \(3,\) for 3 grids",
        ),
        ("power", lambda values: np.r_[values, 0], r"has shape \(19,\), not \(18,\) for 18 nodes"),
        ("n_stable", lambda values: np.r_[values, 0], r"has shape \(19,\)"),
        ("n_stable", lambda values: values[:, None], r"has shape \(18, 1\), not \(18,\)"),
        ("lines", lambda values: np.r_[values, values[:1]], r"has shape \(.*, 2\), not"),
        ("lines", at(0.5), "is 0.5 at 2, 0, must be a whole number"),
        ("coupling", lambda values: values.astype("S"), "holds no numbers"),
        ("coordinates", lambda values: values[1:], r"has shape \(17, 2\)"),
        ("troublemaker", at(2), "is 2 at 4, must be 0 or 1"),
        ("max_frequency_deviation", at(-1.5), "is -1.5 at 4, must be finite and not negative"),
        ("max_frequency_deviation", at(np.nan), "is nan at 4"),
    ],
)
def test_impossible_numbers_are_refused(
    run_folder: RunFolder, tmp_path: Path, name: str, change: Any, message: str
) -> None:
    file = pack(run_folder.path, tmp_path / "set.h5")
    changed = rewritten(file, tmp_path / "changed.h5", **{name: change})
    refused(changed, name, message)
    # With a checksum of the changed numbers too.
    with h5py.File(changed, "r+") as opened:
        columns = {key: opened[key][()] for key in opened}
        opened.attrs["seal"] = seal_of({"origin": opened.attrs["origin"]}, columns)
    refused(changed, name, message)


def test_a_missing_array_is_named(run_folder: RunFolder, tmp_path: Path) -> None:
    file = pack(run_folder.path, tmp_path / "set.h5")
    with h5py.File(file, "r+") as opened:
        del opened["n_stable"], opened.attrs["seal"]
    refused(file, "it lacks n_stable", "")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("domega_range", at(np.nan, 1), "is nan at 1, must be finite and positive"),
        ("domega_range", at(-15, 1), "is -15 at 1, must be finite and positive"),
        ("domega_range", lambda values: np.c_[values, -values], r"has shape \(3, 2\), not \(3,\)"),
        ("resolution", at(9, 1), "is 9 at 1, must be that of pixels in 7 bytes a node"),
        ("resolution", at(6.5, 1), "is 6.5 at 1, must be a whole number"),
        ("landscape_bits", lambda values: values[1:], r"has shape \(17, 7\), not a row for each"),
        ("landscape_bits", at(300), "is 300 at 0, 4, must be a byte"),
        ("n_stable", lambda values: (values + 1) % 49, "must be the number of pixels that return"),
        ("n_samples", lambda values: values + 1, "is 50 at 0, must be the number of pixels"),
    ],
)
def test_impossible_landscapes_are_refused(
    campaign: Campaign, tmp_path: Path, name: str, change: Any, message: str
) -> None:
    folder = run_landscapes(campaign, tmp_path / "images", resolution=7).folder
    file = pack(folder.path, tmp_path / "images.h5")
    refused(rewritten(file, tmp_path / "changed.h5", **{name: change}), name, message)


def test_what_a_packed_set_of_landscapes_holds_is_said(campaign: Campaign, tmp_path: Path) -> None:
    folder = run_landscapes(campaign, tmp_path / "images", resolution=7).folder
    file = pack(folder.path, tmp_path / "images.h5")
    packed, unpacked = (command("info", str(path)).stdout for path in (file, folder.path))
    assert "landscapes of 7 × 7 pixels\n" in packed
    assert "sampler" not in packed
    first, rest = unpacked.split("\n", 1)
    assert "a folder of landscapes of " in first
    assert rest == packed.split("\n", 1)[1]


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
