"""Sparse arrays come back bit by bit, from files that shrink with the share of zeros."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gnncore.storage import (
    CorruptFileError,
    decode_sparse,
    encode_sparse,
    load_sparse_tensors,
    save_sparse_tensors,
    save_tensors,
)


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.uint8]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=40),
        elements=st.sampled_from([0, 0, 0, 0, 1, 3]),
    )
)
def test_any_array_comes_back(array: np.ndarray) -> None:
    stored, metadata = encode_sparse({"a": array})
    found, masks = decode_sparse(stored, metadata, "file")
    assert found["a"].dtype == array.dtype
    assert found["a"].shape == array.shape
    assert found["a"].tobytes() == array.tobytes()
    assert np.array_equal(masks["a"], array != 0)


def test_what_is_no_plain_zero_is_kept() -> None:
    array = np.array([0.0, -0.0, np.nan, np.inf, 1e-45], np.float32)
    stored, metadata = encode_sparse({"a": array})
    assert len(stored["a#values"]) == 4
    assert decode_sparse(stored, metadata, "file")[0]["a"].tobytes() == array.tobytes()


def test_files_shrink_with_the_share_of_zeros(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(200, 500)).astype(np.float32)
    save_tensors(tmp_path / "dense", {"w": weights})
    dense = (tmp_path / "dense").stat().st_size
    for share, most in ((0.5, 0.54), (0.8, 0.24), (0.95, 0.09), (0.999, 0.005)):
        mask = rng.random(weights.shape) >= share
        path = tmp_path / f"{share}"
        pruned = np.where(mask, weights, np.float32(0))
        save_sparse_tensors(path, {"w": pruned, "b": weights[0]}, {"w": mask})
        assert path.stat().st_size - weights[0].nbytes < most * dense
        found, masks = load_sparse_tensors(path)
        assert found["w"].tobytes() == pruned.tobytes()
        assert np.array_equal(masks["w"], mask)
        assert np.array_equal(found["b"], weights[0])


def test_masks_may_keep_zeros_and_leave_out_nothing_else() -> None:
    array = np.array([[0.0, 1.0], [0.0, 0.0]])
    mask = np.array([[True, True], [False, False]])
    stored, metadata = encode_sparse({"a": array}, {"a": mask})
    assert np.array_equal(decode_sparse(stored, metadata, "file")[1]["a"], mask)
    with pytest.raises(ValueError, match="leaves out entries that are not zero"):
        encode_sparse({"a": array}, {"a": ~mask})
    with pytest.raises(ValueError, match=r"must be bool of shape \(2, 2\)"):
        encode_sparse({"a": array}, {"a": mask[0]})


def test_plain_files_are_read_too(tmp_path: Path) -> None:
    save_tensors(tmp_path / "plain", {"a": np.ones(3)})
    found, masks = load_sparse_tensors(tmp_path / "plain")
    assert found["a"].tolist() == [1, 1, 1]
    assert masks == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a#bits", np.zeros(1, np.uint8)),
        ("a#values", np.zeros(3, np.float32)),
        ("a#bits", np.full(2, 255, np.uint8)),
    ],
)
def test_damaged_files_are_refused(name: str, value: np.ndarray) -> None:
    stored, metadata = encode_sparse({"a": np.array([0, 1, 0, 2, 0, 0, 0, 0, 0, 0], np.float32)})
    with pytest.raises(CorruptFileError, match="its sparse arrays"):
        decode_sparse({**stored, name: value}, metadata, "file")
    with pytest.raises(CorruptFileError, match="its sparse arrays"):
        decode_sparse(stored, {"sparse": '{"a": [1000000, 1000000]}'}, "file")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"a#values": np.ones(1, np.float32)}, r"keeps 2 entries, its values are \(1,\)"),
        ({"a#values": np.float32(1)}, r"keeps 2 entries, its values are \(\)"),
        ({"a#indices": np.array([1, 900], np.int64)}, "indices int64"),
        ({"a#indices": np.array([900, 1], np.uint32)}, "index 1 not above"),
        ({"a#indices": np.array([1, 1], np.uint32)}, "index 1 not above"),
        ({"a#indices": np.array([1, 1001], np.uint32)}, "1001 entries and index 1001"),
        ({"a#indices": np.array([1], np.uint32)}, "keeps 1 entries"),
        ({"a": np.ones(1)}, "has 'a' beside it"),
    ],
)
def test_no_value_is_invented(change: dict[str, np.ndarray], reason: str) -> None:
    array = np.zeros(1001, np.float32)
    array[[1, 900]] = 3, 4
    stored, metadata = encode_sparse({"a": array})
    assert decode_sparse(stored, metadata, "file")[0]["a"].tobytes() == array.tobytes()
    with pytest.raises(CorruptFileError, match=reason):
        decode_sparse({**stored, **change}, metadata, "file")


def test_bits_behind_the_end_are_refused() -> None:
    stored, metadata = encode_sparse({"a": np.array([0.0, 1.0, 2.0])})
    with pytest.raises(CorruptFileError, match="bits set behind its 3 entries, got 97"):
        decode_sparse({**stored, "a#bits": np.array([97], np.uint8)}, metadata, "file")


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    save_sparse_tensors(
        path, {"a": np.array([0.0, 1.0, 2.0]), "b": np.ones(2)}, {"a": [False, True, True]}
    )
    data = path.read_bytes()
    found, masks = load_sparse_tensors(path)
    for at in range(8 * 8, 8 * len(data)):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        path.write_bytes(flipped)
        try:
            again, kept = load_sparse_tensors(path)
        except CorruptFileError:
            continue
        assert all(again[name].tobytes() == found[name].tobytes() for name in found)
        assert again.keys() == found.keys()
        assert kept["a"].tolist() == masks["a"].tolist()


@pytest.mark.parametrize("part", ["#values", "#bits", "#indices"])
def test_names_that_collide_are_refused(part: str, tmp_path: Path) -> None:
    arrays = {"a": np.ones(3), f"a{part}": np.ones(3)}
    with pytest.raises(ValueError, match=f"'a{part}' cannot be an array beside the sparse 'a'"):
        save_sparse_tensors(tmp_path / "file", arrays)
    with pytest.raises(ValueError, match="other names, got 'sparse'"):
        save_sparse_tensors(tmp_path / "file", {"a": np.ones(3)}, metadata={"sparse": "{}"})


def test_byte_order_is_that_of_the_machine(tmp_path: Path) -> None:
    array = np.array([0, 1, 0, 2.5], ">f4")
    save_sparse_tensors(tmp_path / "file", {"a": array, "b": array}, {"a": array != 0})
    found, _ = load_sparse_tensors(tmp_path / "file")
    assert found["a"].tolist() == found["b"].tolist() == [0, 1, 0, 2.5]
    assert found["a"].dtype.isnative
