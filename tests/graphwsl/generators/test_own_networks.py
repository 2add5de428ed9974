"""Generators of networks that no zoo trained: kept with their layers, or told what networks do."""

from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from graphwsl.cli import app
from graphwsl.errors import GeneratorError
from graphwsl.generators import load, scorecard
from graphwsl.populations import Function, Population
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.data import load_images
from tests.graphwsl.generators.method_cases import METHODS, rows, seeded, tiny

CODE = """
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 4), nn.Linear(4, 10)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x.flatten(1))))


def small():
    return Small(), torch.zeros(1, 1, 8, 8)
"""
NAME = "nets_of_this_test:small"


def plain() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Tanh(), nn.Linear(4, 10))


class Custom(nn.Module):
    """Layers within a class of one's own, which no file describes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = plain()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def population(network: type[nn.Module] | object = plain, count: int = 12) -> Population:
    torch.manual_seed(0)
    assert callable(network)
    function = Function.of(network().eval(), torch.zeros(1, 1, 8, 8), "mine")
    checkpoints = [Checkpoint(f"{number}", None, {}, {}) for number in range(count)]
    flat = function.architecture.graph.flat
    states = [flat(network().state_dict(), dtype=torch.float32) for _ in range(count)]
    return Population.alike(checkpoints, states, function)


@pytest.mark.parametrize("name", METHODS)
def test_networks_of_common_layers_are_known_after_loading(name: str, tmp_path: Path) -> None:
    made = tiny(name, epochs=1).fit(population())
    made.save(tmp_path / "made")
    again = load(tmp_path / "made")
    expected = rows(made.sample(2, generator=seeded()))
    torch.testing.assert_close(rows(again.sample(2, generator=seeded())), expected, atol=0, rtol=0)
    assert [one.architecture.name for one in again.functions] == ["mine"]


@pytest.mark.parametrize("name", METHODS)
def test_networks_of_a_class_of_ones_own_are_given_after_loading(name: str, tmp_path: Path) -> None:
    some = population(Custom)
    made = tiny(name, epochs=1).fit(some)
    made.save(tmp_path / "made")
    again = load(tmp_path / "made")
    with pytest.raises(GeneratorError, match="does not hold the code of the networks") as caught:
        again.sample(2)
    assert "architecture=Function.of(network, inputs, name)" in str(caught.value)
    assert len(again.sample(2, some.functions[0])) == 2


def test_commands_are_told_what_networks_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("nets_of_this_test.py").write_text(CODE, encoding="utf-8")
    from nets_of_this_test import Small  # type: ignore[import-not-found]

    tiny("equivariant_flow", epochs=1).fit(population(Small)).save("made")

    def graphwsl(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["generate", *arguments])
        return result.exit_code, result.output

    command = ("sample", "made", "--count", "2", "--out", "out")
    code, output = graphwsl(*command)
    assert code == 2
    assert "name them by --network module:factory" in " ".join(output.split())
    code, output = graphwsl(*command, "--network", NAME)
    assert code == 0, output
    assert len([*Path("out").glob("*.safetensors")]) == 2
    code, output = graphwsl(*command[:-1], "other", "--network", NAME, "--network", "width=3")
    assert code == 2
    assert "says all of a network" in output


def test_networks_without_a_name_cannot_be_tuned() -> None:
    some, data = population(), load_images("digits")
    train, held_out = some.select(range(6)), some.select(range(6, 12))
    with pytest.raises(GeneratorError, match="networks 'mine' cannot be tuned"):
        scorecard(held_out, train, held_out, data.test, data.test_labels, tuning_epochs=[1],
                  data=data, networks=2)  # fmt: skip
