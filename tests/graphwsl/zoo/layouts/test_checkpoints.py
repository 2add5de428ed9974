"""One checkpoint of a zoo: read without the others, and checked all the same."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gnncore.storage import LOCK_NAME, CorruptFileError, Manifest, load_tensors
from graphwsl.zoo import open_zoo
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.layouts.native import ZooFolder
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.training.chunks import plan
from graphwsl.zoo.training.train import images_of, train_zoo

RECIPE = Recipe.of(
    {
        "data": {"name": "digits"},
        "epochs": 2,
        "batch_size": 700,
        "seeds": 3,
        "fixed": {"architecture": "mlp", "width": 4, "depth": 1},
    }
)
NAMES = [f"module_list.{index}.{kind}" for index in (1, 4) for kind in ("weight", "bias")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoos") / "small"
    train_zoo(RECIPE, path)
    return path


@pytest.fixture
def path(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def chunk_of(path: Path) -> Path:
    (chunk,) = (path / "chunks").iterdir()
    return chunk


def stored(path: Path, checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """Its weights by safetensors alone: there are three networks with all their epochs."""
    assert checkpoint.epoch is not None
    tensors = load_tensors(chunk_of(path))
    return {
        name: torch.from_numpy(values[int(checkpoint.model), checkpoint.epoch])
        for name, values in tensors.items()
    }


def assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert torch.equal(found[name], values)


def keep_only(path: Path, checkpoint: Checkpoint) -> None:
    """Overwrite all numbers of a chunk but those of one checkpoint."""
    chunk = chunk_of(path)
    data = bytearray(chunk.read_bytes())
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    header.pop("__metadata__")
    lost = bytearray(len(data) - begin)
    for entry in header.values():
        first, end = entry["data_offsets"]
        networks, epochs = entry["shape"][:2]
        length = (end - first) // (networks * epochs)
        assert checkpoint.epoch is not None
        start = first + (int(checkpoint.model) * epochs + checkpoint.epoch) * length
        lost[start : start + length] = data[begin + start : begin + start + length]
    chunk.write_bytes(data[:begin] + lost)


def change_index(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change every row of the index, and vouch for what comes out."""
    index = path / "index.jsonl"
    rows = [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        change(row)
    index.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    Manifest.of(path, (LOCK_NAME,)).write()


def without_checksums(path: Path) -> None:
    """Make a zoo one of former versions, whose checkpoints had no checksums of their own."""
    change_index(path, lambda row: row.pop("sha256"))


@pytest.mark.parametrize("number", [0, 4, 8])
def test_a_checkpoint_needs_nothing_of_the_others(trained: Path, path: Path, number: int) -> None:
    chosen = open_zoo(trained).checkpoints[number]
    keep_only(path, chosen)
    zoo = open_zoo(path)
    for checkpoint in zoo.checkpoints:
        if checkpoint == chosen:
            assert_equal(zoo.weights(checkpoint), stored(trained, chosen))
        else:
            with pytest.raises(CorruptFileError, match=r"00000\.safetensors.*SHA-256 differs"):
                zoo.weights(checkpoint)


def test_what_is_whole_of_a_damaged_chunk_remains(trained: Path, path: Path) -> None:
    chosen = open_zoo(trained).checkpoints[4]
    keep_only(path, chosen)
    zoo: Any = open_zoo(path)
    rows, usable = zoo.array()
    assert usable == [chosen]
    assert len(zoo.problems) == 8
    expected = stored(trained, chosen)
    assert torch.equal(rows[0], torch.cat([expected[name].reshape(-1) for name in NAMES]))
    zoo = open_zoo(path)
    (problem,) = zoo.verify()
    assert problem.path == "chunks/00000.safetensors"
    assert zoo.checkpoints == [chosen]


def test_the_file_is_not_read_as_a_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {(c.model, c.epoch): stored(path, c) for c in open_zoo(path).checkpoints}
    zoo = open_zoo(path)
    for name in ("require", "read_bytes"):
        monkeypatch.setattr(Manifest, name, lambda *_: pytest.fail("it is read as a whole"))
    for checkpoint in reversed(zoo.checkpoints):
        assert_equal(zoo.weights(checkpoint), expected[checkpoint.model, checkpoint.epoch])


def test_numbers_in_memory_are_compared_with_their_checksums(trained: Path, path: Path) -> None:
    """What is read ahead is known by its checkpoint, not by the file that it came from."""
    zoo = open_zoo(path)
    first, *others = zoo.checkpoints
    for checkpoint in (first, others[0]):
        zoo.weights(checkpoint)
    change_index(path, lambda row: row.update(sha256="0" * 64))
    for checkpoint in others:
        assert_equal(zoo.weights(checkpoint), stored(trained, checkpoint))
    zoo = open_zoo(path)
    for checkpoint in (first, *others):
        with pytest.raises(CorruptFileError, match="SHA-256 differs"):
            zoo.weights(checkpoint)


def test_zoos_of_former_versions_are_checked_as_a_whole_once(
    trained: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_checksums(path)
    zoo = open_zoo(path)
    looks: list[str] = []
    require = Manifest.require

    def noted(self: Manifest, *names: str) -> None:
        looks.extend(names)
        require(self, *names)

    monkeypatch.setattr(Manifest, "require", noted)
    for checkpoint in zoo.checkpoints:
        assert_equal(zoo.weights(checkpoint), stored(trained, checkpoint))
    assert looks == ["chunks/00000.safetensors"]
    keep_only(path, zoo.checkpoints[4])
    for again in (zoo, open_zoo(path)):
        for checkpoint in again.checkpoints:
            with pytest.raises(CorruptFileError, match="its SHA-256 differs"):
                again.weights(checkpoint)
    assert ZooFolder(path).problems() != []
    (problem,) = zoo.verify()
    assert problem.path == "chunks/00000.safetensors"
    assert zoo.checkpoints == []


def test_an_unfinished_zoo_is_checked_by_its_seal(path: Path) -> None:
    (path / "manifest.json").unlink()
    zoo = open_zoo(path)
    for checkpoint in zoo.checkpoints:
        assert_equal(zoo.weights(checkpoint), stored(path, checkpoint))
    chunk = chunk_of(path)
    rate = b'learning_rate\\": 0.001'
    assert chunk.read_bytes().count(rate) == 9
    chunk.write_bytes(chunk.read_bytes().replace(rate, b'learning_rate\\": 0.002'))
    for again in (zoo, open_zoo(path)):
        with pytest.raises(CorruptFileError, match="its rows is"):
            again.weights(again.checkpoints[0])


@pytest.mark.parametrize("checksums", [True, False])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row["configuration"].update(width=5), "has another shape"),
        (
            lambda row: row["configuration"].update(architecture="vit", patch_size=4),
            "'class_token' is missing",
        ),
        (lambda row: row.update(place=[3, 0]), "no epoch 0 of network 3"),
        (lambda row: row.update(place=[0, 3]), "no epoch 3 of network 0"),
    ],
)
def test_verification_compares_networks_with_their_architecture(
    path: Path, change: Callable[[dict[str, Any]], object], said: str, checksums: bool
) -> None:
    def change_one(row: dict[str, Any]) -> None:
        if (row["model"], row["epoch"]) == ("00001", 1):
            change(row)

    if not checksums:
        without_checksums(path)
    change_index(path, change_one)
    zoo = open_zoo(path)
    (one,) = (c for c in zoo.checkpoints if (c.model, c.epoch) == ("00001", 1))
    with pytest.raises(CorruptFileError, match=f"does not hold what the index says.*{said}"):
        zoo.weights(one)
    (problem,) = zoo.verify()
    assert (problem.path, said in problem.reason) == ("epoch 1 of model '00001'", True)
    assert len(zoo.checkpoints) == 8
    assert one not in zoo.checkpoints


def test_verification_names_architectures_that_nobody_knows(path: Path) -> None:
    change_index(path, lambda row: row["configuration"].update(architecture="forgotten"))
    zoo = open_zoo(path)
    assert all("unknown architecture 'forgotten'" in problem.reason for problem in zoo.verify())
    assert len(zoo.problems) == 9
    assert zoo.checkpoints == []


@pytest.mark.parametrize("digest", [3, ["a"], True])
def test_a_checksum_that_is_none_is_an_error_of_one_line(path: Path, digest: object) -> None:
    change_index(path, lambda row: row.update(sha256=digest))
    with pytest.raises(CorruptFileError, match="sha256 is a"):
        open_zoo(path)


@pytest.mark.parametrize(("width", "together"), [(900, 3), (1100, 1)])
def test_networks_of_more_than_4_mib_have_a_file_each(width: int, together: int) -> None:
    fixed = {"architecture": "mlp", "width": width, "depth": 2}
    parameters = (64 + 1) * width + (width + 1) * width + (width + 1) * 10
    assert (4 * parameters > 4 * 2**20) == (together == 1)
    recipe = Recipe.of({**RECIPE.model_dump(exclude_none=True), "fixed": fixed})
    assert {len(part) for part in plan(recipe, images_of(recipe))} == {together}
