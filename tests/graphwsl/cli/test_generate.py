"""``graphwsl generate``: train, sample and score, resumed and refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from graphwsl.cli import app
from graphwsl.cli.choices import GENERATORS as CHOICES
from graphwsl.generators import GENERATORS
from graphwsl.zoo import Recipe, train_zoo

RECIPE = {
    "data": {"name": "digits"},
    "epochs": 2,
    "keep": (1, 2),
    "batch_size": 64,
    "seeds": 12,
    "fixed": {"architecture": "mlp", "width": 4, "depth": 1, "learning_rate": 0.01},
}
TINY = [
    text
    for option in ("channels=16", "edge_channels=4", "heads=2", "rounds=1", "steps=2")
    for text in ("--option", option)
]


def graphwsl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


def trained(zoo: Path, out: Path, *more: object) -> Result:
    return graphwsl("generate", "train", zoo, *TINY, "--epochs", 3, "--condition", "test_accuracy",
                    "--out", out, *more)  # fmt: skip


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generate") / "zoo"
    train_zoo(Recipe.of(RECIPE), folder, workers=1)
    return folder


@pytest.fixture(scope="module")
def made(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "flow"
    result = trained(zoo, out)
    assert result.exit_code == 0, result.output
    assert "learnt from 8 networks" in result.output
    return out


def test_choices_are_all_methods() -> None:
    assert set(CHOICES) == set(GENERATORS)
    shown = graphwsl("generate", "train", "--help").output
    assert all(name in shown for name in GENERATORS)


def test_a_generator_is_kept_with_what_it_learnt_from(made: Path, zoo: Path) -> None:
    names = {path.name for path in made.iterdir()} - {".lock"}
    assert names == {
        "generating.json", "generator.json", "generator.safetensors", "metrics.json",
        "manifest.json",
    }  # fmt: skip
    again = trained(zoo, made, "--resume", "--json")
    assert again.exit_code == 0, again.output
    summary = json.loads(again.stdout)
    assert summary["networks"] == {"train": 8, "valid": 2, "test": 2}
    assert summary["condition"] == ["test_accuracy"]
    assert "all files are as they should be" in graphwsl("verify", made).output
    other = graphwsl("generate", "train", zoo, *TINY, "--epochs", 2, "--out", made, "--resume")
    assert other.exit_code == 2
    assert len(other.output.strip().splitlines()) == 1
    assert "settings: epochs is 3 there and 2 here" in other.output


@pytest.mark.parametrize(
    "options",
    [
        ["--method", "equivariant_flow", *TINY, "--option", 'behaviour_sizes={"width":[5,6]}'],
        ["--method", "recurrent_diffusion", "--option", "denoiser_channels=[1,4,4,1]"],
    ],
)
def test_settings_of_several_values_are_resumed(
    zoo: Path, tmp_path: Path, options: list[str]
) -> None:
    asked = ["generate", "train", zoo, *options, "--epochs", 1, "--out", tmp_path / "made"]
    first = graphwsl(*asked)
    assert first.exit_code == 0, first.output
    again = graphwsl(*asked, "--resume")
    assert again.exit_code == 0, again.output


def test_a_training_without_answers_says_so(tmp_path: Path) -> None:
    """The data of the zoo have gone."""
    images, labels = np.random.default_rng(0).random((40, 2, 2)), np.arange(40) % 2
    data = tmp_path / "mine.npz"
    np.savez(data, x_train=images, y_train=labels, x_test=images, y_test=labels)
    recipe = Recipe.of({**RECIPE, "data": {"name": str(data)}})
    train_zoo(recipe, tmp_path / "zoo", workers=1)
    for name in ("with", "without"):
        result = trained(tmp_path / "zoo", tmp_path / name)
        assert result.exit_code == 0, result.output
        said = [n for n in result.stderr.splitlines() if n.startswith("learnt from weights alone")]
        assert len(said) == (name == "without")
        data.unlink(missing_ok=True)
    again = trained(tmp_path / "zoo", tmp_path / "without", "--resume", "--json")
    assert json.loads(again.stdout)["report"]["behaviour"] is False


def test_networks_are_files_that_other_commands_read(made: Path, zoo: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples"
    result = graphwsl("generate", "sample", made, "--count", 3, "--out", out,
                      "--condition", "test_accuracy=0.5", "--seed", 1)  # fmt: skip
    assert result.exit_code == 0, result.output
    index = json.loads((out / "networks.json").read_text())
    assert [row["asked_test_accuracy"] for row in index] == [0.5] * 3
    files = sorted(out.glob("*.safetensors"))
    shapes = [tuple(tensor.shape) for tensor in load_file(files[0]).values()]
    assert sorted(shapes) == [(4,), (4, 64), (10,), (10, 4)]
    card = graphwsl("score", *files, "--zoo", zoo, "--networks", 2, "--baseline", "average",
                    "--json")  # fmt: skip
    assert card.exit_code == 0, card.output
    assert json.loads(card.stdout)["networks"] == 3


def test_networks_of_other_sizes(made: Path, tmp_path: Path) -> None:
    result = graphwsl("generate", "sample", made, "--count", 1, "--out", tmp_path / "wide",
                      "--network", "width=6")  # fmt: skip
    assert result.exit_code == 0, result.output
    state = load_file(tmp_path / "wide" / "00000.safetensors")
    assert (6, 64) in [tuple(tensor.shape) for tensor in state.values()]


def test_a_card_is_of_networks_that_were_never_seen(made: Path, zoo: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "card.json", tmp_path / "card.svg"
    result = graphwsl("generate", "score", made, "--zoo", zoo, "--count", 4, "--baseline",
                      "gaussian", "--condition", "test_accuracy=0.5", "--out", out,
                      "--picture", picture)  # fmt: skip
    assert result.exit_code == 0, result.output
    card = json.loads(out.read_text())
    assert card["train"]["networks"] == 8
    assert card["held_out"]["networks"] == 4
    assert card["networks"] == 4
    assert card["reached"]["test_accuracy"]["asked"] == pytest.approx(0.5)
    assert "on average, asked for 0.500 (mean absolute error" in result.output
    assert "is_copying" in result.output
    assert picture.stat().st_size > 0


def test_a_card_is_of_the_epoch_that_was_learnt_from(zoo: Path, tmp_path: Path) -> None:
    out = tmp_path / "early"
    assert trained(zoo, out, "--epoch", 1).exit_code == 0
    result = graphwsl("generate", "score", out, "--zoo", zoo, "--count", 2, "--baseline",
                      "average", "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["train"]["networks"] == 8


def test_mistakes_end_in_one_line(made: Path, zoo: Path, tmp_path: Path) -> None:
    for arguments in (
        ("train", zoo, "--method", "equivariant_flows"),
        ("train", zoo, "--option", "chanels=3", "--out", tmp_path / "a"),
        ("train", zoo, "--condition", "colour", "--out", tmp_path / "b"),
        (
            "train",
            zoo,
            "--option",
            "behaviour=0",
            "--option",
            'behaviour_sizes={"width": [6]}',
            "--out",
            tmp_path / "i",
        ),
        ("train", zoo, *2 * ("--condition", "test_accuracy"), "--out", tmp_path / "h"),
        ("train", zoo, "--device", "gpu", "--out", tmp_path / "g"),
        ("train", zoo, "--epoch", 7, "--out", tmp_path / "c"),
        ("train", tmp_path / "nothing"),
        ("sample", zoo, "--out", tmp_path / "d"),
        ("sample", made, "--out", tmp_path / "e", "--condition", "sign=large"),
        ("sample", made, "--out", tmp_path / "f", "--network", "depth=5"),
        ("sample", made, "--out", tmp_path / "j", "--network", "width=[1,2]"),
        ("sample", made, "--out", tmp_path / "k", "--network", "width={}"),
        ("sample", made, "--out", made),
        ("score", made, "--zoo", made),
    ):
        result = graphwsl("generate", *arguments)
        assert result.exit_code == 2, (arguments, result.output)
        assert len(result.output.strip().splitlines()) == 1, result.output
        if arguments[0] == "train" and "--out" in arguments:
            assert not Path(arguments[-1]).exists()  # nothing is left of it


def test_a_zoo_without_the_epoch_is_not_the_one_that_was_learnt_from(
    zoo: Path, made: Path, tmp_path: Path
) -> None:
    train_zoo(Recipe.of({**RECIPE, "epochs": 1, "keep": (1,)}), tmp_path / "other", workers=1)
    result = graphwsl("generate", "score", made, "--zoo", tmp_path / "other")
    assert result.exit_code == 2
    assert "no networks of the epochs [2]" in result.output
    assert result.output.strip().endswith("give the zoo that it learnt from")


def test_an_unfinished_training_says_how_to_go_on(made: Path, tmp_path: Path) -> None:
    unfinished = tmp_path / "unfinished"
    (unfinished / "training").mkdir(parents=True)
    (unfinished / "generating.json").write_bytes((made / "generating.json").read_bytes())
    for arguments in (("sample", unfinished, "--out", tmp_path / "a"),
                      ("score", unfinished, "--zoo", made)):  # fmt: skip
        result = graphwsl("generate", *arguments)
        assert result.exit_code == 2
        assert "is unfinished: continue it with graphwsl generate train --resume" in result.output
        assert len(result.output.strip().splitlines()) == 1
