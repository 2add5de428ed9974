"""A layer of the user's own is known to every command that imports its module."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gridstab.cli import app
from tests import ROOT
from tests.registries import restored

LAYER = """
import torch
from gnncore.layers import GraphLayer, register_layer


@register_layer("half_and_half")
class HalfAndHalf(GraphLayer):
    def __init__(self, in_channels: int, out_channels: int, edge_channels: int = 0) -> None:
        super().__init__(in_channels, out_channels, edge_channels)
        self.linear = torch.nn.Linear(in_channels, out_channels)

    def forward(self, x, edge_index, edge_attr=None, batch=None):
        source, target = edge_index
        mean = torch.zeros_like(x).index_add(0, target, x[source])
        return self.linear(x + 0.5 * mean), edge_attr

    def reset_parameters(self) -> None:
        self.linear.reset_parameters()
"""
MODEL = """
layer = "half_and_half"
hidden_channels = 4
num_layers = 1

[training]
epochs = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_layers.py").write_text(LAYER)
    (folder / "mine.toml").write_text(MODEL)
    (folder / "broken.py").write_text("raise RuntimeError('not today')")
    ran = gridstab(
        *("train", "--model", "mine.toml", "--data", "ds20", "--train-grids", "4"),
        *("--out", "model", "--quiet", "--import", "my_layers"),
        folder=folder,
    )
    assert ran.exit_code == 0, ran.stderr
    return folder


def gridstab(*arguments: str, folder: Path) -> Result:
    """The command in this process, which forgets what it imported."""
    with pytest.MonkeyPatch.context() as patch, restored():
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        try:
            return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
        finally:
            sys.modules.pop("my_layers", None)


def test_what_was_trained_predicts_again(folder: Path) -> None:
    """In another process, as users do."""
    ran = subprocess.run(
        [sys.executable, "-m", "gridstab", "predict", "model", "--case", "case30", "--json"]
        + ["--import", "my_layers"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["nodes"] > 20


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "unknown layer 'half_and_half'"),
        (["--import", "broken"], "RuntimeError: not today"),
        (["--import", "nowhere_to_be_found"], "ModuleNotFoundError"),
        (["--import", "my_layers.py"], "leave off .py: --import my_layers"),
    ],
)
def test_without_it_one_line_says_what_is_missing(
    folder: Path, more: list[str], words: str
) -> None:
    ran = gridstab("predict", "model", "--case", "case30", *more, folder=folder)
    assert ran.exit_code == 2
    assert words in ran.stderr
    # A slow machine may have said that it is at work.
    assert len([line for line in ran.stderr.splitlines() if "so far" not in line]) == 1
