"""safetensors: any array there and back, the same bytes each time."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gnncore import storage

TENSORS = {
    "layers.0.weight": np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "strided": np.arange(20)[::3],
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 4), np.int16),
    "mask": np.array([True, False]),
    "half": np.array([0.1], np.float16),
    "nan": np.array([np.nan, np.inf]),
}
METADATA = {letter: letter * 2 for letter in "hgfedcbaθ"}


def test_arrays_and_metadata_come_back_bitwise(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    storage.save_tensors(path, TENSORS, METADATA)
    loaded = storage.load_tensors(path)
    assert loaded.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()
    assert storage.load_metadata(path) == METADATA


def test_the_library_itself_reads_the_file(tmp_path: Path) -> None:
    from safetensors import safe_open

    storage.save_tensors(tmp_path / "a", TENSORS, METADATA)
    with safe_open(tmp_path / "a", "numpy") as file:
        assert file.metadata() == METADATA
        assert sorted(file.keys()) == sorted(TENSORS)
        assert np.array_equal(file.get_tensor("strided"), TENSORS["strided"])


def test_equal_content_gives_equal_bytes_in_every_process(tmp_path: Path) -> None:
    storage.save_tensors(tmp_path / "a", {"x": np.ones(3), "y": np.ones(2)}, METADATA)
    code = f"""
import hashlib, numpy as np
from gnncore import storage
metadata = dict(sorted({METADATA!r}.items()))
storage.save_tensors({str(tmp_path / "b")!r}, {{"y": np.ones(2), "x": np.ones(3)}}, metadata)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_metadata_is_empty_metadata(tmp_path: Path) -> None:
    storage.save_tensors(tmp_path / "a", {"x": np.ones(3)})
    assert storage.load_metadata(tmp_path / "a") == {}
    assert storage.load_tensors(tmp_path / "a")["x"].tolist() == [1, 1, 1]


def test_finite_numbers_can_be_required(tmp_path: Path) -> None:
    storage.save_tensors(tmp_path / "a", {"good": np.ones(2), "bad": np.array([1, np.nan])})
    with pytest.raises(storage.CorruptFileError, match="'bad' is not finite"):
        storage.load_tensors(tmp_path / "a", require_finite=True)


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.array([1j])])
def test_other_arrays_are_refused_before_the_file_is_touched(
    array: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="safetensors cannot hold"):
        storage.save_tensors(tmp_path / "a", {"x": array})
    assert not list(tmp_path.iterdir())


def packed(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: str, shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "data",
    {
        "empty": b"",
        "huge header": b"\xff" * 16,
        "large header": (2**40).to_bytes(8, "little") + b"{}",
        "header beyond the file": (100).to_bytes(8, "little") + b"{}",
        "list": packed([]),
        "deep": packed(b"[" * 100_000),
        "no offsets": packed({"a": {"dtype": "F32", "shape": [1]}}),
        "overlap": packed({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 0, 4)}, bytes(4)),
        "hole": packed({"a": entry("F32", [1], 4, 8)}, bytes(8)),
        "uncovered": packed({"a": entry("F32", [1], 0, 4)}, bytes(8)),
        "short": packed({"a": entry("F32", [2], 0, 8)}, bytes(4)),
        "overflow": packed({"a": entry("F32", [2**62, 8], 0, 4)}, bytes(4)),
        "negative": packed({"a": entry("F32", [-1], 0, 4)}, bytes(4)),
        "billions": packed({"a": entry("F32", [10**9], 0, 4 * 10**9)}, bytes(4)),
        "unknown type": packed({"a": entry("O", [1], 0, 8)}, bytes(8)),
        "type without NumPy": packed({"a": entry("BF16", [1], 0, 2)}, bytes(2)),
        "metadata of numbers": packed({"__metadata__": {"a": 1}}),
        "metadata list": packed({"__metadata__": []}),
        "twice": packed(
            b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
            b'"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
            b"x",
        ),
    }.items(),
    ids=lambda item: item[0],
)
def test_hostile_files_are_corrupt(data: tuple[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data[1])
    with pytest.raises(storage.CorruptFileError, match="cannot read"):
        storage.load_tensors(tmp_path / "a")


def test_every_truncation_is_found(tmp_path: Path) -> None:
    storage.save_tensors(tmp_path / "a", {"x": np.ones(3)}, {"k": "v"})
    whole = (tmp_path / "a").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "a").write_bytes(whole[:length])
        with pytest.raises(storage.CorruptFileError):
            storage.load_tensors(tmp_path / "a")


def test_sha256_is_that_of_the_contents(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(300_000)
    (tmp_path / "a").write_bytes(data)
    assert storage.sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    with pytest.raises(storage.StorageError, match="not a regular file"):
        storage.sha256(tmp_path)


@pytest.mark.parametrize("index", [(), (0,), (2,), (1, 3)])
def test_a_part_is_that_of_the_whole(tmp_path: Path, index: tuple[int, ...]) -> None:
    path = tmp_path / "a.safetensors"
    generator = np.random.default_rng(1)
    kinds = (np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_)
    arrays = {
        np.dtype(kind).name: (100 * generator.random((3, 4, 5))).astype(kind) for kind in kinds
    }
    arrays["short"] = np.arange(12).reshape(3, 4)
    storage.save_tensors(path, arrays, METADATA)
    found = storage.TensorFile.of(path).part(index)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array[index])


def test_parts_are_those_that_lie_behind_one_another(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    arrays = {"a": np.arange(60).reshape(3, 4, 5), "b": np.arange(12.0).reshape(3, 4)}
    storage.save_tensors(path, arrays)
    file = storage.TensorFile.of(path)
    for index, count in (((0, 0), 12), ((1, 2), 5), ((2, 3), 1)):
        found = file.parts(index, count)
        start = int(np.ravel_multi_index(index, (3, 4)))
        for name, array in arrays.items():
            expected = array.reshape(12, *array.shape[2:])[start : start + count]
            assert np.array_equal(found[name], expected)
    for index, count in (((2, 3), 2), ((0, 0), 13)):
        with pytest.raises(storage.CorruptFileError, match="has fewer parts"):
            file.parts(index, count)


def test_parts_of_a_file_that_was_replaced_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    storage.save_tensors(path, {"a": np.zeros(3)})
    file = storage.TensorFile.of(path)
    assert file.is_current
    storage.save_tensors(path, {"a": np.ones(3)})
    assert not file.is_current
    with pytest.raises(storage.CorruptFileError, match="it changes while it is read"):
        file.part((0,))
    path.unlink()
    assert not file.is_current
    with pytest.raises(storage.StorageError, match="cannot read"):
        file.part((0,))


def test_parts_that_are_not_there_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    storage.save_tensors(path, {"a": np.full((2, 3), np.nan, np.float32)})
    file = storage.TensorFile.of(path)
    for index in ((2,), (0, 3), (0, 0, 0), (-1,)):
        with pytest.raises(storage.CorruptFileError, match="cannot read"):
            file.part(index)
    with pytest.raises(storage.CorruptFileError, match="tensor 'a' is not finite"):
        file.part((0,), require_finite=True)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(storage.CorruptFileError, match="does not lie within the file"):
        storage.TensorFile.of(path)
