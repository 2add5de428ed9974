"""Seals tell a file from another's, of another configuration, and with any bit flipped."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnncore.storage import CorruptFileError, check_seal, digest_of, seal_of

OWNER = {"campaign": "3f2a", "unit": "00001-000-0"}
ARRAYS = {
    "stable": np.arange(6, dtype=np.int64).reshape(2, 3),
    "weights": np.linspace(-1, 1, 5, dtype=np.float32),
    "empty": np.zeros((0, 4)),
    "count": np.array(3),
}


def test_what_was_sealed_passes_in_any_order_and_layout() -> None:
    seal = seal_of(OWNER, ARRAYS)
    again = {name: np.array(ARRAYS[name], order="F") for name in reversed(ARRAYS)}
    check_seal("part.h5", seal, dict(reversed(OWNER.items())), again)
    assert seal == seal_of(dict(reversed(OWNER.items())), again)


@pytest.mark.parametrize("width", [3, 2**14])
def test_the_digest_is_of_names_kinds_shapes_and_bits_in_order(width: int) -> None:
    array = np.arange(2 * width, dtype=np.float32).reshape(width, 2).T
    known = (b'{"a": 1, "z": "\\u00e4"}', b'["x", "<f4", [2, %d]]' % width, array.tobytes("C"))
    expected = hashlib.sha256(b"".join(known)).hexdigest()
    assert digest_of({"z": "ä", "a": 1}, {"x": array}) == expected


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        ({**OWNER, "unit": "00002-000-0"}, "its unit is '00001-000-0', not '00002-000-0'"),
        ({**OWNER, "campaign": "77"}, "its campaign is '3f2a', not '77'"),
        ({**OWNER, "epoch": 3}, "its epoch is None, not 3"),
    ],
)
def test_a_file_of_another_owner_is_named(owner: dict[str, str], words: str) -> None:
    with pytest.raises(CorruptFileError, match=r"cannot use 'part\.h5': " + words):
        check_seal("part.h5", seal_of(OWNER, ARRAYS), owner, ARRAYS)


@given(st.sampled_from(["stable", "weights", "count"]), st.integers(0, 8 * 48 - 1))
def test_any_flipped_bit_is_found(name: str, bit: int) -> None:
    data = bytearray(ARRAYS[name].tobytes())
    bit %= 8 * len(data)
    data[bit // 8] ^= 1 << bit % 8
    flipped = np.frombuffer(bytes(data), ARRAYS[name].dtype).reshape(ARRAYS[name].shape)
    with pytest.raises(CorruptFileError, match="its numbers differ"):
        check_seal("part.h5", seal_of(OWNER, ARRAYS), OWNER, {**ARRAYS, name: flipped})


@pytest.mark.parametrize(
    "change",
    [
        {"stable": ARRAYS["stable"].T},
        {"stable": ARRAYS["stable"].astype(np.int32)},
        {"stable": ARRAYS["stable"].reshape(3, 2)},
        {"count": np.array([3])},
        {"new": np.zeros(1)},
    ],
)
def test_another_shape_kind_or_name_is_found(change: dict[str, np.ndarray]) -> None:
    with pytest.raises(CorruptFileError, match="its numbers differ"):
        check_seal("part.h5", seal_of(OWNER, ARRAYS), OWNER, {**ARRAYS, **change})


@pytest.mark.parametrize("seal", [None, "", "{}", "[]", '{"owner":3,"sha256":""}', "[" * 10**5])
def test_an_unreadable_seal_is_refused(seal: str | None) -> None:
    with pytest.raises(CorruptFileError, match="seal"):
        check_seal("part.h5", seal, OWNER, ARRAYS)
