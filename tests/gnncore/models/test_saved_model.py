"""Models on disk: an exact round trip, and one line for whatever else lies there."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin

from gnncore.errors import SavedModelError
from gnncore.models import GraphModel, ModelSpecification
from gnncore.storage import StorageError, load_tensors, save_tensors
from gnncore.testing import random_graph

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def model(seed: int = 0, **changes: Any) -> GraphModel:
    torch.manual_seed(seed)
    values = {
        "in_channels": 4,
        "layer": "tag",
        "hidden_channels": 8,
        "num_layers": 2,
        "normalisation": "batch_norm",
    }
    return GraphModel(ModelSpecification(**{**values, **changes}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def refusal(folder: str | Path, **options: Any) -> str:
    with pytest.raises(SavedModelError) as caught:
        GraphModel.from_pretrained(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_the_round_trip_is_exact(tmp_path: Path, dtype: torch.dtype) -> None:
    saved = model(layer_options={"K": 2}, head={"hidden": [5]}, output="sigmoid").to(dtype)
    saved(random_graph(9, 4, dtype=torch.float32).x.to(dtype), random_graph(9, 4).edge_index)
    saved.save_pretrained(tmp_path)
    loaded = GraphModel.from_pretrained(tmp_path)
    assert loaded.specification == saved.specification
    assert not loaded.training
    assert loaded.state_dict().keys() == saved.state_dict().keys()
    for name, tensor in saved.state_dict().items():
        other = loaded.state_dict()[name]
        assert (other.dtype, other.shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(other, tensor)
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_equal_models_have_equal_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        model().save_pretrained(tmp_path / name)
    for file in (WEIGHTS, CONFIG):
        first, second = ((tmp_path / name / file).read_bytes() for name in ("first", "second"))
        assert first == second


def test_it_is_a_model_of_the_hub(folder: Path) -> None:
    assert issubclass(GraphModel, PyTorchModelHubMixin)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", CONFIG, WEIGHTS]
    assert "library_name: graphwsl-gridstab" in (folder / "README.md").read_text(encoding="utf-8")


def test_uploading_sends_the_same_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, bytes] = {}

    class Hub:
        def __init__(self, token: str | None = None) -> None:
            assert token == "secret"

        def create_repo(self, repo_id: str, **_: Any) -> SimpleNamespace:
            return SimpleNamespace(repo_id=repo_id)

        def upload_folder(self, repo_id: str, folder_path: Path, **_: Any) -> str:
            sent.update({path.name: path.read_bytes() for path in Path(folder_path).iterdir()})
            return f"commit of {repo_id}"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Hub)
    options: dict[str, Any] = {"push_to_hub": True, "token": "secret"}
    commit = model().save_pretrained(tmp_path / "other", repo_id="someone/grids", **options)
    assert commit == "commit of someone/grids"
    assert sent == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_card_that_someone_wrote_stays(folder: Path) -> None:
    (folder / "README.md").write_text("mine", encoding="utf-8")
    model(seed=1).save_pretrained(folder)
    assert (folder / "README.md").read_text(encoding="utf-8") == "mine"


def test_models_are_found_in_the_cache_of_the_hub(folder: Path, tmp_path: Path) -> None:
    repository = tmp_path / "cache" / "models--someone--grids"
    shutil.copytree(folder, repository / "snapshots" / ("0" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40, encoding="utf-8")
    options = {"cache_dir": tmp_path / "cache", "local_files_only": True}
    loaded = GraphModel.from_pretrained("someone/grids", **options)
    assert torch.equal(loaded.head[1].weight, model().head[1].weight)
    message = refusal("someone/else", **options)
    assert message.startswith("'someone/else' is neither a folder nor a model on the Hugging Face")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing").startswith(f"{str(tmp_path / 'nothing')!r} is no folder")


def test_pickles_are_refused(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")
    message = refusal(folder)
    assert "pytorch_model.bin but no model.safetensors" in message
    assert "safetensors" in message


@pytest.mark.parametrize("file", [WEIGHTS, CONFIG])
def test_missing_files_are_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    assert file in refusal(folder)


@pytest.mark.parametrize("file", [WEIGHTS, CONFIG])
@pytest.mark.parametrize("length", [0, 1, 8, 40, -1])
def test_truncated_files_are_refused(folder: Path, file: str, length: int) -> None:
    data = (folder / file).read_bytes()
    # The last byte of the configuration is its line end.
    (folder / file).write_bytes(data[: length - (file == CONFIG and length < 0)])
    assert file in refusal(folder)


def rewrite(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Damage to the weights that leaves the file whole; without the specification in it."""

    def damage(folder: Path) -> None:
        arrays = load_tensors(folder / WEIGHTS)
        change(arrays)
        save_tensors(folder / WEIGHTS, arrays)

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (rewrite(lambda a: a.pop("head.1.bias")), ["lacks 'head.1.bias'"]),
        (rewrite(lambda a: a.update(more=a["head.1.bias"])), ["has 'more' as well"]),
        (
            rewrite(lambda a: a.update({"head.1.weight": a["head.1.weight"].T})),
            ["'head.1.weight' must be real of shape [1, 8], but is real of shape [8, 1]"],
        ),
        (
            rewrite(lambda a: a.update({"head.1.bias": a["head.1.bias"].astype("int64")})),
            ["'head.1.bias' must be real of shape [1], but is int64 of shape [1]"],
        ),
        (rewrite(lambda a: a["head.1.bias"].fill(float("nan"))), ["'head.1.bias' is not finite"]),
    ],
    ids=["lacking", "more", "shape", "kind", "nan"],
)
def test_weights_of_another_model_are_refused(
    folder: Path, damage: Callable[[Path], None], words: list[str]
) -> None:
    damage(folder)
    message = refusal(folder)
    assert [word for word in (*words, WEIGHTS) if word not in message] == []


def test_weights_without_a_specification_are_read(folder: Path) -> None:
    rewrite(lambda arrays: None)(folder)
    loaded = GraphModel.from_pretrained(folder)
    assert torch.equal(loaded.head[1].weight, model().head[1].weight)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"activation": "gelu"}, ["activation is 'gelu'", "'relu'"]),
        ({"layer": "sg"}, ["layer is 'sg'", "'tag'"]),
    ],
)
def test_files_of_two_models_are_not_mixed(
    folder: Path, tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    model(**changes).save_pretrained(tmp_path / "other")
    shutil.copy(tmp_path / "other" / CONFIG, folder / CONFIG)
    message = refusal(folder)
    assert [word for word in ("mixes two models", *words) if word not in message] == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], ["no 'specification'"]),
        ({"model_type": "bert"}, ["no 'specification'"]),
        ({"specification": {"layer": "tag"}}, ["specifies no model", "in_channels is missing"]),
        ({"specification": {"depth": 3}}, ["specifies no model", "unknown key 'depth'"]),
    ],
)
def test_foreign_configurations_are_refused(folder: Path, values: Any, words: list[str]) -> None:
    (folder / CONFIG).write_text(json.dumps(values), encoding="utf-8")
    message = refusal(folder)
    assert [word for word in (*words, CONFIG) if word not in message] == []


def test_layers_that_are_not_registered_are_named(folder: Path) -> None:
    for file in (CONFIG, WEIGHTS):
        data = (folder / file).read_bytes()
        (folder / file).write_bytes(data.replace(b'"tag"', b'"gat"').replace(b'\\"tag', b'\\"gat'))
    assert "unknown layer 'gat'" in refusal(folder)


def test_numbers_that_numpy_lacks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SavedModelError, match=r"BFloat16.*call model.float\(\) first"):
        model().bfloat16().save_pretrained(tmp_path)


def test_a_failed_write_leaves_the_old_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        model(seed=1).save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
