"""Numbers that are added to a zoo are there when it is opened again, and are targets."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gnncore.storage import StorageError
from graphwsl.errors import PredictorError, ZooError
from graphwsl.populations import Target, metrics
from graphwsl.zoo import open_zoo, train_zoo
from graphwsl.zoo.layouts.native import ZooFolder
from graphwsl.zoo.recipe import Recipe
from tests.graphwsl.properties.property_cases import MLP, MemoryZoo
from tests.graphwsl.zoo.layouts.published_layouts import (
    configuration,
    small,
    small_cnn_row,
    write_small_cnn_zoo,
    write_trial,
)

RECIPE = Recipe.of(
    {
        "data": {"name": "digits"},
        "epochs": 1,
        "batch_size": 512,
        "seeds": 2,
        "fixed": {"architecture": "mlp", "width": 3, "depth": 1},
    }
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoos") / "small"
    train_zoo(RECIPE, path)
    return path


def published(layout: str, path: Path) -> None:
    if layout == "Ray Tune":
        write_trial(path / "NN", configuration(), {e: small(1, "tanh", 0.0).state_dict()
                                                   for e in (0, 1)})  # fmt: skip
    else:
        rows = [small_cnn_row(f"m{n}", n) for n in range(2)]
        write_small_cnn_zoo(path, np.zeros((2, 4970), np.float32), rows)


@pytest.mark.parametrize("layout", ["graphwsl", "Ray Tune", "Small CNN Zoo"])
def test_added_numbers_are_targets(layout: str, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "zoo"
    if layout == "graphwsl":
        shutil.copytree(trained, path)
    else:
        published(layout, path)
    zoo: Any = open_zoo(path)
    count = len(zoo.checkpoints)
    values = [0.5 + n for n in range(count)]
    metrics.add(zoo, "sharpness", values)
    for found in (zoo, open_zoo(path)):
        target = Target.of("sharpness", found.checkpoints)
        assert target.values(found.checkpoints).tolist() == values
        assert list(found.problems) == []
    assert open_zoo(path).checkpoints == zoo.checkpoints
    # One more number, of one checkpoint alone, which replaces the former one.
    metrics.add(zoo, "sharpness", torch.tensor([9.0]), zoo.checkpoints[1:2])
    again = [c["sharpness"] for c in open_zoo(path).checkpoints]
    assert again == [values[0], 9.0, *values[2:]]
    metrics.add(zoo, "rank", [3.0], zoo.checkpoints[:1])
    with pytest.raises(PredictorError, match="has no 'rank'"):
        Target.of("rank", open_zoo(path).checkpoints)


def test_a_zoo_with_added_numbers_is_as_it_should_be(trained: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(trained, tmp_path / "zoo"))
    manifest = (path / "manifest.json").read_bytes()
    zoo: Any = open_zoo(path)
    metrics.add(zoo, "sharpness", list(range(len(zoo.checkpoints))))
    assert ZooFolder(path).problems() == []
    assert train_zoo(RECIPE, path, resume=True).repaired == []
    assert (path / "manifest.json").read_bytes() == manifest
    assert open_zoo(path).checkpoints == zoo.checkpoints
    file = path / "metrics" / "sharpness.safetensors"
    shutil.copy(file, file.with_name("other.safetensors"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    damaged: Any = open_zoo(path)
    assert [p.path for p in damaged.problems] == [
        "metrics/other.safetensors",
        "metrics/sharpness.safetensors",
    ]
    assert not {"other", "sharpness"} & damaged.checkpoints[0].metrics.keys()
    assert len(ZooFolder(path).problems()) == 2
    with pytest.raises(StorageError, match="sharpness"):
        metrics.add(damaged, "sharpness", [1.0], damaged.checkpoints[:1])


def test_numbers_of_another_zoo_are_not_taken(trained: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(trained, tmp_path / "zoo"))
    zoo: Any = open_zoo(path)
    metrics.add(zoo, "sharpness", list(range(len(zoo.checkpoints))))
    other = tmp_path / "other"
    train_zoo(RECIPE.model_copy(update={"batch_size": 256}), other)
    shutil.copytree(path / "metrics", other / "metrics")
    (problem,) = open_zoo(other).problems
    assert "its zoo is" in problem.reason


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("test_accuracy", [1.0] * 4, "has a 'test_accuracy' of its own"),
        ("epoch", [1.0] * 4, "has a 'epoch' of its own"),
        ("seed", [1.0] * 4, "has a 'seed' of its own"),
        ("../x", [1.0] * 4, r"letters, digits and underscores, got '../x'"),
        ("sharpness", [1.0] * 3, "needs a number a checkpoint: 4, got"),
        ("sharpness", [1.0, 2.0, float("nan"), 4.0], "epoch 0 of model '00001' is nan"),
    ],
)
def test_what_cannot_be_added_is_said(
    name: str, values: list[float], message: str, trained: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(trained, tmp_path / "zoo"))
    zoo: Any = open_zoo(path)
    with pytest.raises(ZooError, match=message):
        metrics.add(zoo, name, values)
    assert not (path / "metrics").exists()


def test_only_zoos_in_folders_keep_numbers(trained: Path) -> None:
    with pytest.raises(ZooError, match="MemoryZoo is in no folder"):
        metrics.add(MemoryZoo([MLP], 1), "sharpness", [1.0, 2.0])  # type: ignore[arg-type]
    zoo: Any = open_zoo(trained)
    stranger = MemoryZoo([MLP], 1).checkpoints
    with pytest.raises(ZooError, match="the zoo has no epoch 0 of model '000'"):
        metrics.add(zoo, "sharpness", [1.0, 2.0], stranger)
    with pytest.raises(ZooError, match="twice for a checkpoint"):
        metrics.add(zoo, "sharpness", [1.0, 2.0], [zoo.checkpoints[0]] * 2)
