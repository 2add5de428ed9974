"""Which files of a revision are weights, and that they are read as they were looked at."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from graphwsl.errors import ImportedModelError
from graphwsl.imports.hub_files import RevisionFiles, WeightsFile, entries_of, read_weights

A, B = {"a": torch.arange(6.0).view(2, 3)}, {"b": torch.tensor(1.5), "c": torch.zeros(0, 4)}
INDEX = "model.safetensors.index.json"


def revision(folder: Path, **files: bytes) -> RevisionFiles:
    """Files by name, a double underscore for each dot."""
    named = {name.replace("__", "."): data for name, data in files.items()}
    for name, data in named.items():
        (folder / name).write_bytes(data)
    return RevisionFiles({name: folder / name for name in named})


def index(**parts: str) -> bytes:
    return json.dumps({"weight_map": parts}).encode()


def test_weights_are_described_as_they_are(tmp_path: Path) -> None:
    data = save(A | B, {"format": "pt"})
    (found,) = revision(tmp_path, model__safetensors=data).weights()
    assert found.shapes == {"a": (2, 3), "b": (), "c": (0, 4)}
    assert (found.num_bytes, found.digest) == (len(data), hashlib.sha256(data).hexdigest())
    assert entries_of([found]) == sum(one.numel() for one in (A | B).values()) == 7
    state = read_weights([found])
    assert state.keys() == (A | B).keys()
    assert all(torch.equal(state[name], one) for name, one in (A | B).items())
    assert entries_of([]) == 0
    assert read_weights([]) == {}


def test_the_single_file_comes_before_parts_and_parts_before_others(tmp_path: Path) -> None:
    found = revision(tmp_path, x__safetensors=save(A), y__safetensors=save(B),
                     z__safetensors=save(A))  # fmt: skip
    with pytest.raises(ImportedModelError, match=r"is not said: 'x\.safetensors', 'y\.safet"):
        found.weights()
    parts = index(a="x.safetensors", b="y.safetensors", c="y.safetensors").decode()
    (tmp_path / INDEX).write_text(parts)
    found = RevisionFiles({**found.paths, INDEX: tmp_path / INDEX})
    assert [one.path.name for one in found.weights()] == ["x.safetensors", "y.safetensors"]
    assert read_weights(found.weights()).keys() == {"a", "b", "c"}
    (tmp_path / "model.safetensors").write_bytes(save(B))
    found = RevisionFiles({**found.paths, "model.safetensors": tmp_path / "model.safetensors"})
    assert [one.path.name for one in found.weights()] == ["model.safetensors"]


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b'{"weight_map": {}}', b'{"weight_map": ["a"]}', b"{", b""]
)
def test_an_index_names_its_parts(tmp_path: Path, data: bytes) -> None:
    (tmp_path / INDEX).write_bytes(data)
    with pytest.raises(ImportedModelError, match=r"model\.safetensors\.index\.json") as refused:
        RevisionFiles({INDEX: tmp_path / INDEX}).weights()
    assert "\n" not in str(refused.value)


def test_a_tensor_is_in_one_part_alone(tmp_path: Path) -> None:
    found = revision(tmp_path, x__safetensors=save(A), y__safetensors=save(A | B))
    (tmp_path / INDEX).write_bytes(index(a="x.safetensors", b="y.safetensors"))
    with pytest.raises(ImportedModelError, match="tensor 'a' is in two files"):
        RevisionFiles({**found.paths, INDEX: tmp_path / INDEX}).weights()


def test_pickles_are_named_and_not_read(tmp_path: Path) -> None:
    found = revision(tmp_path, b__bin=b"never read", a__pt=b"nor this")
    with pytest.raises(ImportedModelError, match=r"pickles \(a\.pt\)"):
        found.weights()
    with pytest.raises(ImportedModelError, match="no weights in safetensors"):
        RevisionFiles({}).weights()


@pytest.mark.parametrize("length", range(0, 80, 7))
def test_files_that_are_cut_short_are_refused(tmp_path: Path, length: int) -> None:
    data = save(A)[: -1 - length]
    with pytest.raises(ImportedModelError, match=r"'model\.safetensors'") as refused:
        revision(tmp_path, model__safetensors=data).weights()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"__metadata__": {"format": "pt"}},
        {"a": 3},
        {"a": {"shape": [1]}},
        {"a": {"shape": None, "data_offsets": [0, 0]}},
        {"a": {"shape": ["x"], "data_offsets": [0, 0]}},
        {"a": {"shape": [1], "data_offsets": [0]}},
        {"a": {"shape": [1], "data_offsets": [0, 4]}},
        [],
    ],
)
def test_headers_that_describe_no_tensors_are_refused(tmp_path: Path, header: object) -> None:
    text = json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text
    with pytest.raises(ImportedModelError, match=r"'model\.safetensors'"):
        revision(tmp_path, model__safetensors=data).weights()


def test_a_file_called_by_its_hash_must_have_it(tmp_path: Path) -> None:
    data = save(A)
    digest = hashlib.sha256(data).hexdigest()
    wrong = digest[::-1]
    for name in (digest, wrong):
        (tmp_path / name).write_bytes(data)
    right = RevisionFiles({"model.safetensors": tmp_path / digest})
    assert [one.digest for one in right.weights()] == [digest]
    with pytest.raises(ImportedModelError, match="contents are not those of its name"):
        RevisionFiles({"model.safetensors": tmp_path / wrong}).weights()


def test_limits_count_all_files_together(tmp_path: Path) -> None:
    files: list[WeightsFile] = []
    for name, tensors in (("x", A), ("y", B)):
        folder = tmp_path / name
        folder.mkdir()
        files += revision(folder, model__safetensors=save(tensors)).weights()
    total = math.fsum(one.num_bytes for one in files)
    assert read_weights(files, max_bytes=int(total)).keys() == {"a", "b", "c"}
    with pytest.raises(ImportedModelError, match=f"at most {int(total) - 1} are allowed"):
        read_weights(files, max_bytes=int(total) - 1)
    other = replace(files[0], digest=files[1].digest)
    with pytest.raises(ImportedModelError, match="is another file than it was"):
        read_weights([other])


def test_configurations_are_mappings_or_none(tmp_path: Path) -> None:
    assert RevisionFiles({}).config() is None
    assert RevisionFiles({}).licence() is None
    assert revision(tmp_path, config__json=b'{"a": [1]}').config() == {"a": [1]}
    for data in (b"[1]", b"3", b"{", b'"text"'):
        with pytest.raises(ImportedModelError, match=r"config\.json"):
            revision(tmp_path, config__json=data).config()
