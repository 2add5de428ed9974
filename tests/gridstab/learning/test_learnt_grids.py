"""Models are not judged by the grids that they learnt from, whatever the set of these is called."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import gridstab
from gnncore.errors import GnncoreError
from gnncore.storage import CorruptFileError, Manifest
from gridstab.cli import app
from gridstab.datasets import Campaign, run_campaign
from gridstab.datasets.packed import pack
from gridstab.errors import RunFolderError
from gridstab.learning import judged
from gridstab.learning.data import load_grid_dataset
from gridstab.learning.learnt_grids import LEARNT_GRIDS, LearntGrids
from gridstab.learning.trained import Ensemble, TrainedModel
from gridstab.learning.training_report import report_of_training

pytestmark = pytest.mark.usefixtures("learning")


@pytest.fixture(scope="module")
def first_grids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first six grids of the set that was learnt from, with other labels."""
    campaign = Campaign.resolve(nodes=20, grids=6, samples=15)
    return run_campaign(campaign, tmp_path_factory.mktemp("few") / "few").folder.path


@pytest.fixture
def earlier_model(trained_run: Path, tmp_path: Path) -> Path:
    """The training as versions wrote it that did not keep its grids."""
    folder = tmp_path / "earlier"
    shutil.copytree(trained_run, folder)
    (folder / LEARNT_GRIDS).unlink()
    manifest = Manifest.read(folder)
    kept = [name for name in manifest.entries if name != LEARNT_GRIDS]
    Manifest.of_files(folder, kept, ()).write()
    return folder


def cli(*arguments: str | Path) -> Any:
    result = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "140"})
    assert result.exit_code == 0, result.output
    return result


def test_a_model_knows_its_grids(trained_run: Path, labelled_run: Path, tmp_path: Path) -> None:
    model = TrainedModel.load(trained_run)
    copy = pack(labelled_run, tmp_path / "copy.h5", positions=False)
    expected = ["train"] * 8 + ["valid"] * 2 + ["other"] * 2
    assert model.parts(load_grid_dataset(copy, cache=False)) == expected
    assert model.parts(gridstab.random_grid(20, seed=77)) == ["other"]
    assert LEARNT_GRIDS in Manifest.read(trained_run).entries
    assert (trained_run / LEARNT_GRIDS).stat().st_size < 500


@pytest.mark.parametrize("damage", ["changed", "foreign"])
def test_a_damaged_list_is_refused(trained_run: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained_run, folder)
    file = folder / LEARNT_GRIDS
    if damage == "changed":
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        with pytest.raises(RunFolderError, match="is damaged"):
            TrainedModel.load(folder)
        return
    other = (trained_run / "calibration.safetensors").read_bytes()
    with pytest.raises(CorruptFileError, match="no list of grids"):
        LearntGrids.parse(other, file)


def test_evaluation_leaves_out_what_was_learnt_from(trained_run: Path, labelled_run: Path) -> None:
    arguments = ("evaluate", trained_run, "--data", labelled_run)
    test = json.loads(cli(*arguments, "--json").stdout)
    assert (test["metrics_of"], test["learnt_is_known"]) == ("other", True)
    assert test["judged"] == {"other": {"grids": 2, "nodes": 40}}
    everything = json.loads(cli(*arguments, "--split", "all", "--json").stdout)
    assert everything["metrics"] == pytest.approx(test["metrics"])
    assert everything["judged"] == {
        "train": {"grids": 8, "nodes": 160},
        "valid": {"grids": 2, "nodes": 40},
        "other": {"grids": 2, "nodes": 40},
    }
    said = cli(*arguments, "--split", "all")
    assert "2 grids of tiny (all)\n" in said.stdout
    assert (
        "Judged by 2 grids that it did not learn from; left out: 8 grids that it was trained on, "
        "2 grids that chose its epoch\n"
    ) in said.stdout
    assert said.stderr == ""
    assert "Judged" not in cli(*arguments).stdout


def test_grids_of_another_campaign_with_the_same_seed_are_known(
    trained_run: Path, first_grids: Path
) -> None:
    """Its test grid is one that was trained on: a score, but not one of new grids."""
    said = cli("evaluate", trained_run, "--data", first_grids).stdout
    assert "1 grid of few (test, all of them seen in the training)" in said
    assert "Learnt from: 1 grid that it was trained on; how good it is shows on others" in said
    found = json.loads(cli("evaluate", trained_run, "--data", first_grids, "--json").stdout)
    assert found["metrics_of"] == "learnt"
    report = report_of_training(trained_run, first_grids)
    assert "from which it has learnt: how good it is shows on others" in report.subtitle


def test_predictions_mark_what_was_learnt_from(
    trained_run: Path, labelled_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "nodes.csv"
    said = cli(
        "predict", trained_run, "--case", labelled_run, "--intervals", "0.6", "--out", out
    ).stdout
    assert "Judged by 2 grids that it did not learn from; left out: 8 grids" in said
    parts = {
        (int(row["grid"]), row["part"]) for row in csv.DictReader(out.read_text().splitlines())
    }
    assert parts == {
        *((grid, "train") for grid in range(1, 9)),
        *((grid, "valid") for grid in (9, 10)),
        *((grid, "other") for grid in (11, 12)),
    }
    found = gridstab.predict(trained_run, str(labelled_run), intervals=0.6)
    test = load_grid_dataset(labelled_run, split="test")
    alone = gridstab.predict(trained_run, list(test.power_grids()), intervals=0.6)
    held = (alone.low <= test.store.tensors["y"].numpy()) & (
        test.store.tensors["y"].numpy() <= alone.high
    )
    assert found.coverage == pytest.approx(float(np.mean(held)))
    summary = json.loads(cli("predict", trained_run, "--case", labelled_run, "--json").stdout)
    assert summary["metrics"] == pytest.approx(found.metrics)
    assert {row["part"] for row in summary["results"]} == {"train", "valid", "other"}
    assert summary["judged"]["train"] == {"grids": 8, "nodes": 160}


def test_predictions_need_no_score(
    trained_run: Path, labelled_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def undefined(*_: object, **__: object) -> None:
        raise GnncoreError("r2 is not defined for a constant target; all 40 are 1")

    monkeypatch.setattr(judged, "evaluate", undefined)
    reason = "10 grids from which a model has learnt are left out, and the others do not tell"
    with pytest.warns(UserWarning, match=f"{reason} how good it is: r2 is not defined"):
        found = gridstab.predict(trained_run, str(labelled_run))
    assert (len(found.value), found.metrics) == (240, {})
    arguments = ["evaluate", str(trained_run), "--data", str(labelled_run), "--split", "all"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_predictions_of_nothing_but_training_grids_say_so(
    trained_run: Path, first_grids: Path
) -> None:
    said = cli("predict", trained_run, "--case", first_grids, "--intervals", "0.6").stdout
    assert "of the labels of grids that it learnt from" in said
    assert "Learnt from: 6 grids that it was trained on; how good it is shows on others" in said


def test_an_ensemble_has_seen_what_any_member_has(
    trained_run: Path, labelled_run: Path, first_grids: Path, tiny_model: Path, tmp_path: Path
) -> None:
    cli(
        *("train", "--model", tiny_model, "--data", first_grids, "--out", tmp_path / "small"),
        *("--epochs", "1", "--quiet"),
    )
    both = Ensemble.load(tmp_path / "small", trained_run)
    alone = Ensemble.load(tmp_path / "small")
    dataset = load_grid_dataset(labelled_run)
    assert alone.parts(dataset) == ["train"] * 4 + ["valid"] + ["other"] * 7
    assert both.parts(dataset) == ["train"] * 8 + ["valid"] * 2 + ["other"] * 2


def test_models_of_earlier_versions_go_on_to_work(
    earlier_model: Path, trained_run: Path, labelled_run: Path, tmp_path: Path
) -> None:
    """They know a set that they learnt from as a whole, whatever it is called."""
    copy = pack(labelled_run, tmp_path / "copy.h5")
    for options in (("--split", "all"), ("--split", "train")):
        told = cli("evaluate", earlier_model, "--data", copy, *options)
        assert told.stderr == (
            f"gridstab: {str(earlier_model)!r} has learnt from 8 of these grids; only those of "
            "--split test are new to it\n"
        )
        assert "does not say which grids it learnt from" in told.stdout
    assert cli("evaluate", earlier_model, "--data", copy).stderr == ""
    found = json.loads(cli("predict", earlier_model, "--case", labelled_run, "--json").stdout)
    assert (found["judged"], found["learnt_is_known"]) == (None, False)
    assert "part" not in found["results"][0]
    with_new = Ensemble.load(earlier_model, trained_run)
    assert (
        with_new.parts(load_grid_dataset(labelled_run))
        == ["train"] * 8 + ["valid"] * 2 + ["other"] * 2
    )
