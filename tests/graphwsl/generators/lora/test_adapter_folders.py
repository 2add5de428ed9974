"""Folders of adapters: whatever is lost, swapped or damaged in them is refused in one line."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from gnncore.storage import StorageError, read_json, write_json
from graphwsl.cli import app
from graphwsl.errors import GraphwslError
from graphwsl.generators.lora import adapted, load_adapters, save_adapters
from graphwsl.populations.population import Population
from tests.graphwsl.generators.lora.lora_cases import base, population

WEIGHTS = "adapter_model.safetensors"


def written(folder: Path) -> Path:
    save_adapters(folder, population(6))
    return folder


def loaded(folder: Path) -> Population:
    return load_adapters(folder, adapted(base(), rank=2, alpha=4), torch.zeros(2, 5))


def verified(folder: Path, code: int) -> str:
    result = CliRunner().invoke(app, ["verify", str(folder)], env={"COLUMNS": "200"})
    assert result.exit_code == code
    return result.output


def copied(folder: Path) -> None:
    shutil.rmtree(folder / "00000")
    shutil.copytree(folder / "00005", folder / "00000")


def flipped(folder: Path) -> None:
    data = bytearray((folder / "00003" / WEIGHTS).read_bytes())
    data[-5] ^= 1
    (folder / "00003" / WEIGHTS).write_bytes(data)


def exchanged(folder: Path) -> None:
    index = read_json(folder / "adapters.json")
    first, second = index["adapters"][:2]
    first["folder"], second["folder"] = second["folder"], first["folder"]
    write_json(folder / "adapters.json", index)


def twice(folder: Path) -> None:
    index = read_json(folder / "adapters.json")
    index["adapters"].append(index["adapters"][0])
    write_json(folder / "adapters.json", index)


def emptied(folder: Path) -> None:
    index = read_json(folder / "adapters.json")
    write_json(folder / "adapters.json", {**index, "adapters": []})


def lost(folder: Path) -> None:
    (folder / "00002" / "adapter_config.json").unlink()


DAMAGES = [copied, flipped, exchanged, twice, emptied, lost]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_refused_and_listed(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = written(tmp_path / "zoo")
    assert "all files are as they should be" in verified(folder, 0)
    damage(folder)
    with pytest.raises(StorageError) as caught:
        loaded(folder)
    assert "\n" not in str(caught.value)
    assert verified(folder, 1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (twice, "names adapter '00000' twice"),
        (emptied, "names no adapters"),
        (lost, "00002"),
    ],
)
def test_folders_of_former_versions_are_read_and_checked_as_far_as_they_can(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = written(tmp_path / "zoo")
    (folder / "manifest.json").unlink()
    assert len(loaded(folder)) == 6
    verified(folder, 0)
    damage(folder)
    with pytest.raises((GraphwslError, StorageError), match=message):
        loaded(folder)
    assert message in verified(folder, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"configuration": None}, "not described as save_adapters does"),
        ({"configuration": [1]}, "not described as save_adapters does"),
        ({"configuration": {"prompts": [1]}}, "prompts is a list"),
        ({"epoch": "x"}, "a count is 'x'"),
        ({"metrics": "x"}, "not described as save_adapters does"),
        ({"metrics": {"test_accuracy": "x"}}, "test_accuracy is a str"),
        ({"folder": ".."}, "its folder is '..'"),
        ({"folder": ""}, "its folder is ''"),
        ({"folder": 3}, "its folder is 3"),
    ],
)
def test_an_index_of_other_types_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    folder = written(tmp_path / "zoo")
    (folder / "manifest.json").unlink()
    index = read_json(folder / "adapters.json")
    index["adapters"][1].update(changes)
    write_json(folder / "adapters.json", index)
    with pytest.raises(GraphwslError, match=message) as caught:
        loaded(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("index", [[], {"base": 1}, {"base": "x", "adapters": {}}, "x", None])
def test_what_is_no_index_is_refused(tmp_path: Path, index: Any) -> None:
    folder = written(tmp_path / "zoo")
    (folder / "manifest.json").unlink()
    write_json(folder / "adapters.json", index)
    with pytest.raises(GraphwslError, match="give what save_adapters wrote"):
        loaded(folder)


@pytest.mark.parametrize("value", [float("nan"), "high"])
def test_what_could_not_be_read_again_is_not_written(tmp_path: Path, value: Any) -> None:
    made = population(2)
    known = [replace(one, metrics={"loss": value}) for one in made.checkpoints]
    with pytest.raises(GraphwslError, match="cannot be written"):
        save_adapters(tmp_path / "zoo", replace(made, checkpoints=known))
    assert not (tmp_path / "zoo").exists()
