"""Our files read as the authors' loaders read them, and theirs, written by plain h5py, by us."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import gridstab
from gnncore.storage import CorruptFileError, StorageError, write_hdf5
from gridstab.datasets import (
    LAYOUTS,
    Campaign,
    RunFolder,
    export_run,
    import_labels,
    run_campaign,
    verify,
)
from gridstab.datasets.layouts.split import split_ends
from gridstab.errors import GridstabError, InvalidParameterError, RunFolderError

LINES = [(1, 2), (2, 1), (2, 3), (3, 2), (3, 4), (4, 3), (1, 4), (4, 1)]
POWER = np.array([1.0, -1.0, 1.0, -1.0])


def published_per_grid(folder: Path, grids: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(1, grids + 1):
        with h5py.File(folder / f"grid_data_{k:05d}.h5", "w") as file:
            file["edge_index"] = np.array(LINES, np.int64)
            file["edge_attr"] = np.full(8, 9.0)
            file["P"] = POWER
        with h5py.File(folder / f"snbs_{k:05d}.h5", "w") as file:
            file["snbs"] = np.array([0.9999, 1.0, 0.9807, k / 10])
        with h5py.File(folder / f"surv_{k:05d}.h5", "w") as file:
            file["surv"] = np.array([0.5, 0.25, 0.1234, 0.0])


def published_split(folder: Path, splits: dict[str, list[int]]) -> None:
    for split, numbers in splits.items():
        target = folder / split
        target.mkdir(parents=True)
        with (
            h5py.File(target / "input_data.h5", "w") as inputs,
            h5py.File(target / "snbs.h5", "w") as snbs,
            h5py.File(target / "tm.h5", "w") as tm,
            h5py.File(target / "mfd.h5", "w") as mfd,
        ):
            for k in numbers:
                inputs[f"grids/{k}/node_features"] = POWER
                inputs[f"grids/{k}/edge_index"] = np.array(LINES, np.int64)
                inputs[f"grids/{k}/edge_attr"] = np.full(8, 9.0)
                snbs[str(k)] = np.array([0.9999, 1.0, 0.9807, (k % 10) / 10])
                tm[str(k)] = np.array([0, 1, 0, 1])
                mfd[str(k)] = np.array([3.5, 17.25, 14.9, 40.0])
        (target / "input_features.csv").write_text("0,1\n")


@pytest.fixture
def run(campaign: Campaign, tmp_path: Path) -> RunFolder:
    more = campaign.model_copy(update={"grids": 10, "samples": 5})
    return run_campaign(more, tmp_path / "run").folder


def test_further_columns_of_features_are_refused(tmp_path: Path) -> None:
    """Which of them is the power, nothing in the file says."""
    published_split(tmp_path / "ds20", {"train": [1, 2]})
    with h5py.File(tmp_path / "ds20" / "train" / "input_data.h5", "r+") as file:
        for k, columns in ((1, 1), (2, 3)):
            del file[f"grids/{k}/node_features"]
            file[f"grids/{k}/node_features"] = np.tile(POWER[:, None], (1, columns))
    reading = LAYOUTS["v2"].read(tmp_path / "ds20")
    with pytest.raises(
        CorruptFileError, match=r"grid 2 has shape \(4, 3\).* one column, the power"
    ):
        list(reading)
    with h5py.File(tmp_path / "ds20" / "train" / "input_data.h5", "r+") as file:
        del file["grids/2"]
    (labelled,) = LAYOUTS["v2"].read(tmp_path / "ds20")
    np.testing.assert_array_equal(labelled.grid.power, POWER)


@pytest.mark.parametrize("layout", ["v0", "v1"])
def test_per_grid_files_are_as_published(run: RunFolder, tmp_path: Path, layout: str) -> None:
    out = export_run(run.path, tmp_path / "dataset006", layout)
    assert len(list(out.iterdir())) == 30
    for k in (1, 10):
        result = run.result(k)
        with h5py.File(out / f"grid_data_{k:05d}.h5") as file:
            edge_index = file["edge_index"][:].T - 1
            np.testing.assert_array_equal(edge_index, result.grid.edge_index)
            np.testing.assert_array_equal(file["edge_attr"][:], result.grid.edge_attr)
            np.testing.assert_array_equal(file["P"][:], result.grid.power)
        with h5py.File(out / f"snbs_{k:05d}.h5") as file:
            np.testing.assert_array_equal(file["snbs"][:], result.snbs)
        with h5py.File(out / f"surv_{k:05d}.h5") as file:
            np.testing.assert_array_equal(file["surv"][:], result.survivability)


def test_split_files_are_as_published(run: RunFolder, tmp_path: Path) -> None:
    out = export_run(run.path, tmp_path / "out", "v2")
    for split, numbers in {
        "train": range(1, 8),
        "valid": range(8, 9),
        "test": range(9, 11),
    }.items():
        target = out / "ds6" / split
        with h5py.File(target / "input_data.h5") as file:
            assert sorted(map(int, file["grids"])) == list(numbers)
            for k in numbers:
                group, result = file["grids"][str(k)], run.result(k)
                np.testing.assert_array_equal(group["node_features"][:], result.grid.power)
                np.testing.assert_array_equal(group["edge_index"][:].T - 1, result.grid.edge_index)
                np.testing.assert_array_equal(group["edge_attr"][:], result.grid.edge_attr)
        for name, field in (
            ("snbs", "snbs"),
            ("mfd", "max_frequency_deviation"),
            ("tm", "troublemaker"),
        ):
            with h5py.File(target / f"{name}.h5") as file:
                assert sorted(map(int, file)) == list(numbers)
                for k in numbers:
                    np.testing.assert_array_equal(file[str(k)][:], getattr(run.result(k), field))


def test_a_single_case_has_no_splits(disc: object, tmp_path: Path) -> None:
    campaign = Campaign.resolve(case="case14", samples=5, engine="disc")
    run = run_campaign(campaign, tmp_path / "run")
    out = export_run(run.folder.path, tmp_path / "out", "v2")
    with h5py.File(out / "case14" / "input_data.h5") as file:
        assert list(file["grids"]) == ["1"]
    assert find_single(out)


def find_single(out: Path) -> bool:
    labels = list(LAYOUTS["v2"].read(out))
    return [labelled.grid_id for labelled in labels] == [1]


def test_splits_are_those_of_the_papers() -> None:
    assert split_ends(10_000) == (7000, 8500, 10_000)
    assert split_ends(1) == (1, 1, 1)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_export_import_export_gives_the_same_arrays(
    run: RunFolder, tmp_path: Path, layout: str
) -> None:
    first = export_run(run.path, tmp_path / "first", layout)
    imported = import_labels(first, tmp_path / "imported", samples=5)
    second = export_run(imported.path, tmp_path / "second", layout)
    assert verify(imported.path) == []
    files = sorted(file.relative_to(first) for file in first.rglob("*.h5"))
    assert files == sorted(file.relative_to(second) for file in second.rglob("*.h5"))
    assert files
    for file in files:
        assert _arrays(first / file) == _arrays(second / file)


def test_published_per_grid_files_are_imported(tmp_path: Path) -> None:
    published_per_grid(tmp_path / "dataset020")
    folder = import_labels(tmp_path / "dataset020", tmp_path / "run")
    assert folder.config.imported is not None
    assert folder.config.imported.model_dump() == {
        "layout": "v1",
        "samples": 10_000,
        "grids": 2,
        "samples_assumed": True,
    }
    labels = folder.label(2)
    assert labels.grid == gridstab.PowerGrid.from_arrays(
        [(0, 1), (1, 2), (2, 3), (0, 3)], POWER, coupling=9.0
    )
    np.testing.assert_array_equal(labels.snbs, [0.9999, 1.0, 0.9807, 0.2])
    np.testing.assert_array_equal(labels.survivability, [0.5, 0.25, 0.1234, 0.0])
    with h5py.File(folder.grid_path(2)) as file:
        assert file["n_stable"][:].tolist() == [9999, 10_000, 9807, 2000]
        assert file["n_samples"][:].tolist() == [10_000] * 4
    assert verify(folder.path) == []


@pytest.mark.parametrize("inside", ["", "ds20"])
def test_published_splits_are_imported(tmp_path: Path, inside: str) -> None:
    published_split(tmp_path / "data" / inside, {"train": [1, 2], "valid": [7001], "test": [8501]})
    folder = import_labels(tmp_path / "data", tmp_path / "run")
    assert folder.grid_ids == [1, 2, 7001, 8501]
    labels = folder.label(7001)
    np.testing.assert_array_equal(labels.snbs, [0.9999, 1.0, 0.9807, 0.1])
    np.testing.assert_array_equal(labels.troublemaker, [0, 1, 0, 1])
    np.testing.assert_array_equal(labels.max_frequency_deviation, [3.5, 17.25, 14.9, 40.0])
    assert labels.survivability is None
    with pytest.raises(RunFolderError, match="imported"):
        folder.result(1)


def test_published_texas_files_are_imported(tmp_path: Path) -> None:
    published_split(tmp_path, {"texas": [1]})
    folder = import_labels(tmp_path / "texas", tmp_path / "run")
    assert folder.grid_ids == [1]


def test_labels_in_single_precision_are_shares_too(tmp_path: Path) -> None:
    published_per_grid(tmp_path / "in", 1)
    with h5py.File(tmp_path / "in" / "snbs_00001.h5", "w") as file:
        file["snbs"] = np.array([0.9999, 1.0, 0.9807, 0.1], np.float32)
    folder = import_labels(tmp_path / "in", tmp_path / "run")
    with h5py.File(folder.grid_path(1)) as file:
        assert file["n_stable"][:].tolist() == [9999, 10_000, 9807, 1000]


def test_labels_that_are_no_share_are_refused(tmp_path: Path) -> None:
    published_per_grid(tmp_path / "in")
    with pytest.raises(RunFolderError, match=r"0\.9999 at node 0, no share of 1000 traj"):
        import_labels(tmp_path / "in", tmp_path / "run", samples=1000)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("bad", [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3, np.nan], [0, 0, 0, 1.5]])
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, bad: list[float]) -> None:
    published_per_grid(tmp_path / "in")
    with h5py.File(tmp_path / "in" / "snbs_00002.h5", "w") as file:
        file["snbs"] = np.array(bad)
    with pytest.raises(RunFolderError, match="snbs of grid 2"):
        import_labels(tmp_path / "in", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "lines",
    [
        [(0, 1), (1, 0)],  # 0-based
        [(1, 2), (2, 1), (3, 4)],  # one direction only
        [(1, 1), (1, 2), (2, 1)],  # self-loop
        [(1, 2, 3)],
        [(1, 9), (9, 1)],
    ],
)
def test_arrays_that_form_no_grid_are_refused(tmp_path: Path, lines: list[tuple[int, ...]]) -> None:
    published_per_grid(tmp_path / "in")
    with h5py.File(tmp_path / "in" / "grid_data_00002.h5", "w") as file:
        file["edge_index"] = np.array(lines)
        file["edge_attr"] = np.full(len(lines), 9.0)
        file["P"] = POWER
    with pytest.raises(GridstabError) as caught:
        import_labels(tmp_path / "in", tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    published_per_grid(tmp_path / "in")
    (tmp_path / "in" / "snbs_00002.h5").write_bytes(b"no HDF5")
    with pytest.raises(CorruptFileError, match="snbs_00002"):
        import_labels(tmp_path / "in", tmp_path / "run")
    (tmp_path / "in" / "snbs_00002.h5").unlink()
    with pytest.raises(StorageError, match="snbs_00002"):
        import_labels(tmp_path / "in", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("error", [KeyboardInterrupt, StorageError("the disk is full")])
def test_an_interrupted_export_is_no_data_set_and_can_be_repeated(
    run: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    layout: str,
    error: BaseException | type[BaseException],
) -> None:
    """Nothing in the files says how many there should be."""
    written: list[Path] = []

    def interrupted(path: Path, fill: Any) -> None:
        if len(written) == 3:
            raise error
        written.append(path)
        write_hdf5(path, fill)

    with monkeypatch.context() as patch:
        for module in ("per_grid", "split"):
            patch.setattr(f"gridstab.datasets.layouts.{module}.write_hdf5", interrupted)
        with pytest.raises((KeyboardInterrupt, StorageError)):
            export_run(run.path, tmp_path / "out", layout)
    assert len(written) == 3
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    export_run(run.path, tmp_path / "out", layout)
    grids = [labelled.grid_id for labelled in LAYOUTS[layout].read(tmp_path / "out")]
    assert grids == list(range(1, 11))


def test_runs_are_not_exported_into_themselves(run: RunFolder, tmp_path: Path) -> None:
    for inside in ("run", "run/pub"):
        with pytest.raises(RunFolderError, match=r"is within the folder .*run"):
            export_run(run.path, tmp_path / inside)
    assert verify(run.path) == []


def test_what_cannot_be_transferred(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="'v9'"):
        export_run(run.path, tmp_path / "out", "v9")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    with pytest.raises(RunFolderError, match="not empty"):
        export_run(run.path, tmp_path / "full", "v1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFolderError, match="none of the published layouts"):
        import_labels(tmp_path / "empty", tmp_path / "new")
    published_per_grid(tmp_path / "in")
    with pytest.raises(RunFolderError, match="no files of layout 'v2'"):
        import_labels(tmp_path / "in", tmp_path / "new", layout="v2")
    with pytest.raises(RunFolderError, match="holds another run"):
        import_labels(tmp_path / "in", run.path)
    (run.path / "manifest.json").unlink()
    with pytest.raises(RunFolderError, match="unfinished"):
        export_run(run.path, tmp_path / "out")


def _arrays(path: Path) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()].tolist()}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found
