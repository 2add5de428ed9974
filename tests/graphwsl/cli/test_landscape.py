"""``graphwsl landscape``: a table, a file, a picture; and what it refuses before it writes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from graphwsl.cli import app
from graphwsl.landscape import Landscape
from graphwsl.zoo import Recipe, train_zoo

RECIPE: dict[str, Any] = {
    "data": {"name": "digits"},
    "epochs": 1,
    "keep": (1,),
    "seeds": 2,
    "fixed": {"architecture": "mlp", "depth": 1},
    "grid": {"width": (2, 3), "batch_size": (128, 256)},
}
FEW = ("--samples", 16, "--probes", 2, "--curve-steps", 2)


def graphwsl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command") / "zoo"
    train_zoo(Recipe.of(RECIPE), folder, workers=1)
    return folder


def test_numbers_stand_in_a_table_a_file_and_a_picture(zoo: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "landscape.json", tmp_path / "plane.svg"
    chosen = ("--metric", "hessian", "--metric", "similarity", "--metric", "curves")
    options = (*chosen, *FEW, "--out", out, "--train-error", 0.99)
    result = graphwsl("landscape", zoo, *options, "--picture", picture)
    assert result.exit_code == 0, result.output
    assert "phases by the thresholds: train error 0.99, connectivity 0.03" in result.output
    measured = Landscape.load(out)
    assert len(measured.networks) == 8
    assert [cell.configuration["width"] for cell in measured.cells] == [2, 2, 3, 3]
    assert "train error 0.99" in picture.read_text(encoding="utf-8")
    again = graphwsl("landscape", zoo, *options, "--resume", "--json")
    values = json.loads(again.stdout)
    assert values["thresholds"]["train_error"] == 0.99
    assert all("≤ 0.99" in cell["reasons"][0] for cell in values["cells"])
    assert [one["metrics"] for one in values["networks"]] == [
        one.metrics for one in measured.networks
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--metric", "averages"), "averages along trainings need at least two epochs"),
        (("--metric", "curvature"), "curvature"),
        (("--epoch", 5), "no checkpoints of epoch 5; it has [1]"),
        (("--metric", "hessian", "--layer", "x"), "no layer 'x'"),
        (("--metric", "similarity", "--activation", "x"), "no module 'x'"),
        (("--metric", "hessian", "--samples", 1), "samples"),
        (("--picture", "plane.txt"), "must end in .png, .svg or .pdf, got 'plane.txt'"),
        (("--similarity", 2), "similarity"),
        (("--metric", "similarity", "--spectra", "s.png"), "--spectra needs the metric hessian"),
        (("--metric", "hessian", "--ways", "s.png"), "--ways needs the metric curves or lines"),
        (("other",), "a zoo is measured by itself, got 'other' besides"),
        (("--data", "nothing"), "nothing"),
    ],
)
def test_what_cannot_be_measured_ends_in_one_line_and_nothing_is_written(
    zoo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[object, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = graphwsl("landscape", zoo, *FEW, "--out", "found.json", "--quiet", *options)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_networks_of_ones_own_are_measured_in_one_call(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("landscape_of_this_test.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "def made(seed):\n"
        "    torch.manual_seed(seed)\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), torch.zeros(1, 1, 8, 8)\n"
        "def one():\n"
        "    return made(1)\n"
        "def two():\n"
        "    return made(2)\n",
        encoding="utf-8",
    )
    names = [f"landscape_of_this_test:{name}" for name in ("one", "two")]
    command = ("landscape", *names, *FEW, "--data", "digits", "--ways", "ways.svg", "--json")
    result = graphwsl(*command, "--layer", "1")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [one["model"] for one in found["networks"]] == names
    assert found["settings"]["metrics"] == ["hessian", "similarity", "curves", "lines"]
    assert "train_hessian_trace[1]" in found["networks"][0]["metrics"]
    assert Path("ways.svg").exists()
    alone = json.loads(graphwsl("landscape", names[0], *FEW, "--data", "digits", "--json").stdout)
    assert alone["settings"]["metrics"] == ["hessian"]
    weights = Path("weights")
    weights.mkdir()
    for seed in range(2):
        torch.save({"1.weight": torch.randn(10, 64), "1.bias": torch.zeros(10)},
                   weights / f"{seed}.pt")  # fmt: skip
    options = (*FEW, "--data", "digits", "--metric", "similarity", "--json")
    result = graphwsl("landscape", weights, "--network", names[0], *options)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [one["model"] for one in found["networks"]] == ["weights/0.pt", "weights/1.pt"]
    for arguments, message in (
        ((weights, "--data", "digits"), "holds weights alone; say by --network"),
        ((names[0],), "networks of your own need --data"),
        (("nothing.pt", "--data", "digits"), "holds weights alone; say by --network"),
        (("nothing:made", "--data", "digits"), "No module named 'nothing'"),
    ):
        result = graphwsl("landscape", *arguments)
        assert result.exit_code == 2, result.output
        assert message in " ".join(result.output.split())


def test_zoos_without_seeds_without_two_factors_and_without_data_are_refused(
    tmp_path: Path,
) -> None:
    samples = tmp_path / "mine.npz"
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8), dtype=np.uint8)
    labels = np.arange(24) % 3
    np.savez(samples, x_train=images, y_train=labels, x_test=images, y_test=labels)
    one = {**RECIPE, "data": {"name": str(samples)}, "seeds": 1, "grid": {"width": (2, 3)}}
    train_zoo(Recipe.of(one), tmp_path / "one", workers=1)
    out = tmp_path / "found.json"
    result = graphwsl("landscape", tmp_path / "one", "--metric", "similarity", "--out", out)
    assert (result.exit_code, out.exists()) == (2, False)
    assert "similarity needs networks that differ in their seed alone" in result.output
    pictures = tmp_path / "factor.svg", tmp_path / "spectra.svg"
    drawn = ("--metric", "hessian", *FEW, "--picture", pictures[0], "--spectra", pictures[1])
    result = graphwsl("landscape", tmp_path / "one", *drawn, "--quiet", "--eigenvalues", 2)
    assert result.exit_code == 0, result.output
    assert "log₁₀ of the trace" in pictures[0].read_text(encoding="utf-8")
    assert "eigenvalue, train" in pictures[1].read_text(encoding="utf-8")
    result = graphwsl("landscape", tmp_path / "nothing", "--out", out)
    assert (result.exit_code, out.exists()) == (2, False)
    samples.unlink()
    result = graphwsl("landscape", tmp_path / "one", "--metric", "hessian", "--out", out)
    assert (result.exit_code, out.exists()) == (2, False)
    assert len(result.output.strip().splitlines()) == 1
    assert "mine.npz" in result.output
