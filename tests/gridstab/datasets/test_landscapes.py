"""Folders of landscapes promise what those of campaigns do, and know the published layout."""

import json
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import gridstab
from gnncore.storage import CorruptFileError, RecomputedWarning, write_hdf5
from gridstab.cli import app
from gridstab.datasets import (
    Campaign,
    LandscapeFolder,
    RunFolder,
    export_landscapes,
    read_published_landscapes,
    run_campaign,
    run_landscapes,
)
from gridstab.datasets.landscape_folder import verify_landscapes
from gridstab.datasets.layouts.landscapes import PublishedLandscapes, write_landscapes
from gridstab.dynamics.engines import ENGINES
from gridstab.errors import InvalidParameterError, RunFolderError
from tests.gridstab.disc_engine import DiscEngine
from tests.gridstab.run_bytes import promised_bytes

TINY_UNITS = 1e-4
SIZE = 6


def folder_of(campaign: Campaign, path: Path, **options: Any) -> LandscapeFolder:
    found = run_landscapes(campaign, path, resolution=SIZE, **options).folder
    assert isinstance(found, LandscapeFolder)
    return found


def test_images_are_those_of_single_nodes(campaign: Campaign, tmp_path: Path) -> None:
    run = run_landscapes(campaign, tmp_path / "run", resolution=SIZE, seconds_per_unit=TINY_UNITS)
    assert (run.trajectories, run.failures) == (3 * 6 * SIZE**2, [])
    folder = LandscapeFolder.open(tmp_path / "run")
    assert (folder.is_complete, folder.resolution) == (True, SIZE)
    for grid_id in (1, 2, 3):
        found = folder.landscapes(grid_id)
        assert found.grid == gridstab.random_grid(6, seed=(5, grid_id))
        for node in range(6):
            truth = gridstab.stability_landscape(
                found.grid, node, resolution=SIZE, engine=DiscEngine(0.9, 0.92)
            )
            np.testing.assert_array_equal(found.status[node], truth.status)
            assert found.snbs[node] == truth.share
            assert found.n_undecided[node] == truth.undecided
            assert found.of_node(node).share == truth.share
    assert verify_landscapes(tmp_path / "run") == []


@pytest.mark.parametrize(("workers", "seconds"), [(1, TINY_UNITS), (4, TINY_UNITS), (2, None)])
def test_bytes_do_not_depend_on_workers_and_chunks(
    campaign: Campaign, tmp_path: Path, workers: int, seconds: float | None
) -> None:
    folder_of(campaign, tmp_path / "a", workers=3)
    # What is no matter of landscapes does not change them either.
    other = campaign.model_copy(update={"samples": 7, "sampler": "sobol"})
    folder_of(other, tmp_path / "b", workers=workers, seconds_per_unit=seconds)
    assert promised_bytes(tmp_path / "a") == promised_bytes(tmp_path / "b")


def test_bytes_do_not_depend_on_kills(campaign: Campaign, tmp_path: Path) -> None:
    folder_of(campaign, tmp_path / "a")
    choose = random.Random(2)
    options: dict[str, Any] = {"seconds_per_unit": TINY_UNITS, "resume": True, "workers": 2}
    for _ in range(8):
        stop_at = choose.randrange(3 * 6 * SIZE**2)
        child = os.fork()
        if child == 0:

            def stop(stored: int, total: int, stop_at: int = stop_at) -> None:
                del total
                if stored > stop_at:
                    os.kill(os.getpid(), signal.SIGKILL)

            folder_of(campaign, tmp_path / "b", on_progress=stop, **options)
            os._exit(0)
        os.waitpid(child, 0)
    folder_of(campaign, tmp_path / "b", **options)
    assert promised_bytes(tmp_path / "a") == promised_bytes(tmp_path / "b")
    assert not (tmp_path / "b" / "parts").exists()


def test_what_was_stored_is_not_simulated_again(campaign: Campaign, tmp_path: Path) -> None:
    def stop(stored: int, total: int) -> None:
        if stored > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder_of(campaign, tmp_path / "a", on_progress=stop, seconds_per_unit=TINY_UNITS)
    assert "unfinished" in verify_landscapes(tmp_path / "a")[0]
    again = run_landscapes(
        campaign, tmp_path / "a", resolution=SIZE, resume=True, seconds_per_unit=TINY_UNITS
    )
    assert 0 < again.trajectories < 3 * 6 * SIZE**2
    assert run_landscapes(campaign, tmp_path / "a", resolution=SIZE, resume=True).trajectories == 0


def test_damage_is_seen_and_repaired(campaign: Campaign, tmp_path: Path) -> None:
    folder = folder_of(campaign, tmp_path / "a")
    whole = promised_bytes(tmp_path / "a")
    path = folder.grid_path(2)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    assert any("grids/00002.h5 has changed" in line for line in verify_landscapes(tmp_path / "a"))
    with pytest.raises(CorruptFileError, match="has changed"):
        LandscapeFolder.open(tmp_path / "a").landscapes(2)
    with pytest.warns(RecomputedWarning, match="00002"):
        folder_of(campaign, tmp_path / "a", resume=True)
    assert promised_bytes(tmp_path / "a") == whole


def test_other_work_is_refused(campaign: Campaign, tmp_path: Path) -> None:
    folder_of(campaign, tmp_path / "a")
    before = promised_bytes(tmp_path / "a")
    with pytest.raises(RunFolderError, match="holds this set of landscapes already"):
        folder_of(campaign, tmp_path / "a")
    with pytest.raises(RunFolderError, match="resolution is 6 there and 7 here"):
        run_landscapes(campaign, tmp_path / "a", resolution=7, resume=True)
    with pytest.raises(RunFolderError, match="is no run folder"):
        RunFolder.open(tmp_path / "a")
    assert promised_bytes(tmp_path / "a") == before
    run_campaign(campaign, tmp_path / "run")
    with pytest.raises(RunFolderError, match="no folder of landscapes; gridstab landscape makes"):
        LandscapeFolder.open(tmp_path / "run")
    for options in ({"resolution": 1}, {"resolution": 9999}):
        with pytest.raises(InvalidParameterError, match="resolution must be"):
            run_landscapes(campaign, tmp_path / "new", **options)
    with pytest.raises(InvalidParameterError, match="cover the whole turn"):
        run_landscapes(campaign.model_copy(update={"dtheta_range": 1.0}), tmp_path / "new")
    assert not (tmp_path / "new").exists()


# The published layout.


def test_the_published_layout_gives_back_what_was_simulated(
    campaign: Campaign, tmp_path: Path
) -> None:
    folder = folder_of(campaign, tmp_path / "a")
    place = export_landscapes(tmp_path / "a", tmp_path / "out")
    assert place == tmp_path / "out" / "num_sections_6" / "ds6"
    again = list(read_published_landscapes(place, resolution=SIZE))
    assert [one.grid_id for one in again] == [1, 2, 3]
    for one in again:
        truth = folder.landscapes(one.grid_id)
        np.testing.assert_array_equal(one.not_returned == 0, truth.status == 1)
        np.testing.assert_allclose(one.snbs, truth.snbs, rtol=1e-14)
        np.testing.assert_array_equal(one.grid.edge_index, truth.grid.edge_index)
        np.testing.assert_array_equal(one.grid.power, truth.grid.power)


def test_files_are_as_the_authors_loader_reads_them(campaign: Campaign, tmp_path: Path) -> None:
    """Its way through a file: nodes from 1, the grid under its number, 1-based lines."""
    import h5py

    folder = folder_of(campaign, tmp_path / "a")
    place = export_landscapes(tmp_path / "a", tmp_path / "out")
    truth = folder.landscapes(2)
    with h5py.File(place / "heatmap_grid_00002.h5") as file:
        for node in range(1, 7):
            image = file[f"basin_heatmap_{node}"][()]
            samples = file[f"samples_heatmap_{node}"][()]
            lost = (image * samples).sum() / samples.sum()
            assert 1 - lost == pytest.approx(truth.snbs[node - 1], rel=1e-14)
        group = file["grids"]["2"]
        assert group["node_features"].shape == (6,)
        np.testing.assert_array_equal(group["edge_index"][()].T - 1, truth.grid.edge_index)
        assert group["edge_attr"].shape == (2 * truth.grid.num_lines,)


def test_several_simulated_pixels_become_one(campaign: Campaign, tmp_path: Path) -> None:
    folder = folder_of(campaign, tmp_path / "a")
    place = export_landscapes(tmp_path / "a", tmp_path / "out", pixels=2)
    assert place == tmp_path / "out" / "num_sections_2" / "ds6"
    for one in read_published_landscapes(place, resolution=2):
        status = folder.landscapes(one.grid_id).status
        for node, row, column in np.ndindex(one.not_returned.shape):
            block = status[node, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
            assert one.not_returned[node, row, column] == pytest.approx((block != 1).mean())
            assert one.samples[node, row, column] == 9
        np.testing.assert_allclose(one.snbs, folder.landscapes(one.grid_id).snbs, rtol=1e-14)


def test_what_the_layout_cannot_say_is_not_written(campaign: Campaign, tmp_path: Path) -> None:
    folder_of(campaign, tmp_path / "a")
    with pytest.raises(InvalidParameterError, match=r"of 6 pixels .* with 4; .* resolution 8"):
        export_landscapes(tmp_path / "a", tmp_path / "out", pixels=4)
    with pytest.raises(InvalidParameterError, match="pixels must be at least 2"):
        export_landscapes(tmp_path / "a", tmp_path / "out", pixels=0)
    folder_of(campaign.model_copy(update={"domega_range": 10.0}), tmp_path / "b")
    with pytest.raises(InvalidParameterError, match=r"up to 10 rad/s cannot be .* up to 15 rad/s"):
        export_landscapes(tmp_path / "b", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_interrupted_export_is_no_data_set_and_can_be_repeated(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(campaign, tmp_path / "a")
    written: list[Path] = []

    def interrupted(path: Path, fill: Any) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write_hdf5(path, fill)

    with monkeypatch.context() as patch:
        patch.setattr("gridstab.datasets.layouts.landscapes.write_hdf5", interrupted)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as if it were killed
        with pytest.raises(KeyboardInterrupt):
            export_landscapes(tmp_path / "a", tmp_path / "out")
    place = tmp_path / "out" / "num_sections_6" / "ds6"
    assert written[0].is_file()
    assert not place.exists()
    assert export_landscapes(tmp_path / "a", tmp_path / "out") == place
    assert len(list(read_published_landscapes(place))) == 3
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == ["num_sections_6"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "out"]


def test_landscapes_are_not_exported_into_themselves(campaign: Campaign, tmp_path: Path) -> None:
    folder_of(campaign, tmp_path / "a")
    for inside in ("a", "a/pub"):
        with pytest.raises(RunFolderError, match="is within the folder"):
            export_landscapes(tmp_path / "a", tmp_path / inside)


def published(rng: np.random.Generator, grid_id: int, size: int = 5) -> PublishedLandscapes:
    samples = rng.integers(0, 30, (6, size, size)).astype(float)
    lost = rng.binomial(samples.astype(int), 0.4)
    share = np.divide(lost, samples, out=np.zeros_like(samples), where=samples > 0)
    return PublishedLandscapes(grid_id, gridstab.random_grid(6, seed=grid_id), share, samples)


def test_random_perturbations_in_pixels_give_the_share_of_all(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    several = [published(rng, 7), published(rng, 12)]
    write_landscapes(tmp_path / "p", several)
    again = list(read_published_landscapes(tmp_path / "p"))
    for one, truth in zip(again, several, strict=True):
        np.testing.assert_array_equal(one.not_returned, truth.not_returned)
        lost = (truth.not_returned * truth.samples).sum((1, 2))
        np.testing.assert_allclose(one.snbs, 1 - lost / truth.samples.sum((1, 2)))


def test_what_is_none_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(RunFolderError, match="no published landscapes"):
        list(read_published_landscapes(tmp_path))
    write_landscapes(tmp_path / "p", [published(rng, 1), published(rng, 2, size=4)])
    with pytest.raises(RunFolderError, match="4 × 4 pixels, expected 5 × 5"):
        list(read_published_landscapes(tmp_path / "p"))
    with pytest.raises(RunFolderError, match="5 × 5 pixels, expected 20 × 20"):
        list(read_published_landscapes(tmp_path / "p", resolution=20))
    path = tmp_path / "p" / "heatmap_grid_00001.h5"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptFileError):
        list(read_published_landscapes(tmp_path / "p"))
    wrong = published(rng, 3)
    for name, bad in (
        ("not_returned", wrong.not_returned + 2),
        ("samples", 0 * wrong.samples),
        ("samples", -1 - wrong.samples),
    ):
        values = {"not_returned": wrong.not_returned, "samples": wrong.samples} | {name: bad}
        write_landscapes(tmp_path / name, [PublishedLandscapes(3, wrong.grid, **values)])
        with pytest.raises(CorruptFileError, match="no published landscapes"):
            list(read_published_landscapes(tmp_path / name))


# The command.


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["landscape", *arguments], env={"COLUMNS": "160"})
    assert result.exit_code == code, result.output
    return result


@pytest.mark.usefixtures("disc")
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ("--nodes", "6", "--grids", "2", "--engine", "disc", "--resolution", "4", "--out", "l")
    found = json.loads(run(*asked, "--json", "--published", "p").stdout)
    assert (found["nodes"], found["resolution"], found["complete"]) == (12, 4, True)
    shares = [share for one in found["results"] for share in one["snbs"]]
    assert found["mean_snbs"] == pytest.approx(np.mean(shares))
    assert Path("l/landscapes.png").stat().st_size > 10_000
    assert len(list(read_published_landscapes("p/num_sections_4/ds6"))) == 2
    run(*asked, "--resume", "--published", "q", "--published-pixels", "2", "--quiet")
    assert len(list(read_published_landscapes("q/num_sections_2/ds6", resolution=2))) == 2
    for more in (("--published-pixels", "3"), ("--domega-range", "10")):
        refused = run(*asked, "--published", "r", *more, code=2)
        assert refused.stderr.count("\n") == 1
    text = run(*asked, "--resume").stdout
    assert "12 landscapes of 4 × 4 pixels of 2 grids" in text
    assert "complete already" in text
    verified = CliRunner().invoke(app, ["verify", "l"])
    assert (verified.exit_code, verified.stdout) == (
        0,
        "l: landscapes: all files and images are as they should be\n",
    )
    assert run(*asked, "--resume", "--quiet").stdout == ""


@pytest.mark.usefixtures("disc")
@pytest.mark.parametrize(
    "bad",
    [
        ("--resolution", "1"),
        ("--resolution", "many"),
        ("--resolution", "5001"),
        ("--engine", "none"),
        ("--nodes", "1"),
        ("--domega-range", "nan"),
        ("--published", "there"),
        ("--published", "l/pub"),
        ("--published-pixels", "5"),
        ("--case", "nowhere.csv"),
    ],
)
def test_bad_input_ends_in_one_line(
    bad: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("there/a").touch()
    engine = () if bad[0] == "--engine" else ("--engine", "disc")
    ran = run(*engine, "--out", "l", *bad, code=2)
    assert ran.stderr.count("\n") == 1
    assert bad[1] in ran.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["there"]


def test_a_failing_engine_is_told(
    disc: DiscEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    class Failing(DiscEngine):
        def run(self, *given: Any, **more: Any) -> Any:
            raise RuntimeError("out of steam")

    monkeypatch.setitem(ENGINES, "disc", lambda: Failing())
    asked = ("--nodes", "6", "--engine", "disc", "--out", "l", "--quiet")
    ran = run(*asked, code=1)
    assert "out of steam" in ran.stderr
    monkeypatch.setitem(ENGINES, "disc", lambda: disc)
    run(*asked, "--resume", "--no-picture")
    assert LandscapeFolder.open("l").is_complete
