"""Networks that cannot be used are named and left out; weights in files of a user's own."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from graphwsl.cli import app
from graphwsl.properties import load_predictor, train_predictor
from graphwsl.zoo import build, open_zoo

CONFIGURATION = {"model::type": "CNN", "model::channels_in": 1, "model::nlin": "tanh"}
FACTORY = """
import torch
from graphwsl.zoo import build

def small():
    return build("mlp", {"width": 4, "image_size": 8}), torch.zeros(1, 1, 8, 8)

def broken():
    module, inputs = small()
    torch.nn.init.constant_(module.module_list[1].bias, float("nan"))
    return module, inputs
"""


def cnn(seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return build("cnn_s", {"activation": "tanh"}).state_dict()


def published(folder: Path, name: str, state: dict[str, Tensor], **configuration: Any) -> None:
    """A training as Ray Tune leaves it."""
    trial = folder / name
    (trial / "checkpoint_1").mkdir(parents=True)
    known = {**CONFIGURATION, "seed": int(name), **configuration}
    (trial / "params.json").write_text(json.dumps(known))
    share = float(next(iter(state.values())).nan_to_num().abs().mean())
    row = {"training_iteration": 1, "train_acc": 0.9, "test_acc": share, "test_loss": 0.3}
    (trial / "result.json").write_text(json.dumps(row))
    torch.save(state, trial / "checkpoint_1" / "checkpoints")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten networks, of which four cannot be used."""
    folder = tmp_path_factory.mktemp("zoos") / "zoo"
    for seed in range(6):
        published(folder, f"{seed}", cnn(seed))
    published(folder, "6", {f"module.{name}": value for name, value in cnn(6).items()})
    for seed, value in ((7, math.nan), (8, math.inf)):
        state = cnn(seed)
        state["module_list.0.bias"][3] = value
        published(folder, f"{seed}", state)
    published(folder, "9", cnn(9), **{"model::channels_in": 10**9})
    return folder


@pytest.fixture(scope="module")
def predictor(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predictors") / "ridge"
    trained = train_predictor(
        zoo, folder, predictor="weight_statistics_ridge", together=(), progress=False
    )
    assert [problem.path.strip("'")[-1] for problem in trained.left_out] == list("9678")
    return folder


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def refuse(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def read(text: str) -> Any:
    """JSON as its standard has it, without NaN."""
    return json.loads(text, parse_constant=refuse)


def test_what_cannot_be_used_stops_nothing(zoo: Path, predictor: Path) -> None:
    code, out, err = run("predict", predictor, zoo, "--json")
    assert (code, err) == (0, "")
    found = read(out)
    assert [row["model"] for row in found["rows"]] == list("012345")
    reasons = " ".join(reason for _, reason in found["left_out"])
    assert len(found["left_out"]) == 4
    for word in ("in_channels of cnn_s must be at most", "it lacks 'module_list.0.", "not finite"):
        assert word in reasons
    code, out, err = run("predict", predictor, zoo)
    assert code == 0
    assert err.count("left out: ") == 4


@pytest.mark.parametrize("options", [("--json",), ()])
def test_training_names_what_it_leaves_out(zoo: Path, options: tuple[str, ...]) -> None:
    given = ("--predictor", "weight_statistics_ridge", "--together", "", "--out", "p")
    code, out, err = run("train", zoo, *given, *options)
    assert code == 0
    if options:
        assert len(read(out)["left_out"]) == 4
        assert read(out)["networks"] == {"train": 4, "valid": 1, "test": 1}
    else:
        assert err.count("left out: ") == 4


@pytest.mark.parametrize("bad", ["6", "7", "8", "9"])
def test_asked_about_nothing_else_it_says_why(
    zoo: Path, predictor: Path, tmp_path: Path, bad: str
) -> None:
    alone = tmp_path / "zoo"
    alone.mkdir()
    (alone / bad).symlink_to(zoo / bad)
    code, out, err = run("predict", predictor, alone, "--json")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


def test_weights_that_are_no_numbers_predict_nothing(predictor: Path) -> None:
    Path("networks_of_this_test.py").write_text(FACTORY)
    code, out, err = run("predict", predictor, "networks_of_this_test:broken", "--json")
    assert (code, out) == (2, "")
    assert "are not finite" in err
    code, out, _ = run(
        "predict",
        predictor,
        "networks_of_this_test:broken",
        "networks_of_this_test:small",
        "--json",
    )
    assert code == 0
    found = read(out)
    assert [len(found["rows"]), len(found["left_out"])] == [1, 1]


def test_predictions_that_are_no_numbers_are_left_out(predictor: Path) -> None:
    state = {name: value * 1e38 for name, value in cnn(0).items()}
    save_file({name: value.clamp(-3e38, 3e38) for name, value in state.items()}, "huge.safetensors")
    code, out, err = run("predict", predictor, "huge.safetensors", "--json")
    if code == 0:  # large, and a number all the same
        assert math.isfinite(read(out)["rows"][0]["prediction"])
    else:
        assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize("name", ["own.pt", "own.safetensors", "wrapped.pt", "nested.pt"])
def test_weights_in_files_are_of_a_network_that_was_learnt_from(
    zoo: Path, predictor: Path, name: str
) -> None:
    state = cnn(3)
    wrapped = {f"module.{key}": value for key, value in state.items()}
    torch.save(state, "own.pt")
    torch.save(wrapped, "wrapped.pt")
    torch.save({"state_dict": state, "epoch": 3}, "nested.pt")
    save_file(state, "own.safetensors")
    options = ("--entry", "state_dict") if name == "nested.pt" else ()
    code, out, err = run("predict", predictor, name, "--json", *options)
    assert (code, err) == (0, "")
    (row,) = read(out)["rows"]
    opened = open_zoo(zoo)
    same = [c for c in opened.checkpoints if c.model == "3"]
    expected = load_predictor(predictor).predict(opened, same)
    assert row["prediction"] == pytest.approx(float(expected), rel=1e-6)
    assert (row["network"], row["label"]) == (name, None)


def test_weights_of_other_networks_need_theirs(predictor: Path) -> None:
    Path("networks_of_this_test.py").write_text(FACTORY)
    torch.save(build("mlp", {"width": 4, "image_size": 8}).state_dict(), "mlp.pt")
    code, _, err = run("predict", predictor, "mlp.pt")
    assert code == 2
    assert "are of none of the networks that were learnt from; say by --network" in err
    own = ("--network", "networks_of_this_test:small", "--json")
    code, out, _ = run("predict", predictor, "mlp.pt", *own)
    assert code == 0
    assert len(read(out)["rows"]) == 1
    torch.save(cnn(0), "cnn.pt")
    assert run("predict", predictor, "cnn.pt", *own)[0] == 2


@pytest.mark.parametrize("name", ["none.pt", "none.safetensors", "empty.pt"])
def test_files_that_cannot_be_read_are_one_line(predictor: Path, name: str) -> None:
    Path("empty.pt").touch()
    code, out, err = run("predict", predictor, name)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert name in err
