"""``graphwsl score``: the card of a zoo and of files of weights, and what cannot be judged."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from graphwsl.cli import app
from graphwsl.generators import BASELINES
from graphwsl.populations import split_models
from graphwsl.zoo import Recipe, open_zoo, train_zoo

RECIPE = {
    "data": {"name": "digits"},
    "epochs": 2,
    "keep": (1, 2),
    "batch_size": 64,
    "seeds": 12,
    "fixed": {"architecture": "mlp", "width": 6, "depth": 1, "learning_rate": 0.01},
}


def graphwsl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("score") / "zoo"
    train_zoo(Recipe.of(RECIPE), folder, workers=1)
    return folder


@pytest.fixture(scope="module")
def files(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Weights of the networks that the command counts as learnt from, with a little noise."""
    folder = tmp_path_factory.mktemp("weights")
    opened = open_zoo(zoo)
    last = [checkpoint for checkpoint in opened.checkpoints if checkpoint.epoch == 2]
    train = split_models(last, 0).numbers("train", last)
    paths = []
    for number in train:
        checkpoint = last[number]
        state = opened.weights(checkpoint)
        torch.manual_seed(number)
        noisy = {name: value + 1e-3 * torch.randn_like(value) for name, value in state.items()}
        paths.append(folder / f"{number}.safetensors")
        save_file(noisy, paths[-1])
    return paths


def test_files_of_weights_have_a_card_with_file_and_picture(
    zoo: Path, files: list[Path], tmp_path: Path
) -> None:
    out, picture = tmp_path / "card.json", tmp_path / "card.svg"
    result = graphwsl(
        "score", *files, "--zoo", zoo, "--networks", 6, "--out", out, "--picture", picture
    )
    assert result.exit_code == 0, result.output
    assert all(f"\n{name} " in result.output for name in (*BASELINES, "held_out", "train"))
    assert "is_collapsed: no (" in result.output
    card = json.loads(out.read_text())
    assert card["networks"] == card["train"]["networks"] == 8
    assert set(card["baselines"]) == set(BASELINES)
    assert card["is_copying"] is True
    assert picture.stat().st_size > 1000


def test_a_zoo_as_one_json_object(zoo: Path) -> None:
    options = ("--baseline", "average", "--networks", 3, "--tuning-epochs", "1", "--json")
    result = graphwsl("score", zoo, "--zoo", zoo, *options)
    assert result.exit_code == 0, result.output
    card = json.loads(result.stdout)
    assert card["networks"] == 24  # all epochs of what is judged, the last one of what judges it
    assert card["train"]["networks"] + card["held_out"]["networks"] == 12
    assert list(card["baselines"]) == ["average"]
    assert list(card["tuned_accuracy"]) == list(card["scratch"]["tuned_accuracy"]) == ["1"]
    assert card["left_out"] == []


def test_what_cannot_be_judged_ends_in_one_line(zoo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3, 2)}, other)
    attempts: list[tuple[tuple[object, ...], str]] = [
        ((zoo, "--zoo", tmp_path / "none"), "is no folder"),
        ((tmp_path / "none", "--zoo", zoo), "none"),
        ((other, "--zoo", zoo), "learnt from; name by --zoo a zoo of such networks"),
        ((zoo, "--zoo", zoo, "--epoch", 7), "no checkpoints of the epochs [7]; it has [1, 2]"),
        ((zoo, "--zoo", zoo, "--baseline", "averige"), "did you mean 'average'"),
        ((zoo, "--zoo", zoo, "--data", "digit"), "unknown data 'digit'"),
        ((zoo, "--zoo", zoo, "--tuning-epochs", "1,x"), "--tuning-epochs must be as 1,5,25"),
    ]
    for arguments, message in attempts:
        result = graphwsl("score", *arguments)
        assert result.exit_code == 2, result.output
        assert message in result.output.replace("\n", " ")
        assert "Traceback" not in result.output
