"""Every number that can be given to graphwsl, out of its range; modules of a user's own."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from graphwsl.cli import app
from graphwsl.properties.predictors import PREDICTORS
from graphwsl.zoo.architectures.registry import ARCHITECTURES

RECIPE = """
epochs = 1
batch_size = 512
seeds = 2
[data]
name = "digits"
[fixed]
architecture = "{architecture}"
width = 3
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(RECIPE.format(architecture="mlp"), encoding="utf-8")


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def assert_refused(*arguments: str, given: str) -> None:
    before = sorted(Path().rglob("*"))
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("graphwsl: ")
    assert err.count("\n") == 1
    assert given in err
    assert sorted(Path().rglob("*")) == before


HUGE = str(10**30)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "x", HUGE])
@pytest.mark.parametrize("option", ["--workers", "--epochs", "--batch-size", "--seeds", "--sample"])
def test_numbers_of_zoo_train(option: str, value: str) -> None:
    if (option, value) != ("--workers", HUGE):  # which means as many as there is work for
        assert_refused("zoo", "train", "tiny.toml", option, value, given=value)


def test_more_than_fits_a_file_is_not_kept() -> None:
    wide = RECIPE.format(architecture="mlp").replace("width = 3", "width = 100")
    Path("wide.toml").write_text(wide, encoding="utf-8")
    assert_refused("zoo", "train", "wide.toml", "--epochs", "1000000", given="keep fewer")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("--epochs", value) for value in ("0", "-3", "x")],
        *[("--seed", value) for value in ("-1", "4294967296", "1.5", HUGE)],
        *[("--split-seed", value) for value in ("-4", "4294967296", HUGE)],
        *[("--device", value) for value in ("gpu", "cuda:x", "cuda:-1", "cuda:99", "")],
    ],
)
def test_numbers_of_train(option: str, value: str) -> None:
    assert_refused("train", "nowhere", option, value, given=value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there() -> None:
    assert_refused("train", "nowhere", "--device", "cuda", given="'cuda'")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--limit", "-5"),
        ("--limit", "x"),
        ("--epoch", "-1"),
        ("--epoch", "1.5"),
        ("--limit", "1e3"),
    ],
)
def test_numbers_of_predict(option: str, value: str) -> None:
    assert_refused("predict", "nowhere", "zoo", option, value, given=value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("--seed", value) for value in ("-1", HUGE)],
        *[("--shape", value) for value in ("x=0,3", "x=-1,3", "x=", "=1", "x", "x=99999999999")],
    ],
)
def test_numbers_of_graph(option: str, value: str) -> None:
    assert_refused("graph", "networks:some", option, value, given=value)


MODULE = """
import torch
from torch import nn
from graphwsl.properties import Predictor, register_predictor
from graphwsl.zoo import ArchitectureFactors, register_architecture

@register_architecture("wide_and_flat")
def wide_and_flat(factors: ArchitectureFactors) -> nn.Module:
    inputs = factors.number("in_channels", 1) * factors.number("image_size", 8) ** 2
    width = factors.number("width", 2)
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.Tanh(),
                         nn.Linear(width, factors.classes))

@register_predictor
class Norm(Predictor):
    name, invariant, mixed = "norm_of_weights", True, True

    def _fit(self, train, train_label, valid, valid_label, progress):
        self.scale = float(train_label.mean())

    def _predict(self, population):
        return torch.stack([self.scale * state.norm() for state in population.states])[:, None]

    def _state(self):
        return {}, {"scale": self.scale}

    def _restore(self, arrays, state):
        self.scale = state["scale"]
"""


@pytest.fixture
def _own_module() -> Iterator[None]:
    Path("my_networks_of_this_test.py").write_text(MODULE, encoding="utf-8")
    Path("own.toml").write_text(RECIPE.format(architecture="wide_and_flat"), encoding="utf-8")
    yield
    ARCHITECTURES.pop("wide_and_flat", None)
    PREDICTORS.pop("norm_of_weights", None)
    sys.modules.pop("my_networks_of_this_test", None)


@pytest.mark.usefixtures("_own_module")
def test_modules_of_ones_own_register_architectures_and_predictors() -> None:
    own = ("--import", "my_networks_of_this_test")
    assert run("zoo", "train", "own.toml", "--out", "zoo", "--seeds", "6", *own, "--quiet")[0] == 0
    options = ("--predictor", "norm_of_weights", "--together", "", "--out", "p", "--quiet")
    code, _, err = run("train", "zoo", *options, *own)
    assert (code, err) == (0, "")
    code, out, _ = run("predict", "p", "zoo", "--json", *own)
    assert code == 0
    assert len(json.loads(out)["rows"]) == 12


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No module named 'not_there_in_this_test'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import antigravity_of_nobody", "No module named"),
        ("(", "SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(text: str | None, said: str) -> None:
    name = "not_there_in_this_test" if text is None else f"broken_{abs(hash(text))}"
    if text is not None:
        Path(f"{name}.py").write_text(text, encoding="utf-8")
    for command in (("zoo", "train", "tiny.toml"), ("train", "zoo"), ("predict", "p", "zoo")):
        assert_refused(*command, "--import", name, given=said)
