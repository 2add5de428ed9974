"""``graphwsl train`` and ``graphwsl predict``."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gnncore.storage import Manifest
from gnncore.training import loop
from gnncore.training.epoch import validate
from graphwsl.cli import app
from graphwsl.properties import load_predictor, split_models
from graphwsl.properties.predictors.stacked import StackedPredictor
from graphwsl.zoo import Recipe, train_zoo
from graphwsl.zoo.layouts import open_zoo

RECIPE = {
    "data": {"name": "digits"},
    "epochs": 1,
    "batch_size": 128,
    "seeds": 10,
    "fixed": {"architecture": "mlp", "width": 4, "depth": 1},
    "grid": {"learning_rate": (0.01, 0.001)},
}
FACTORY = """
import torch
from graphwsl.zoo import build

def network():
    configuration = {"width": 4, "depth": 1, "image_size": 8}
    return build("mlp", configuration), torch.zeros(1, 1, 8, 8)
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo") / "tiny"
    train_zoo(Recipe.of(RECIPE), folder, workers=1)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_train_and_predict(zoo: Path, here: Path) -> None:
    options = ("--predictor", "weight_statistics_ridge", "--together", "", "--json")
    code, out, err = run("train", str(zoo), *options)
    assert (code, err) == (0, "")
    summary = json.loads(out)
    assert summary["networks"] == {"train": 14, "valid": 3, "test": 3}
    assert summary["checkpoints"] == {"train": 28, "valid": 6, "test": 6}
    folder = Path("predictors", "tiny-test_accuracy-weight_statistics_ridge")
    assert summary["out"] == str(folder)
    assert Manifest.read(folder).verify() == []
    code, out, err = run("predict", str(folder), str(zoo), "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert len(found["rows"]) == 40
    assert found["metrics"]["r2"] > 0.5
    code, out, _ = run("predict", str(folder), str(zoo), "--epoch", "1", "--limit", "3")
    assert code == 0
    assert "17 more; --json lists all" in out
    assert "R² = " in out


def test_pairs_that_began_alike_are_not_parted(zoo: Path, here: Path) -> None:
    code, out, _ = run("train", str(zoo), "--predictor", "weight_statistics_ridge", "--json")
    assert code == 0
    assert json.loads(out)["networks"] == {"train": 14, "valid": 2, "test": 4}


def test_predict_for_a_network_of_ones_own(zoo: Path, here: Path) -> None:
    assert run("train", str(zoo), "--predictor", "deep_sets", "--epochs", "1", "--out", "p")[0] == 0
    Path("own_network_of_this_test.py").write_text(FACTORY, encoding="utf-8")
    code, out, err = run("predict", "p", "own_network_of_this_test:network", "--json")
    assert (code, err) == (0, "")
    (row,) = json.loads(out)["rows"]
    assert row["label"] is None
    assert isinstance(row["prediction"], float)
    code, out, _ = run("predict", "p", "own_network_of_this_test:network", str(zoo))
    assert code == 0
    assert "own_network" in out


def test_factors_are_named(zoo: Path, here: Path) -> None:
    options = ("--target", "learning_rate", "--predictor", "weight_statistics_ridge", "--out", "p")
    code, out, _ = run("train", str(zoo), *options)
    assert code == 0
    assert "learning_rate, predicted" in out
    assert "trained on 28 checkpoints of 14 networks" in out


@pytest.mark.parametrize("predictor", ["deep_sets", "stacked"])
def test_a_validation_that_cannot_choose_is_refused_before_the_training(
    zoo: Path, here: Path, predictor: str
) -> None:
    checkpoints = open_zoo(zoo).checkpoints

    def rates(seed: int) -> set[object]:
        split = split_models(checkpoints, seed, together=())
        return {
            checkpoints[n].configuration["learning_rate"]
            for n in split.numbers("valid", checkpoints)
        }

    seed = next(seed for seed in range(1000) if len(rates(seed)) == 1)
    options = ["--target", "learning_rate", "--together", "", "--split-seed", str(seed)]
    code, out, err = run("train", str(zoo), "--predictor", predictor, *options)
    assert (code, out) == (2, "")
    assert err.startswith("graphwsl: 'learning_rate' is 0.0")
    assert "in all 6 checkpoints of the validation part" in err
    assert err.count("\n") == 1
    assert list(here.iterdir()) == []
    # What chooses by errors does not mind.
    assert run("train", str(zoo), "--predictor", "flat_ridge", *options, "--quiet")[0] == 0


@pytest.mark.parametrize("predictor", ["deep_sets", "stacked"])
def test_an_interrupted_training_goes_on(
    zoo: Path, here: Path, monkeypatch: pytest.MonkeyPatch, predictor: str
) -> None:
    arguments = ["train", str(zoo), "--predictor", predictor, "--quiet"]
    if predictor == "deep_sets":
        arguments += ["--epochs", "4"]
    else:
        options = {
            "members": ["weight_statistics_boosting", "forward_propagation"],
            "options": {
                "forward_propagation": {"epochs": 4},
                "weight_statistics_boosting": {"max_iter": 20},
            },
            "copies": 2,
        }
        monkeypatch.setattr(StackedPredictor, "defaults", options)
    assert run(*arguments, "--out", "whole") == (0, "", "")
    if predictor == "deep_sets":
        learnt: Any = load_predictor("whole")
        assert learnt.auxiliary == ("train_accuracy", "train_loss", "test_loss")
    validations = iter([validate, validate, None])

    def interrupted(*given: Any) -> Any:
        step = next(validations)
        if step is None:
            raise KeyboardInterrupt
        return step(*given)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "validate", interrupted)
        code, _, err = run(*arguments, "--out", "stopped")
    assert code == 130
    assert err.startswith("interrupted; continue with: graphwsl ")
    assert next(Path("stopped", "training").rglob("history.jsonl"), None) is not None
    code, _, err = run(*arguments, "--out", "stopped")
    assert (code, "holds this training already (unfinished); resume it" in err) == (2, True)
    code, _, err = run(*arguments, "--seed", "5", "--out", "stopped", "--resume")
    assert (code, "holds another training: seed is 0 there and 5 here" in err) == (2, True)
    for _ in range(2):  # the second time there is nothing left to do
        assert run(*arguments, "--out", "stopped", "--resume") == (0, "", "")
        weights = [
            Path(folder, "predictor.safetensors").read_bytes() for folder in ("whole", "stopped")
        ]
        assert weights[0] == weights[1]
    assert sorted(path.name for path in Path("stopped").iterdir()) == sorted(
        path.name for path in Path("whole").iterdir()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "nowhere"), "'nowhere' is no folder"),
        (("train", "{zoo}", "--target", "colour"), "has no 'colour'; choose one of epoch"),
        (("train", "{zoo}", "--target", "width"), "'width' is 4 in all checkpoints"),
        (("train", "{zoo}", "--predictor", "oracle"), "unknown predictor 'oracle'"),
        (("train", "{zoo}", "--predictor", "flat_ridge", "--epochs", "2"), "no option 'epochs'"),
        (("train", "{zoo}", "--out", "{zoo}"), "is no training folder: it has no training.json"),
        (
            ("train", "{zoo}", "--out", "{zoo}", "--resume"),
            "is no training folder: it has no training.json",
        ),
        (("predict", "nowhere", "{zoo}"), "'nowhere' holds no predictor"),
    ],
)
def test_errors_are_one_line(
    zoo: Path, here: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = run(*(text.format(zoo=zoo) for text in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("graphwsl: ")
    assert message in err
    assert err.count("\n") == 1
    assert [path for path in here.rglob("*") if path.is_file()] == []
