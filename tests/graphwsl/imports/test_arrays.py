"""Headers of NumPy's files against NumPy, and archives of arrays that are refused."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphwsl.imports.archive import STORED, Member
from graphwsl.imports.arrays import read_array_header, read_arrays
from graphwsl.imports.guards import (
    LEGACY_MAGIC,
    ZIP_MAGIC,
    RefusedError,
    check_npz_archive,
    looks_damaged,
)

TYPES = ["<f8", ">f4", "<f2", "<i8", ">i2", "|u1", "|b1", "<c16", ">c8"]


def npy(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    file = BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def npz(compressed: bool = False, **arrays: np.ndarray) -> bytes:
    file = BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def read(data: bytes, max_bytes: int = 10**6) -> dict[str, np.ndarray]:
    return read_arrays(BytesIO(data), len(data), max_bytes)


any_array = st.sampled_from(TYPES).flatmap(
    lambda name: hnp.arrays(np.dtype(name), hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
)


@settings(max_examples=40, deadline=None)
@given(any_array, st.booleans(), st.booleans(), st.sampled_from([(1, 0), (2, 0)]))
def test_arrays_are_those_of_numpy(
    array: np.ndarray, by_column: bool, compressed: bool, version: tuple[int, int]
) -> None:
    array = np.asarray(array, order="F" if by_column else "C")
    data = npy(array, version)
    header = read_array_header(BytesIO(data), len(data))
    assert (header.shape, header.dtype) == (array.shape, array.dtype)
    assert data[header.start :] == array.tobytes("F" if header.by_column else "C")
    found = read(npz(compressed, a=array))["a"]
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("change", [-1, 1, 8])
def test_a_file_is_as_long_as_its_header_says(change: int) -> None:
    data = npy(np.arange(3.0))
    with pytest.raises(RefusedError, match="not what its header says"):
        read_array_header(BytesIO(data), len(data) + change)


def header(text: str) -> bytes:
    body = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x03\x00" + bytes(8),
        b"\x93NUMPY\x09\x00" + bytes(8),
        header(""),
        header("1 / 0"),
        header("__import__('os').getcwd()"),
        header("(" * 3000),
        header("{'descr': '<f8', 'fortran_order': False}"),
        header("{'descr': 'nothing', 'fortran_order': False, 'shape': ()}"),
        header("{'descr': '<f8', 'fortran_order': 2, 'shape': ()}"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': 3}"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': ('3',)}"),
    ],
)
def test_other_headers_are_no_arrays(data: bytes) -> None:
    with pytest.raises(RefusedError, match="no array of NumPy") as refused:
        read_array_header(BytesIO(data), len(data))
    assert "\n" not in str(refused.value)


def test_lengths_cannot_cancel_each_other() -> None:
    data = header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -2)}") + bytes(16)
    with pytest.raises(RefusedError, match="not what its header says"):
        read_array_header(BytesIO(data), len(data))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array(["a"]), "not numbers$"),
        (np.array([b"a"]), "not numbers$"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "not numbers$"),
        (np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]), "not numbers$"),
        (np.zeros(2, dtype=[("a", object)]), "not numbers, which would need allow_pickle$"),
        (np.array([None]), "not numbers, which would need allow_pickle$"),
    ],
)
def test_what_is_no_number_is_refused_by_name(array: np.ndarray, reason: str) -> None:
    data = npy(array)
    with pytest.raises(RefusedError, match=reason):
        read_array_header(BytesIO(data), len(data))
    with pytest.raises(RefusedError, match=f"^'words': it holds .* {reason}"):
        read(npz(words=array))


def test_archives_hold_arrays_within_their_limits() -> None:
    def member(name: str, size: int) -> Member:
        return Member(name=name, method=STORED, size=size, packed=size, start=0, checksum=0)

    check_npz_archive([], 0, 0)
    check_npz_archive([member("a.npy", 60), member("b.npy", 40)], 1, 100)
    with pytest.raises(RefusedError, match="unpack to 101 bytes, more than 100"):
        check_npz_archive([member("a.npy", 61), member("b.npy", 40)], 1, 10**6)
    with pytest.raises(RefusedError, match="unpack to 100 bytes, more than 99"):
        check_npz_archive([member("a.npy", 60), member("b.npy", 40)], 10, 99)
    with pytest.raises(RefusedError, match=r"'a\.txt', which is no array"):
        check_npz_archive([member("a.txt", 1)], 10, 99)
    with pytest.raises(RefusedError, match="100001 members"):
        check_npz_archive([member("a.npy", 0)] * 100_001, 10, 99)


END = b"PK\x05\x06" + bytes(18)


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (b"", b"", "it is empty"),
        (ZIP_MAGIC + bytes(20), bytes(20) + END, None),
        (ZIP_MAGIC + bytes(20), END + bytes(20), "the end of the archive is missing"),
        (ZIP_MAGIC, ZIP_MAGIC, "the end of the archive is missing"),
        (LEGACY_MAGIC + bytes(9), b"", None),
        (LEGACY_MAGIC[:-1], b"", "it is no file of torch"),
        (b"text", END, "it is no file of torch"),
    ],
)
def test_damage_shows_at_the_ends(start: bytes, end: bytes, reason: str | None) -> None:
    assert looks_damaged(start, end) == reason
