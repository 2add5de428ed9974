"""Sparse twins: what goes, what stays, and what is stored of it."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from gnncore.storage import StorageError
from graphwsl.cli import app
from graphwsl.errors import ZooError
from graphwsl.sparsification import masks_of, sparsify, summarise_twins
from graphwsl.sparsification.masks import highest, prunable
from graphwsl.sparsification.variational_dropout import divergence, log_alpha
from graphwsl.zoo import open_zoo, train_zoo
from graphwsl.zoo.recipe import Recipe
from tests.graphwsl.zoo.layouts.published_layouts import (
    SMALL_CNN_SHAPES,
    small_cnn_row,
    write_small_cnn_zoo,
)

SHARES = [0.5, 0.9]
RECIPE: dict[str, Any] = {
    "data": {"name": "digits"},
    "epochs": 2,
    "batch_size": 64,
    "keep": [0, 2],
    "seeds": 3,
    "fixed": {"architecture": "mlp", "width": 12, "depth": 1, "learning_rate": 1e-2},
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoos") / "digits"
    train_zoo(Recipe.of(RECIPE), path, workers=1)
    return path


@pytest.fixture(scope="module")
def twins(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("twins") / "magnitude"
    sparsify(zoo, path, sparsity=SHARES, epochs=2)
    return path


def test_exactly_the_smallest_weights_go() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = {
        name: torch.rand(3, *shape, generator=generator)
        for name, shape in (("a", (4, 5)), ("b", (7,)))
    }
    masks = highest(scores, torch.tensor([0.1, 0.5, 0.9]))
    for network, share in enumerate((0.1, 0.5, 0.9)):
        values = np.concatenate([one[network].flatten().numpy() for one in scores.values()])
        kept = np.concatenate([one[network].flatten().numpy() for one in masks.values()])
        gone = round(share * 27)
        assert (~kept).sum() == gone
        assert set(np.flatnonzero(~kept)) == set(np.argsort(values)[:gone])


def test_weights_of_layers_are_pruned_and_nothing_else() -> None:
    layer = nn.Linear(3, 3)
    model = nn.Sequential(nn.Conv1d(1, 3, 1), nn.BatchNorm1d(3), layer, nn.LayerNorm(3), layer)
    assert prunable(model) == ["0.weight", "2.weight"]
    with pytest.raises(ZooError, match="no linear layer or convolution"):
        prunable(nn.LayerNorm(3))


def test_the_divergence_is_that_of_the_paper() -> None:
    """Its approximation lies within 0.01 of the integral, which is taken here by sampling."""
    noise = torch.randn(2_000_000, generator=torch.Generator().manual_seed(0)).double()

    def exact(alpha: float) -> float:  # up to a constant
        return float(-0.5 * np.log(alpha) + (1 + alpha**0.5 * noise).abs().log().mean())

    for low, high in ((0.05, 0.5), (0.5, 2.0), (2.0, 20.0)):
        own = divergence(torch.tensor(np.log(low))) - divergence(torch.tensor(np.log(high)))
        assert float(own) == pytest.approx(exact(low) - exact(high), abs=0.01)
    assert float(log_alpha(torch.tensor(0.5), torch.tensor(-1.0))) == pytest.approx(
        -1.0 - np.log(0.25), abs=1e-6
    )


def test_twins_are_a_zoo_that_names_its_originals(zoo: Path, twins: Path) -> None:
    originals, found = open_zoo(zoo), open_zoo(twins)
    assert len(found.checkpoints) == 6
    assert not found.verify()
    assert not found.folder.problems()
    last = {one.model: one for one in originals.checkpoints}
    for twin in found.checkpoints:
        original = last[twin.configuration["original"]]
        assert twin.configuration["seed"] == original.configuration["seed"]
        assert twin.metrics["original_test_accuracy"] == pytest.approx(
            original.metrics["test_accuracy"]
        )
        weights, masks = found.weights(twin), masks_of(found, twin)
        share = twin.configuration["target_sparsity"]
        kept = torch.cat([mask.flatten() for mask in masks.values()])
        assert int((~kept).sum()) == round(share * len(kept))
        assert twin.metrics["sparsity"] == pytest.approx(share, abs=1e-3)
        before = originals.weights(original)
        least = min(float(before[n].abs()[mask].min()) for n, mask in masks.items())
        for name, mask in masks.items():
            assert not weights[name][~mask].any()
            assert float(before[name].abs()[~mask].max()) <= least
            assert not torch.equal(weights[name][mask], before[name][mask])  # it was tuned
        model = found.module(twin)
        model.load_state_dict(weights)
        data = found.images()
        with torch.no_grad():
            right = (model(data.test).argmax(1) == data.test_labels).float().mean()
        assert float(right) == pytest.approx(twin.metrics["test_accuracy"], abs=1e-6)


def test_files_hold_what_is_left(zoo: Path, tmp_path: Path) -> None:
    size = (zoo / "chunks" / "00000.safetensors").stat().st_size
    sparsify(zoo, tmp_path / "twins", sparsity=[0.95], epochs=1)
    rows = 4 * 3 * 900  # bytes of rows of the index and names, generously
    assert (tmp_path / "twins/chunks/00000.safetensors").stat().st_size < 0.3 * size + rows


def test_summaries_and_layers(twins: Path) -> None:
    rows = summarise_twins(open_zoo(twins))
    assert [row.networks for row in rows] == [3, 3]
    assert [row.sparsity for row in rows] == pytest.approx(SHARES, abs=1e-3)
    for row in rows:
        assert 0 <= row.agreement <= 1
        assert row.points_lost == pytest.approx(100 * (row.original_accuracy - row.accuracy))
        assert set(row.layers) == set(masks_of(open_zoo(twins), open_zoo(twins).checkpoints[0]))
    assert rows[0].agreement > rows[1].agreement


def test_interrupted_work_is_continued_to_the_same_bytes(zoo: Path, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise StoppedError

    choices = {"method": "variational_dropout", "sparsity": [0.8], "epochs": 2}
    sparsify(zoo, tmp_path / "whole", **choices)
    with pytest.raises(StoppedError):
        sparsify(zoo, tmp_path / "parts", **choices, on_progress=stop)
    with pytest.raises(ZooError, match="resume it or choose another folder"):
        sparsify(zoo, tmp_path / "parts", **choices)
    sparsify(zoo, tmp_path / "parts", **choices, resume=True)
    for file in (tmp_path / "whole").rglob("*.*"):
        other = tmp_path / "parts" / file.relative_to(tmp_path / "whole")
        if file.is_file():
            assert other.read_bytes() == file.read_bytes()
    assert sparsify(zoo, tmp_path / "parts", **choices, resume=True).epochs == 0
    with pytest.raises(ZooError, match="holds another zoo"):
        sparsify(zoo, tmp_path / "parts", **{**choices, "epochs": 3}, resume=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sparsity", "0"], "must lie between 0 and 1"),
        (["--sparsity", "1"], "must lie between 0 and 1"),
        (["--sparsity", "nan"], "must lie between 0 and 1"),
        (["--method", "magic"], "unknown method 'magic'"),
        (["--epochs", "0"], "at least 1 epochs"),
        (["--method", "variational_dropout", "--epochs", "1"], "at least 2 epochs"),
    ],
)
def test_mistakes_end_in_a_line(zoo: Path, tmp_path: Path, options: list[str], said: str) -> None:
    out = tmp_path / "twins"
    result = CliRunner().invoke(app, ["zoo", "sparsify", str(zoo), "--out", str(out), *options])
    assert result.exit_code != 0
    assert said in str(result.exception) + result.output
    assert not out.exists()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (".", "out must lie outside the zoo"),
        ("ex", "holds other work"),
        ("chunks/ex", "holds other work"),
    ],
)
def test_nothing_is_written_into_the_zoo(zoo: Path, place: str, message: str) -> None:
    there = sorted(zoo.rglob("*"))
    for command in ("export", "sparsify"):
        found = CliRunner().invoke(app, ["zoo", command, str(zoo), "--out", str(zoo / place)])
        assert found.exit_code == 2
        assert message in " ".join(found.stderr.split())
        assert sorted(zoo.rglob("*")) == there


def test_a_damaged_twin_is_noticed_and_made_again(zoo: Path, tmp_path: Path) -> None:
    out = tmp_path / "twins"
    sparsify(zoo, out, epochs=1)
    chunk = out / "chunks" / "00000.safetensors"
    data = bytearray(chunk.read_bytes())
    former = bytes(data)
    data[-20] ^= 1
    chunk.write_bytes(data)
    found = open_zoo(out)
    assert found.verify()
    sparsify(zoo, out, epochs=1, resume=True)
    assert chunk.read_bytes() == former


def test_no_twins_of_twins_nor_of_unfinished_zoos(zoo: Path, twins: Path, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="a sparse twin already"):
        sparsify(twins, tmp_path / "out")
    shutil.copytree(zoo, tmp_path / "zoo")
    (tmp_path / "zoo" / "manifest.json").unlink()
    with pytest.raises(ZooError, match="unfinished"):
        sparsify(tmp_path / "zoo", tmp_path / "out")
    with pytest.raises(ZooError, match="holds no sparse twins"):
        summarise_twins(open_zoo(zoo))


def test_the_command_prints_a_summary(zoo: Path, tmp_path: Path) -> None:
    out = tmp_path / "twins"
    command = ["zoo", "sparsify", str(zoo), "--out", str(out), "--epochs", "1", "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)["twins"]
    assert row["networks"] == 3
    lost = 100 * (row["original_accuracy"] - row["accuracy"])
    assert row["points_lost"] == pytest.approx(lost)
    assert "loss" not in row


def test_other_twins_in_the_folder_are_told_from_these_in_words(zoo: Path, tmp_path: Path) -> None:
    out = tmp_path / "twins"
    sparsify(zoo, out, epochs=1)
    shutil.copytree(zoo, tmp_path / "copy" / zoo.name)
    other = tmp_path / "new" / zoo.name
    train_zoo(Recipe.of({**RECIPE, "epochs": 1, "keep": [1]}), other, workers=1)
    attempts: list[tuple[Path, dict[str, Any], str]] = [
        (zoo, {"sparsity": [0.5]}, r"another .*: sparsity is \[0\.8\] there and \[0\.5\] here;"),
        (zoo, {"epochs": 2}, "epochs is 1 there and 2 here"),
        (other, {}, "its originals were another zoo 'digits' than the one"),
    ]
    for originals, choices, said in attempts:
        with pytest.raises(ZooError, match=said):
            sparsify(originals, out, **{"epochs": 1, **choices}, resume=True)
    with pytest.raises(ZooError, match="it was trained, and is no sparse twin"):
        sparsify(zoo, other, epochs=1)
    sparsify(tmp_path / "copy" / zoo.name, out, epochs=1, resume=True)


def test_a_zoo_of_a_published_layout_is_refused_by_its_path(tmp_path: Path) -> None:
    numbers = sum(map(math.prod, SMALL_CNN_SHAPES.values()))
    weights = np.zeros((1, numbers), np.float32)
    write_small_cnn_zoo(tmp_path / "published", weights, [small_cnn_row("a", 0)])
    with pytest.raises(ZooError, match=r"^'.*published' is no zoo that graphwsl zoo train made"):
        sparsify(tmp_path / "published", tmp_path / "twins")


def test_nothing_is_left_of_twins_of_a_damaged_zoo(zoo: Path, tmp_path: Path) -> None:
    shutil.copytree(zoo, tmp_path / "zoo")
    chunk = tmp_path / "zoo" / "chunks" / "00000.safetensors"
    data = bytearray(chunk.read_bytes())
    data[-20] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(StorageError):
        sparsify(tmp_path / "zoo", tmp_path / "twins", epochs=1)
    assert not (tmp_path / "twins").exists()


def test_layers_without_any_weight_are_said(zoo: Path, tmp_path: Path) -> None:
    path = tmp_path / "twins"
    result = CliRunner().invoke(
        app,
        ["zoo", "sparsify", str(zoo), "--sparsity", "0.999", "--epochs", "1", "--out", str(path)],
    )
    assert result.exit_code == 0
    assert "networks have no weight left in" in result.stderr
    assert "choose a lower sparsity" in result.stderr
    (row,) = summarise_twins(open_zoo(path))
    counts: dict[str, int] = {}
    for checkpoint in open_zoo(path).checkpoints:
        for name, mask in masks_of(open_zoo(path), checkpoint).items():
            counts[name] = counts.get(name, 0) + int(not mask.any())
    assert row.emptied == {name: count for name, count in counts.items() if count}
    assert row.emptied
