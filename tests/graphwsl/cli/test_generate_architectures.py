"""``graphwsl generate`` and ``score`` where networks of several architectures were learnt from."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from graphwsl.cli import app
from graphwsl.zoo import Recipe, train_zoo
from tests.graphwsl.cli.test_generate import RECIPE, TINY


def graphwsl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


def refusal(*arguments: object) -> str:
    result = graphwsl(*arguments)
    assert result.exit_code == 2, result.output
    assert len(result.output.strip().splitlines()) == 1, result.output
    return result.output


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed") / "zoo"
    recipe = {**RECIPE, "seeds": 10, "fixed": {"architecture": "mlp", "activation": "relu",
                                               "depth": 1, "learning_rate": 0.01}}  # fmt: skip
    train_zoo(Recipe.of({**recipe, "grid": {"width": (4, 6)}}), folder, workers=1)
    return folder


@pytest.fixture(scope="module")
def made(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mixed") / "flow"
    result = graphwsl("generate", "train", zoo, *TINY, "--epochs", 1, "--option", "behaviour=0",
                      "--condition", "test_accuracy", "--out", out)  # fmt: skip
    assert result.exit_code == 0, result.output
    return out


def sample(made: Path, out: Path, *more: object) -> Result:
    return graphwsl("generate", "sample", made, "--count", 2, "--out", out, *more)


def test_only_what_was_learnt_is_called_so(made: Path, tmp_path: Path) -> None:
    asked = ("--network", "activation=sigmoid", "--network", "width=6")
    said = refusal("generate", "sample", made, "--out", tmp_path / "a", *asked)
    assert "no training network has activation 'sigmoid'" in said
    assert said.strip().endswith("choose relu")
    wide = sample(made, tmp_path / "b", "--network", "width=9")
    assert wide.exit_code == 0, wide.output
    assert wide.stderr == "beyond the training: no training network has width 9\n"
    as_json = sample(made, tmp_path / "c", "--network", "width=9", "--json")
    assert json.loads(as_json.stdout)["beyond_training"] == "no training network has width 9"
    assert sample(made, tmp_path / "d", "--network", "width=6").stderr == ""


def test_networks_are_judged_beside_those_of_their_architecture(made: Path, zoo: Path) -> None:
    command = ("generate", "score", made, "--zoo", zoo, "--count", 3, "--baseline", "average")
    for width in (4, 6):
        result = graphwsl(*command, "--network", f"width={width}", "--json")
        assert result.exit_code == 0, result.output
        card = json.loads(result.stdout)
        assert card["train"]["networks"] + card["held_out"]["networks"] <= 10
        assert card["train"]["networks"] > 3
    said = refusal(*command)
    assert "2 kinds were learnt from; say which is meant by --network width=4, or" in said
    assert "has 0 networks that were learnt from and 0 others as --network width=5 asks" in refusal(
        *command, "--network", "width=5"
    )
    for wrong in ("foo=1", "test_accuracy=90"):
        assert wrong.partition("=")[0] in refusal(*command, "--condition", wrong)


def test_files_are_judged_beside_those_of_their_architecture(
    made: Path, zoo: Path, tmp_path: Path
) -> None:
    for width in (4, 6):
        out = tmp_path / str(width)
        assert sample(made, out, "--network", f"width={width}").exit_code == 0
        result = graphwsl("score", out, "--zoo", zoo, "--baseline", "average", "--json")
        assert result.exit_code == 0, result.output
        card = json.loads(result.stdout)
        assert card["train"]["networks"] + card["held_out"]["networks"] == 10
    assert sample(made, tmp_path / "5", "--network", "width=5").exit_code == 0
    assert "name by --zoo a zoo of such networks" in refusal("score", tmp_path / "5", "--zoo", zoo)
