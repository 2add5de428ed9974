"""Zoos on disk: the same bytes however they came about, and damage that is noticed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from gnncore.storage import (
    LOCK_NAME,
    CorruptFileError,
    FolderInUseError,
    Manifest,
    exclusive_lock,
    load_tensors,
)
from graphwsl.errors import InvalidArgumentError, ZooError
from graphwsl.zoo import Zoo, open_zoo
from graphwsl.zoo.layouts.native import Hashes, ZooFolder
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.training.chunks import plan
from graphwsl.zoo.training.train import images_of, train_zoo

RECIPE = Recipe.of(
    {
        "data": {"name": "digits"},
        "epochs": 2,
        "batch_size": 128,
        "seeds": 2,
        "fixed": {"architecture": "mlp", "width": 4, "depth": 1},
        "grid": {"activation": ["relu", "tanh"], "learning_rate": [1e-2, 1e-3]},
    }
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoos") / "small"
    train_zoo(RECIPE, path)
    return path


@pytest.fixture
def zoo_path(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def contents(path: Path) -> dict[str, bytes]:
    files = [file for file in path.rglob("*") if file.is_file() and file.name != ".lock"]
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def test_a_zoo_stays_cut_into_files_as_it_began(tmp_path: Path) -> None:
    path = tmp_path / "zoo"
    folder = ZooFolder(path)
    folder.create(RECIPE, Hashes(images_of(RECIPE).content_hash))
    assert folder.config["large_network"] == folder.large_network == 2**22
    config = json.loads((path / "zoo.json").read_text())
    (path / "zoo.json").write_text(json.dumps({**config, "large_network": 1}))
    assert train_zoo(RECIPE, path, resume=True).epochs == 16
    assert len(list((path / "chunks").iterdir())) == 8  # one for each network
    assert train_zoo(RECIPE, path, resume=True).epochs == 0
    (path / "zoo.json").write_text(json.dumps({**config, "large_network": "all"}))
    with pytest.raises(ZooError, match="large_network must be a positive whole number, got 'all'"):
        train_zoo(RECIPE, path, resume=True)


def test_a_zoo_of_a_former_version_is_not_trained_again(tmp_path: Path) -> None:
    """They did not say how they are cut: networks of up to 16 MiB lay together."""
    path = tmp_path / "zoo"
    folder = ZooFolder(path)
    folder.create(RECIPE, Hashes(images_of(RECIPE).content_hash))
    config = json.loads((path / "zoo.json").read_text())
    del config["large_network"]
    (path / "zoo.json").write_text(json.dumps(config))
    assert ZooFolder(path).large_network == 2**24
    train_zoo(RECIPE, path, resume=True)
    assert json.loads((path / "zoo.json").read_text()) == config
    assert train_zoo(RECIPE, path, resume=True).epochs == 0
    large = RECIPE.model_copy(update={"fixed": {"architecture": "mlp", "width": 1200, "depth": 2}})
    data = images_of(large)  # networks of 6 MiB
    assert {len(part) for part in plan(large, data, 2**24)} != {1}
    assert {len(part) for part in plan(large, data)} == {1}


def test_a_zoo_lists_what_was_trained(trained: Path) -> None:
    zoo = open_zoo(trained)
    assert isinstance(zoo, Zoo)
    assert [(c.model, c.epoch) for c in zoo.checkpoints] == [
        (f"{model:05d}", epoch) for model in range(8) for epoch in range(3)
    ]
    assert zoo.problems == []
    last = zoo.checkpoints[-1]
    assert last.configuration["activation"] == "tanh"
    assert last.configuration["learning_rate"] == 1e-3
    assert last.configuration["seed"] == 2
    gap = last.metrics["train_accuracy"] - last.metrics["test_accuracy"]
    assert last["generalisation_gap"] == gap
    assert (last["epoch"], last["learning_rate"]) == (2, 1e-3)


def test_the_metrics_are_those_of_the_stored_weights(trained: Path) -> None:
    zoo, data = open_zoo(trained), images_of(RECIPE)
    for checkpoint in zoo.checkpoints[1:20:6]:
        model = zoo.module(checkpoint)
        assert not model.training
        model.load_state_dict(zoo.weights(checkpoint))
        assert model(zoo.example_inputs(checkpoint)).shape == (1, 10)
        for name, x, y in (
            ("train", data.train, data.train_labels),
            ("test", data.test, data.test_labels),
        ):
            logits = model(x)
            loss = torch.nn.functional.cross_entropy(logits, y)
            accuracy = (logits.argmax(1) == y).double().mean()
            assert checkpoint.metrics[f"{name}_loss"] == pytest.approx(loss.item(), rel=1e-4)
            assert checkpoint.metrics[f"{name}_accuracy"] == pytest.approx(
                float(accuracy), abs=1e-3
            )


def test_training_improves(trained: Path) -> None:
    zoo = open_zoo(trained)
    fast = [c for c in zoo.checkpoints if c.configuration["learning_rate"] == 1e-2]
    before = sum(c.metrics["test_accuracy"] for c in fast if c.epoch == 0)
    after = sum(c.metrics["test_accuracy"] for c in fast if c.epoch == 2)
    assert after > before + 0.4


def test_an_interrupted_training_resumes_to_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    calls = 0

    def interrupt(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:  # in the second chunk
            raise KeyboardInterrupt

    path = tmp_path / "zoo"
    with pytest.raises(KeyboardInterrupt):
        train_zoo(RECIPE, path, on_progress=interrupt)
    assert len(list((path / "chunks").iterdir())) == 1
    assert not (path / "manifest.json").exists()
    half = open_zoo(path)
    assert len(half.checkpoints) == 12
    assert half.weights(half.checkpoints[0])["module_list.1.weight"].shape == (4, 64)
    done = []
    resumed = train_zoo(RECIPE, path, resume=True, on_progress=lambda d, t: done.append((d, t)))
    assert resumed.epochs == 8
    assert done[-1] == (16, 16)
    assert contents(path) == contents(trained)


def test_damaged_chunks_are_trained_again(trained: Path, zoo_path: Path) -> None:
    (zoo_path / "manifest.json").unlink()
    chunk = zoo_path / "chunks" / "00001.safetensors"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    assert train_zoo(RECIPE, zoo_path, resume=True).epochs == 8
    assert contents(zoo_path) == contents(trained)


def test_chunks_do_not_change_the_weights(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphwsl.zoo.training.chunks.LARGEST_CHUNK", 3)
    train_zoo(RECIPE, tmp_path / "zoo")
    one, other = open_zoo(trained), open_zoo(tmp_path / "zoo")
    assert len(list((tmp_path / "zoo" / "chunks").iterdir())) == 4
    assert one.checkpoints == other.checkpoints
    for checkpoint in one.checkpoints:
        weights = other.weights(checkpoint)
        assert all(torch.equal(v, weights[name]) for name, v in one.weights(checkpoint).items())


def test_a_complete_zoo_is_left_alone(zoo_path: Path) -> None:
    before = contents(zoo_path)
    assert train_zoo(RECIPE, zoo_path, resume=True).epochs == 0
    assert contents(zoo_path) == before


@pytest.mark.parametrize(
    ("changes", "resume", "message"),
    [
        ({}, False, r"holds this zoo already \(complete\); resume it"),
        ({"epochs": 3}, True, "holds another zoo: epochs is 2 there and 3 here"),
        (
            {"data": {"name": "digits", "image_size": 9}},
            True,
            "another zoo: data: image_size is",
        ),
    ],
)
def test_other_zoos_are_not_overwritten(
    zoo_path: Path, changes: dict[str, Any], resume: bool, message: str
) -> None:
    before = contents(zoo_path)
    changed = Recipe.of({**RECIPE.model_dump(exclude_none=True), **changes})
    with pytest.raises(ZooError, match=message):
        train_zoo(changed, zoo_path, resume=resume)
    assert contents(zoo_path) == before


def test_foreign_folders_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("…", encoding="utf-8")
    with pytest.raises(ZooError, match="is no zoo: "):
        train_zoo(RECIPE, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_one_training_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "zoo"
    path.mkdir()
    with (
        exclusive_lock(path),
        pytest.raises(FolderInUseError, match="another run is writing there"),
    ):
        train_zoo(RECIPE, path)


def test_diverged_networks_are_listed_with_the_reason(tmp_path: Path) -> None:
    wild = Recipe.of(
        {
            **RECIPE.model_dump(exclude_none=True),
            "seeds": 1,
            "fixed": {"architecture": "mlp", "width": 4, "optimiser": "sgd", "activation": "relu"},
            "grid": {"learning_rate": [1e-2, 1e30]},
        }
    )
    zoo = train_zoo(wild, tmp_path / "zoo").zoo
    assert [(c.model, c.epoch) for c in zoo.checkpoints] == [
        ("00000", 0), ("00000", 1), ("00000", 2), ("00001", 0),
    ]  # fmt: skip
    assert [(p.path, p.reason) for p in zoo.problems] == [
        ("00001", "diverged: weights or losses are not finite at epoch 1")
    ]
    load_tensors(ZooFolder(tmp_path / "zoo").chunk_path(0), require_finite=True)


def test_verification_finds_every_kind_of_damage(zoo_path: Path) -> None:
    folder = ZooFolder(zoo_path)
    assert folder.problems() == []
    chunk = folder.chunk_path(0)
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    assert folder.problems() == ["chunks/00000.safetensors has changed: its SHA-256 differs"]
    chunk.unlink()
    assert folder.problems() == ["chunks/00000.safetensors is missing"]
    (zoo_path / "manifest.json").unlink()
    unfinished = "unfinished: continue it with --resume, by the command that began it"
    assert ZooFolder(zoo_path).problems() == [unfinished]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"model": "1"}', '{"model": "00000", "epoch": "x"}', "3"]
)
def test_a_damaged_index_is_an_error_of_one_line(zoo_path: Path, line: str) -> None:
    (zoo_path / "index.jsonl").write_text(line + "\n", encoding="utf-8")
    Manifest.of(zoo_path, (LOCK_NAME,)).write()
    with pytest.raises(CorruptFileError, match=r"index\.jsonl"):
        open_zoo(zoo_path)


def test_an_index_that_points_nowhere_is_an_error(zoo_path: Path) -> None:
    index = zoo_path / "index.jsonl"
    row = json.loads(index.read_text(encoding="utf-8").splitlines()[0])
    index.write_text(json.dumps({**row, "place": [99, 0]}) + "\n", encoding="utf-8")
    Manifest.of(zoo_path, (LOCK_NAME,)).write()
    zoo = open_zoo(zoo_path)
    with pytest.raises(CorruptFileError, match="does not hold what the index says"):
        zoo.weights(zoo.checkpoints[0])


def test_checkpoints_of_another_zoo_have_no_weights_here(trained: Path) -> None:
    zoo = open_zoo(trained)
    stranger = type(zoo.checkpoints[0])("00099", 0, {}, {})
    with pytest.raises(ZooError, match="has no epoch 0 of model '00099'"):
        zoo.weights(stranger)


def test_what_is_no_zoo_is_said(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="is no folder"):
        open_zoo(tmp_path / "none")
    with pytest.raises(ZooError, match="is no zoo of a known layout"):
        open_zoo(tmp_path)
    with pytest.raises(InvalidArgumentError, match="workers must be at least 1, got 0"):
        train_zoo(RECIPE, tmp_path / "zoo", workers=0)


SCRIPT = """
import sys
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.training.chunks import plan
from graphwsl.zoo.training.train import images_of, train_zoo

if __name__ == "__main__":
    recipe = Recipe.model_validate_json(sys.argv[1])
    train_zoo(recipe, sys.argv[2], workers=2, resume=True)
"""


@pytest.mark.slow
def test_workers_kills_and_interrupts_change_nothing(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"seeds": 40, "epochs": 4, "batch_size": 32})
    script, path = tmp_path / "train.py", tmp_path / "zoo"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(script), recipe.model_dump_json(exclude_none=True), str(path)]
    chunks = 10
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
        there = len(list(path.glob("chunks/[0-9]*")))
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        while len(list(path.glob("chunks/[0-9]*"))) == there:
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, number)
        assert process.wait(30) != 0
        assert there < len(list(path.glob("chunks/[0-9]*"))) < chunks
        assert not (path / "manifest.json").exists()
    subprocess.run(command, check=True, timeout=200)
    train_zoo(recipe, tmp_path / "undisturbed")
    assert contents(path) == contents(tmp_path / "undisturbed")
