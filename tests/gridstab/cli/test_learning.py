import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.stats import spearmanr
from typer.testing import CliRunner

import gridstab
from gridstab.cli import app
from gridstab.datasets import RunFolder, export_run
from gridstab.grids import PowerGrid, ring, save_grid
from gridstab.learning.trained import Ensemble, TrainedModel

pytestmark = pytest.mark.usefixtures("learning")


@pytest.fixture(autouse=True)
def _folder(
    tmp_path: Path,
    labelled_run: Path,
    tiny_model: Path,
    trained_run: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Work in a folder with labelled grids, a model file and two trained models."""
    shutil.copytree(labelled_run, tmp_path / "data")
    shutil.copy(tiny_model, tmp_path / "tiny-tag.toml")
    shutil.copytree(trained_run, tmp_path / "run")
    monkeypatch.chdir(tmp_path)


def cli(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def train(*arguments: str, code: int = 0) -> Any:
    return cli("train", "--model", "tiny-tag.toml", "--data", "data", *arguments, code=code)


def read_table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_train_evaluate_predict() -> None:
    summary = json.loads(train("--out", "new", "--seed", "3", "--json").stdout)
    assert summary["run"] == "new"
    assert summary["config"]["settings"]["seed"] == 3
    assert summary["config"]["data"]["grids"] == {"train": 8, "valid": 2, "test": 2}
    assert json.loads(cli("info", "new", "--json").stdout) == summary
    assert "learning_rate = " in cli("info", "new").stdout
    assert "no labels" in cli("info", "new", "--csv", "labels.csv", code=2).stderr
    evaluated = json.loads(cli("evaluate", "new", "--data", "data", "--json").stdout)
    assert (evaluated["grids"], evaluated["nodes"]) == (2, 40)
    assert evaluated["metrics"] == pytest.approx(summary["test"])
    predicted = json.loads(cli("predict", "new", "--case", "data", "--json").stdout)
    assert predicted["nodes"] == 240
    everything = json.loads(
        cli("evaluate", "new", "--data", "data", "--split", "all", "--json").stdout
    )
    assert predicted["metrics"] == pytest.approx(everything["metrics"])


def test_the_table_shows_both_splits() -> None:
    output = train("--epochs", "2", "--sign-invariant", "--augment").stdout
    assert output.startswith("runs/tiny-tag-data-snbs\n")
    assert TrainedModel.load("runs/tiny-tag-data-snbs").config.sign_invariant
    for text in ("best of 2 epochs", "valid", "test", "R² ceiling", "share within 0.1"):
        assert text in output
    quiet = train("--epochs", "2", "--out", "quiet", "--quiet")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_several_runs_are_averaged(tmp_path: Path) -> None:
    train("--seed", "3", "--out", "other", "--quiet")
    grid = gridstab.random_grid(20, seed=5)
    save_grid(grid, tmp_path / "grid.json")
    summary = json.loads(cli("predict", "run", "other", "--case", "grid.json", "--json").stdout)
    expected = Ensemble.load("run", "other").predict(grid).numpy()
    assert summary["mean_prediction"] == pytest.approx(expected.mean())
    weakest = summary["weakest"]
    assert [row["node"] for row in weakest] == np.argsort(expected, kind="stable")[:10].tolist()
    assert "label" not in weakest[0]
    evaluated = json.loads(cli("evaluate", "run", "other", "--data", "data", "--json").stdout)
    assert evaluated["runs"] == ["run", "other"]


def test_the_table_of_nodes(tmp_path: Path) -> None:
    output = cli("predict", "run", "--case", "data", "--out", "t.csv", "--picture", "p.svg").stdout
    assert "Weakest nodes of data" in output
    assert "times as long" in output
    assert (tmp_path / "p.svg").read_bytes().startswith(b"<?xml")
    rows = read_table(tmp_path / "t.csv")
    assert len(rows) == 240
    predicted = [float(row["prediction"]) for row in rows]
    assert predicted == sorted(predicted)
    folder = RunFolder.open("data")
    results = {grid_id: folder.result(grid_id) for grid_id in folder.grid_ids}
    for row in rows:
        result, node = results[int(row["grid"])], int(row["node"])
        assert float(row["label"]) == pytest.approx(result.snbs[node])
        low, high = result.interval[node]
        assert (float(row["low"]), float(row["high"])) == pytest.approx((low, high), abs=1e-6)


def test_troublemakers_come_first() -> None:
    train("--task", "troublemaker", "--out", "trouble", "--quiet")
    found = json.loads(cli("predict", "trouble", "--case", "data", "--json").stdout)
    chances = [row["prediction"] for row in found["weakest"]]
    assert chances == sorted(chances, reverse=True)
    assert 0 <= chances[-1] <= chances[0] <= 1
    known = {"grid", "node", "name", "prediction", "label", "part"}
    assert set(found["weakest"][0]) - {"beyond"} == known
    assert "recall" in found["metrics"]


def test_grids_without_the_label_are_predicted_without_comparison() -> None:
    train("--task", "survivability", "--out", "surviving", "--quiet")
    export_run("data", "published", "v2")
    found = json.loads(cli("predict", "surviving", "--case", "published/ds20", "--json").stdout)
    assert (found["nodes"], found["metrics"]) == (240, {})


def test_cases_of_all_kinds(tmp_path: Path) -> None:
    texas = cli("predict", "run", "--case", "texas", "--picture", "texas.png").stdout
    assert "1,910 nodes predicted in" in texas
    assert (tmp_path / "texas.png").read_bytes().startswith(b"\x89PNG")
    means = {
        json.loads(cli("predict", "run", "--case", "case14", "--seed", seed, "--json").stdout)[
            "mean_prediction"
        ]
        for seed in ("0", "1")
    }
    assert len(means) == 2


def test_a_real_case_is_predicted_as_it_would_be_simulated(tmp_path: Path) -> None:
    options = ["--setting", "case", "--inertia", "2", "--damping", "0.3"]
    predicted = json.loads(cli("predict", "run", "--case", "case14", *options, "--json").stdout)
    case = gridstab.load_case("case14", setting="case", inertia=2.0, damping=0.3)
    save_grid(case, "case.json")
    assert predicted["mean_prediction"] == pytest.approx(
        TrainedModel.load("run").predict(case).mean().item(), rel=1e-6
    )
    coupled = ["predict", "run", "--case", "case.json", "--json"]
    again = json.loads(cli(*coupled).stdout)
    assert again["results"] == predicted["results"]
    rows = "".join(f"{label},2,0.3\n" for label in case.labels)
    (tmp_path / "nodes.csv").write_text(f"node,inertia,damping\n{rows}")
    table = ["--case", "case14", "--setting", "case", "--node-table", "nodes.csv"]
    by_node = json.loads(cli("predict", "run", *table, "--json").stdout)
    assert by_node["results"] == predicted["results"]
    stronger = json.loads(cli(*coupled, "--coupling", "90").stdout)
    assert stronger["results"] != predicted["results"]


def write_inputs(folder: Path) -> None:
    (folder / "cut.toml").write_text("layer = = 1")
    (folder / "key.toml").write_text('layer = "tag"\nhidden_channels = [4]\nwidth = 3\n')
    (folder / "lstm.toml").write_text('layer = "lstm"\nhidden_channels = [4]\n')
    (folder / "edges.toml").write_text('layer = "sage"\nhidden_channels = [4]\n')
    (folder / "foreign").mkdir()
    (folder / "foreign" / "thesis.tex").write_text("years of work")
    published = export_run("data", "nan", "v1")
    for kind in ("unlabelled", "torn"):
        shutil.copytree(published, folder / kind)
    with h5py.File(folder / "nan" / "snbs_00001.h5", "r+") as file:
        file["snbs"][0] = np.nan
    for file in (folder / "unlabelled").glob("s*.h5"):
        file.unlink()
    for name in ("torn/snbs_00002.h5", "run_torn/model/model.safetensors", "run_half/config.json"):
        top = name.split("/")[0]
        if top.startswith("run_"):
            shutil.copytree(folder / "run", folder / top)
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
    shutil.copytree(folder / "run", folder / "run_other")
    weights = folder / "run_other" / "model"
    config = json.loads((weights / "config.json").read_text())
    config["specification"]["hidden_channels"] = [8, 4]
    (weights / "config.json").write_text(json.dumps(config))


BAD = {
    "unknown model": ("train --data data --model oracle --out new", "oracle"),
    "missing model file": ("train --data data --model none.toml --out new", "none.toml"),
    "malformed TOML": ("train --data data --model cut.toml --out new", "cut.toml"),
    "unknown key": ("train --data data --model key.toml --out new", "width"),
    "unknown layer": ("train --data data --model lstm.toml --out new", "lstm"),
    "layer without edges": ("train --data data --model edges.toml --out new", "edge_channels"),
    "unknown task": ("train --data data --model tiny-tag.toml --task fame --out new", "fame"),
    "unknown features": ("train --data data --features runes --out new", "runes"),
    "missing data": ("train --data nowhere --model tiny-tag.toml --out new", "nowhere"),
    "foreign data": ("train --data foreign --model tiny-tag.toml --out new", "foreign"),
    "data of a training": ("train --data run --model tiny-tag.toml --out new", "run"),
    "no labels": ("train --data unlabelled --model tiny-tag.toml --out new", "snbs"),
    "NaN labels": ("train --data nan --model tiny-tag.toml --out new", "grid 1 of 'nan' is nan"),
    "truncated data": ("train --data torn --model tiny-tag.toml --out new", "snbs_00002.h5"),
    "no epochs": ("train --data data --model tiny-tag.toml --epochs 0 --out new", "got 0"),
    "text for a number": ("train --data data --epochs many --out new", "many"),
    "learning rate": ("train --data data --learning-rate nan --out new", "learning_rate"),
    "device": ("train --data data --model tiny-tag.toml --device tpu --out new", "tpu"),
    "too many grids": ("train --data data --model tiny-tag.toml --train-grids 9 --out new", "9"),
    "another configuration": ("train --data data --model tiny-tag.toml --seed 9 --out run", "seed"),
    "and resume": ("train --data data --model tiny-tag.toml --seed 9 --out run --resume", "seed"),
    "there already": ("train --data data --model tiny-tag.toml --out run", "--resume"),
    "foreign folder": ("train --data data --model tiny-tag.toml --out foreign", "foreign"),
    "folder of labels": ("train --data data --model tiny-tag.toml --out data", "data"),
    "no training": ("evaluate data --data data", "no training folder"),
    "missing training": ("evaluate nowhere --data data", "nowhere"),
    "unknown split": ("evaluate run --data data --split exam", "exam"),
    "evaluate without labels": ("evaluate run --data unlabelled", "snbs"),
    "evaluate with NaN": ("evaluate run --data nan", "nan"),
    "truncated weights": ("evaluate run_torn --data data", "model.safetensors"),
    "truncated configuration": ("predict run_half --case data", "config.json"),
    "another model's weights": ("predict run_other --case data", "run_other"),
    "unknown case": ("predict run --case case99999", "case99999"),
    "missing file": ("predict run --case none.json", "none.json"),
    "setting": ("predict run --case case14 --setting own", "own"),
    "setting of a file": ("predict run --case texas --setting case", "no MATPOWER case"),
    "negative inertia": ("predict run --case case14 --inertia -1", "-1"),
    "inertia of labelled grids": ("predict run --case data --inertia 2", "inertia 2.0"),
    "component of labelled grids": ("predict run --case data --largest-component", "largest"),
    "foreign grids": ("predict run --case foreign", "foreign"),
    "truncated grids": ("predict run --case torn", "snbs_00002.h5"),
    "kind of picture": ("predict run --case data --out t.csv --picture p.bmp", "p.bmp"),
    "no runs": ("predict --case data", "runs"),
}


def test_bad_input_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for what, (command, message) in BAD.items():
        result = cli(*command.split(), code=2)
        assert result.stdout == "", what
        assert len(result.stderr.splitlines()) == 1, f"{what}: {result.stderr}"
        assert result.stderr.startswith("gridstab: "), what
        assert message in result.stderr, f"{what}: {result.stderr}"
        after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert after == before, what


def test_a_diverging_training_fails_in_one_line() -> None:
    result = train("--learning-rate", "1e30", "--out", "new", "--quiet", code=1)
    assert len(result.stderr.splitlines()) == 1
    assert "learning_rate" in result.stderr


def test_verify_finds_what_changed(tmp_path: Path) -> None:
    assert cli("verify", "run").stdout == "run: a training: all files are as they should be\n"
    model = cli("verify", "run/model").stdout
    assert model == "run/model: a model: weights and specification are as they should be\n"
    weights = tmp_path / "run" / "model" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 4
    weights.write_bytes(data)
    assert cli("verify", "run", code=1).stdout.startswith("model/model.safetensors has changed")
    assert "differ from those that were sealed" in cli("verify", "run/model", code=1).stdout
    (tmp_path / "run" / "manifest.json").unlink()
    assert cli("verify", "run", code=1).stdout.startswith("unfinished")


def test_an_interruption_says_how_to_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gridstab.learning.train.train_model", interrupted)
    monkeypatch.setattr(sys, "argv", ["gridstab", "train", "--data", "my data"])
    result = train(code=130)
    assert result.stderr == (
        "interrupted; continue with: gridstab train --data 'my data' --resume\n"
    )


# From here on in processes of their own.


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gridstab", "train", "--model", "tiny-tag.toml", *arguments]
    return subprocess.Popen(
        [*command, "--data", "data", "--epochs", "40", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def stamps(folder: Path) -> dict[str, int]:
    """When each file of the checkpoint was written."""
    found = {}
    for file in folder.glob("checkpoint/*"):
        with contextlib.suppress(FileNotFoundError):  # a temporary file that was just renamed
            found[file.name] = file.stat().st_mtime_ns
    return found


def result_of(folder: Path) -> dict[str, bytes]:
    names = ("config.json", "normalisation.json", "metrics.json", "model/model.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_killed_training_resumes_to_the_same_bytes(tmp_path: Path, kills: int) -> None:
    train("--epochs", "40", "--out", "whole", "--quiet")
    choose = random.Random(0)
    torn = tmp_path / "torn"
    for _ in range(kills):
        if (torn / "manifest.json").exists():
            assert result_of(torn) == result_of(tmp_path / "whole")
            shutil.rmtree(torn)
        before = stamps(torn)
        process = start("--out", "torn", "--resume")
        while process.poll() is None and stamps(torn) == before:
            time.sleep(0.002)
        # Some kills fall between two epochs, some into a write, some after the end.
        time.sleep(choose.choice([0, choose.uniform(0, 0.05), choose.uniform(0, 0.5)]))
        process.kill()
        process.communicate(timeout=60)
    train("--epochs", "40", "--out", "torn", "--resume", "--quiet")
    assert result_of(torn) == result_of(tmp_path / "whole")
    assert not [file for file in torn.rglob(".*") if file.name != ".lock"]


@pytest.mark.slow
def test_ctrl_c_says_how_to_continue(tmp_path: Path) -> None:
    process = start("--out", "torn")
    wait_for(tmp_path / "torn" / "checkpoint" / "checkpoint.safetensors", process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.splitlines()[-1].startswith("interrupted; continue with: gridstab train")
    assert "Traceback" not in stderr
    assert not (tmp_path / "torn" / "manifest.json").exists()


@pytest.mark.slow
def test_a_model_learns_what_makes_nodes_stable(tmp_path: Path) -> None:
    """From 84 small grids it ranks the nodes of unseen ones clearly better than chance."""
    cli("simulate", "--nodes", "20", "--grids", "120", "--samples", "200", "--out", "labels",
        "--quiet", "--no-picture")  # fmt: skip
    cli("train", "--data", "labels", "--epochs", "30", "--batch-size", "8", "--out", "learnt",
        "--quiet")  # fmt: skip
    summary = json.loads(cli("evaluate", "learnt", "--data", "labels", "--json").stdout)
    assert 0.3 < summary["metrics"]["r2"] < summary["metrics"]["r2_ceiling"]
    tests = RunFolder.open("labels")
    model = TrainedModel.load("learnt")
    results = [tests.result(grid_id) for grid_id in range(103, 121)]
    predicted = model.predict([result.grid for result in results]).numpy()
    label = np.concatenate([result.snbs for result in results])
    assert spearmanr(predicted, label).statistic > 0.5


def test_predictions_name_the_nodes_of_their_source(tmp_path: Path) -> None:
    names = ["Süd", "Nord, alt", "7", "D", "E", "F"]
    six = ring(6)
    save_grid(PowerGrid.from_arrays(six.lines, six.power, labels=names), tmp_path / "named.json")
    cli("simulate", "--case", "named.json", "--samples", "20", "--out", "labelled", "--quiet")
    for case in ("named.json", "labelled"):
        found = json.loads(cli("predict", "run", "--case", case, "--out", "t.csv", "--json").stdout)
        assert {row["node"]: row["name"] for row in found["results"]} == dict(enumerate(names))
        with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
            assert {row["name"] for row in csv.DictReader(file)} == set(names)
