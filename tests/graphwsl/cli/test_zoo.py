"""The command line of zoos."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from graphwsl.cli import app
from graphwsl.zoo import open_zoo

TOML = """
epochs = 1
batch_size = 128
seeds = 3
[data]
name = "digits"
[fixed]
architecture = "mlp"
width = 4
learning_rate = 0.01
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(TOML, encoding="utf-8")
    return "tiny.toml"


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["zoo", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_train_info_verify(recipe: str) -> None:
    code, out, err = run("train", recipe, "--workers", "1", "--json")
    assert (code, err) == (0, "")
    summary = json.loads(out)
    assert (summary["networks"], summary["checkpoints"], summary["epochs_trained"]) == (3, 6, 3)
    assert summary["zoo"] == str(Path("zoos", "tiny"))
    assert summary["factors"]["seed"] == [1, 2, 3]
    assert run("info", "zoos/tiny", "--json")[1].startswith('{"zoo": ')
    code, out, _ = run("info", "zoos/tiny")
    assert code == 0
    assert "zoos/tiny: 3 networks, 6 checkpoints" in out
    assert "architecture = mlp" in out
    assert "test accuracy at the last epoch: median " in out
    assert run("verify", "zoos/tiny")[:2] == (0, "zoos/tiny: all files are as they should be\n")
    Path("zoos/tiny/index.jsonl").unlink()
    assert run("verify", "zoos/tiny")[:2] == (1, "index.jsonl is missing\n")


def test_options_win_over_the_recipe(recipe: str) -> None:
    options = ("--seeds", "1", "--epochs", "2", "--out", "other", "--workers", "1", "--quiet")
    assert run("train", recipe, *options) == (0, "", "")
    assert run("train", recipe, *options, "--resume")[0] == 0
    options = ("--epochs", "2", "--keep", "0,2", "--out", "kept", "--workers", "1", "--quiet")
    assert run("train", recipe, *options) == (0, "", "")
    assert json.loads(run("info", "kept", "--json")[1])["epochs"] == [0, 2]
    code, _, err = run("train", recipe, "--keep", "last", "--out", "no")
    assert (code, "--keep must be every, or epochs with commas" in err) == (2, True)
    info = json.loads(run("info", "other", "--json")[1])
    assert (info["networks"], info["epochs"]) == (1, [0, 1, 2])


def test_export_writes_what_others_read(recipe: str) -> None:
    train = ("train", recipe, "--workers", "1", "--out", "zoo", "--quiet")
    assert run(*train) == (0, "", "")
    code, out, _ = run("export", "zoo", "--out", "published")
    assert (code, out) == (0, "published: 6 checkpoints\n")
    zoo, published = open_zoo("zoo"), open_zoo("published")
    for own, its in zip(zoo.checkpoints, published.checkpoints, strict=True):
        assert (own.model, own.epoch) == (its.model, its.epoch)
        weights = published.weights(its)
        for name, values in zoo.weights(own).items():
            assert torch.equal(weights[name], values)
    there = sorted(Path("published").rglob("*"))
    for place in ("published", "zoo/published"):
        code, _, err = run("export", "zoo", "--out", place)
        assert (code, err.count("\n")) == (2, 1)
    assert sorted(Path("published").rglob("*")) == there
    assert run("export", "nowhere", "--out", "other")[0] == 2
    assert not Path("other").exists()


def test_a_summary_is_printed(recipe: str) -> None:
    code, out, _ = run("train", recipe, "--workers", "1", "--seeds", "1")
    assert code == 0
    assert "1 network, 2 checkpoints" in out
    assert "1 epoch in " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "none"), "graphwsl: unknown recipe 'none'; choose one of cluttered_"),
        (("train", "tiny.toml", "--epochs", "0"), "graphwsl: epochs must be greater than or equal"),
        (("train", "tiny.toml", "--data", "x"), "graphwsl: unknown data 'x'; choose one of digits"),
        (("info", "nowhere"), "graphwsl: 'nowhere' is no folder; give the folder of a zoo"),
        (("verify", "."), "graphwsl: '.' is no zoo of a known layout"),
    ],
)
def test_errors_are_one_line(recipe: str, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_what_was_interrupted_says_how_to_go_on(
    recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("graphwsl.zoo.training.train.train_zoo", interrupted)
    monkeypatch.setattr("sys.argv", ["graphwsl", "zoo", "train", recipe])
    code, _, err = run("train", recipe)
    assert code == 130
    assert err == f"interrupted; continue with: graphwsl zoo train {recipe} --resume\n"
