"""``graphwsl train`` and ``graphwsl predict``."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from gnncore.storage import Manifest
from gnncore.training import loop
from gnncore.training.epoch import validate
from graphwsl.cli import app
from graphwsl.errors import PredictorError
from graphwsl.populations import split_models
from graphwsl.properties import load_predictor
from graphwsl.properties.network_predictor import NetworkPredictor
from graphwsl.properties.predictors.stacked import StackedPredictor
from graphwsl.properties.predictors.weight_statistics import WeightStatisticsRidge
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


def test_a_fit_that_is_refused_late_leaves_the_folder_blank(
    zoo: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--predictor", "deep_sets", "--epochs", "1", "--together", "", "--quiet")
    with monkeypatch.context() as patched:

        def refuse(*_: Any) -> None:
            raise PredictorError("these networks do not suit")

        patched.setattr(NetworkPredictor, "_learnt_along", refuse)
        code, _, message = run("train", str(zoo), *options, "--out", "mine")
    assert (code, message) == (2, "graphwsl: these networks do not suit\n")
    assert {path.name for path in (here / "mine").rglob("*")} <= {".lock"}
    assert run("train", str(zoo), *options, "--out", "mine")[0] == 0


def test_only_some_epochs_are_trained_on(zoo: Path, here: Path) -> None:
    options = ("--predictor", "weight_statistics_ridge", "--together", "", "--json", "--epoch")
    code, out, err = run("train", str(zoo), *options, "1")
    assert (code, err) == (0, "")
    assert json.loads(out)["checkpoints"] == {"train": 14, "valid": 3, "test": 3}
    code, _, err = run("train", str(zoo), *options, "7", "--out", "other")
    assert (code, err) == (2, "graphwsl: the zoo has no checkpoints of the epochs [7]; it has "
                              "[0, 1]\n")  # fmt: skip
    assert not (here / "other").exists()


def test_a_predicted_epoch_has_a_column_of_its_own(
    zoo: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    options = ("--target", "epoch", "--predictor", "weight_statistics_ridge", "--out", "mine")
    assert run("train", str(zoo), *options, "--quiet")[0] == 0
    code, out, _ = run("predict", "mine", str(zoo), "--limit", "1")
    assert code == 0
    titles = [title.strip() for title in out.splitlines()[1].strip("┃").split("┃")]
    assert titles == ["network", "model", "epoch", "predicted epoch", "truth", "fitted to"]


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


def test_metrics_are_of_networks_that_were_not_fitted_to(zoo: Path, here: Path) -> None:
    options = ("--predictor", "weight_statistics_ridge", "--out", "p", "--quiet")
    assert run("train", str(zoo), *options)[0] == 0
    split = load_predictor("p").split
    assert split is not None
    found = json.loads(run("predict", "p", str(zoo), "--json")[1])
    for row in found["rows"]:
        of = [part for part in ("train", "valid") if row["model"] in getattr(split, part)]
        assert [row["part"]] == (of or [None])
        assert row["known_architecture"] is True
    # What the training says of its test part is what is said here, where all networks are there.
    measured = json.loads(Path("p", "metrics.json").read_text(encoding="utf-8"))
    assert found["metrics"] == measured["test"]
    judged = found["judged"]
    assert {part: judged[part]["networks"] for part in judged} == {
        "train": len(split.train),
        "valid": len(split.valid),
        "others": len(split.test),
    }
    code, out, _ = run("predict", "p", str(zoo))
    assert code == 0
    assert (
        "of 8 checkpoints of 4 networks that it was not fitted to; left out: 28 checkpoints of 14 "
        "networks that it was trained on, 4 checkpoints of 2 networks that chose its settings"
    ) in out
    assert "fitted to" in out.splitlines()[1]
    assert "beyond the training" not in out


def test_networks_of_another_zoo_are_not_known_by_their_names(zoo: Path, here: Path) -> None:
    train_zoo(Recipe.of({**RECIPE, "batch_size": 64, "epochs": 2}), Path("other"), workers=1)
    assert {c.model for c in open_zoo("other").checkpoints} == {
        c.model for c in open_zoo(zoo).checkpoints
    }
    options = ("--predictor", "weight_statistics_ridge", "--out", "p", "--quiet")
    assert run("train", str(zoo), *options)[0] == 0
    found = json.loads(run("predict", "p", "other", "--epoch", "1", "--epoch", "2", "--json")[1])
    assert {row["part"] for row in found["rows"]} == {None}
    assert found["judged"] == {"others": {"checkpoints": 40, "networks": 20}}
    # They began as those of the zoo did, and these very weights were fitted to.
    found = json.loads(run("predict", "p", "other", "--json")[1])
    assert {row["part"] for row in found["rows"] if row["epoch"]} == {None}
    assert {row["part"] for row in found["rows"] if not row["epoch"]} == {"train", "valid", None}


def test_a_file_of_a_network_that_was_fitted_to_is_known(zoo: Path, here: Path) -> None:
    options = ("--predictor", "weight_statistics_ridge", "--out", "p", "--quiet")
    assert run("train", str(zoo), *options)[0] == 0
    split, opened = load_predictor("p").split, open_zoo(zoo)
    assert split is not None
    for part, model in (("train", split.train[0]), (None, split.test[0])):
        checkpoint = next(c for c in opened.checkpoints if c.model == model and c.epoch)
        torch.save(dict(opened.weights(checkpoint)), "mine.pt")
        (row,) = json.loads(run("predict", "p", "mine.pt", "--json")[1])["rows"]
        assert (row["part"], row["epoch"], row["label"]) == (part, None, None)
        code, out, _ = run("predict", "p", "mine.pt")
        assert code == 0
        assert re.search(r"mine\.pt +│ mine\.pt +│ – ", out)
        assert ("fitted to 1 network that it was trained on: how good" in out) == (part == "train")


def test_an_epoch_that_nobody_knows_is_no_epoch(zoo: Path, here: Path) -> None:
    options = ("--target", "epoch", "--predictor", "weight_statistics_ridge", "--out", "p")
    assert run("train", str(zoo), *options)[0] == 0
    Path("own_network_of_an_epoch.py").write_text(FACTORY, encoding="utf-8")
    found = json.loads(run("predict", "p", "own_network_of_an_epoch:network", "--json")[1])
    (row,) = found["rows"]
    assert (row["epoch"], row["label"], found["metrics"]) == (None, None, {})


def test_an_architecture_beyond_the_training_is_named(zoo: Path, here: Path) -> None:
    options = ("--predictor", "weight_statistics_ridge", "--out", "p", "--quiet")
    assert run("train", str(zoo), *options)[0] == 0
    lines = {
        "alike": "nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, 10))",
        "wider": "nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 10))",
    }
    text = "import torch\nfrom torch import nn\n"
    for name, made in lines.items():
        text += f"def {name}():\n    return {made}, torch.zeros(1, 1, 8, 8)\n"
    Path("beyond_of_this_test.py").write_text(text, encoding="utf-8")
    networks = [f"beyond_of_this_test:{name}" for name in lines]
    rows = json.loads(run("predict", "p", *networks, "--json")[1])["rows"]
    assert [row["known_architecture"] for row in rows] == [True, False]
    code, out, _ = run("predict", "p", *networks)
    assert code == 0
    assert (
        "beyond the training: beyond_of_this_test:wider has an architecture that the predictor "
        "was not trained on"
    ) in out
    assert out.count("beyond the training") == 1


def test_a_predictor_that_does_not_say_what_it_was_fitted_to(zoo: Path, here: Path) -> None:
    predictor = WeightStatisticsRidge()
    opened = open_zoo(zoo)
    predictor.fit(opened, split_models(opened.checkpoints), "test_accuracy")
    predictor.fitted_to = None  # as of those that were saved before it was kept
    predictor.save("p")
    code, out, _ = run("predict", "p", str(zoo))
    assert code == 0
    assert "the predictor does not say which networks it was fitted to" in out
    found = json.loads(run("predict", "p", str(zoo), "--json")[1])
    assert {(row["part"], row["known_architecture"]) for row in found["rows"]} == {(None, None)}
    assert found["judged"] == {"others": {"checkpoints": 40, "networks": 20}}
    assert found["fitted_to_is_known"] is False


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


def test_what_else_could_be_split_is_said_where_it_can_be_chosen(zoo: Path, here: Path) -> None:
    code, _, error = run("train", str(zoo), "--together", "width", "--out", "p")
    assert code == 2
    assert "take more networks, or split those that began alike too" in error.replace("\n", " ")
    assert "--together ''" in error
    assert not Path("p").exists()
