"""``graphwsl monitor --reference``: files are compared with a zoo whose tensors lie otherwise."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from graphwsl.cli import app
from graphwsl.trajectories.histories import histories

RECIPE = """
epochs = 2
batch_size = 400
keep = [0, 1, 2]
seeds = 4
[data]
name = "digits"
[fixed]
architecture = "mlp"
width = 2
depth = 2
learning_rate = 1e-2
"""


@pytest.fixture
def _zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(RECIPE)
    made = CliRunner().invoke(
        app, ["zoo", "train", "recipe.toml", "--out", "zoo", "--workers", "1", "--quiet"]
    )
    assert made.exit_code == 0, made.output


@pytest.mark.usefixtures("_zoo")
@pytest.mark.parametrize("follow", [[], ["--follow", "--until", "3"]])
def test_files_are_judged_as_the_training_in_the_zoo_that_they_are_of(follow: list[str]) -> None:
    layers, trainings = histories(Path("zoo"))
    Path("run").mkdir()
    for epoch, row in enumerate(trainings[0].rows):
        parts = zip(layers.shapes.items(), row.split(list(layers.tensor_sizes)), strict=True)
        state = {name: values.reshape(shape).clone() for (name, shape), values in parts}
        save_file(dict(reversed(state.items())), f"run/{epoch}.safetensors")
    options = ["--reference", "zoo", "--rate", "0.4", "--json"]
    judged = []
    for folder, more in (("zoo", []), ("run", follow)):
        result = CliRunner().invoke(app, ["monitor", folder, *options, *more])
        assert result.exit_code == 0, result.output
        judged.append(next(iter(json.loads(result.stdout)["trainings"].values()))["changes"])
    for own, its in zip(*judged, strict=True):
        assert own["layer"] == its["layer"]
        assert own["score"] == pytest.approx(its["score"])
    save_file({"other": torch.ones(2)}, "run/0.safetensors")
    result = CliRunner().invoke(app, ["monitor", "run", *options, *follow])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
