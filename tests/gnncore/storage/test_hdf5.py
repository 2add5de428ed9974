"""HDF5: the same bytes for the same content, and no flipped bit goes unnoticed."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gnncore import storage
from tests import ROOT

rng = np.random.default_rng(0)
ARRAYS: dict[str, np.ndarray] = {
    "grids/1/large": rng.normal(size=(100, 3)),
    "grids/1/few": np.arange(5.0),
    "grids/2/many": rng.integers(-5, 5, 64).astype(np.int16),
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 3)),
    "mask": rng.random(70) < 0.5,
    "complex": np.arange(70) + 1j,
    "nan": np.array([np.nan, np.inf]),
}


def fill(file: h5py.File) -> None:
    for name, array in ARRAYS.items():
        storage.create_dataset(file, name, array)
    file.attrs["schema"] = 1


def read(file: h5py.File) -> dict[str, np.ndarray]:
    return {name: file[name][()] for name in ARRAYS}


def same(found: dict[str, np.ndarray]) -> bool:
    return all(
        found[name].dtype == array.dtype
        and found[name].shape == array.shape
        and found[name].tobytes() == array.tobytes()
        for name, array in ARRAYS.items()
    )


def test_arrays_come_back_bitwise(tmp_path: Path) -> None:
    storage.write_hdf5(tmp_path / "a.h5", fill)
    assert same(storage.read_hdf5(tmp_path / "a.h5", read))


@pytest.mark.parametrize("shape", [(), (3,), (80,), (2, 0)])
def test_text_comes_back(shape: tuple[int, ...], tmp_path: Path) -> None:
    text = np.full(shape, "Überlandleitung θ")
    storage.write_hdf5(tmp_path / "a.h5", lambda file: storage.create_dataset(file, "t", text))
    found = storage.read_hdf5(tmp_path / "a.h5", lambda file: file["t"].asstr()[()])
    assert np.array_equal(found, text)


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="'t' must hold numbers or strings"):
        storage.write_hdf5(
            tmp_path / "a.h5", lambda file: storage.create_dataset(file, "t", [None])
        )
    assert not list(tmp_path.iterdir())


def test_large_arrays_are_packed_and_checksummed(tmp_path: Path) -> None:
    storage.write_hdf5(tmp_path / "a.h5", fill)
    with h5py.File(tmp_path / "a.h5") as file:
        for name, array in ARRAYS.items():
            packed = (file[name].compression, file[name].shuffle, file[name].fletcher32)
            assert packed == (("gzip", True, True) if array.size >= 64 else (None, False, False))


def test_equal_content_gives_equal_bytes_at_any_time_in_any_process(tmp_path: Path) -> None:
    code = """
import sys
from tests.gnncore.storage.test_hdf5 import fill, storage
storage.write_hdf5(sys.argv[1], fill)
"""
    storage.write_hdf5(tmp_path / "a.h5", fill)
    subprocess.run([sys.executable, "-c", code, tmp_path / "b"], cwd=ROOT, check=True)
    time.sleep(1.1)  # HDF5 stamps in seconds
    storage.write_hdf5(tmp_path / "another name.h5", fill)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def flips_go_unnoticed(path: Path, whole: bytes, flips: list[int]) -> list[int]:
    """The bits whose flip changes what is read without an error."""
    unnoticed = []
    for bit in flips:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            if not same(storage.read_hdf5(path, read)):
                unnoticed.append(bit)
        except storage.CorruptFileError:
            pass
    return unnoticed


def test_flipped_bits_never_change_what_is_read(tmp_path: Path) -> None:
    storage.write_hdf5(tmp_path / "a.h5", fill)
    whole = (tmp_path / "a.h5").read_bytes()
    flips = random.Random(0).sample(range(8 * len(whole)), 300)
    assert flips_go_unnoticed(tmp_path / "a.h5", whole, flips) == []


@pytest.mark.slow
def test_no_damaged_byte_changes_what_is_read(tmp_path: Path) -> None:
    storage.write_hdf5(tmp_path / "a.h5", fill)
    whole = (tmp_path / "a.h5").read_bytes()
    every_byte = list(range(0, 8 * len(whole), 7))
    assert flips_go_unnoticed(tmp_path / "a.h5", whole, every_byte) == []


def test_every_truncation_is_found(tmp_path: Path) -> None:
    storage.write_hdf5(tmp_path / "a.h5", fill)
    whole = (tmp_path / "a.h5").read_bytes()
    for length in range(0, len(whole), 23):
        (tmp_path / "a.h5").write_bytes(whole[:length])
        with pytest.raises(storage.CorruptFileError):
            storage.read_hdf5(tmp_path / "a.h5", read)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    storage.write_hdf5(tmp_path / "a.h5", fill)
    with pytest.raises(storage.CorruptFileError, match="snbs"):
        storage.read_hdf5(tmp_path / "a.h5", lambda file: file["snbs"][:])
    with pytest.raises(storage.StorageError, match="No such file") as caught:
        storage.read_hdf5(tmp_path / "b.h5", read)
    assert not isinstance(caught.value, storage.CorruptFileError)


def test_errors_of_the_caller_pass(tmp_path: Path) -> None:
    class GridError(ValueError):
        pass

    def refuse(file: h5py.File) -> None:
        raise GridError

    storage.write_hdf5(tmp_path / "a.h5", fill)
    with pytest.raises(GridError):
        storage.read_hdf5(tmp_path / "a.h5", refuse)


def test_files_of_others_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["origin"] = "elsewhere"
        file["names"] = ["a", "b"]
        file.create_dataset("snbs", data=np.arange(1000.0), compression="gzip")
    found = storage.read_hdf5(
        tmp_path / "a.h5", lambda file: (file.attrs["origin"], file["names"][1], file["snbs"][999])
    )
    assert found == ("elsewhere", b"b", 999.0)


def external_link(file: h5py.File) -> None:
    file["a"] = h5py.ExternalLink("/etc/hostname", "/")


def external_storage(file: h5py.File) -> None:
    file.create_dataset("a", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", (4,))
    file.create_virtual_dataset("a", layout)


def soft_loop(file: h5py.File) -> None:
    file["a"] = h5py.SoftLink("/b")
    file["b"] = h5py.SoftLink("/a")


def cycle(file: h5py.File) -> None:
    file.create_group("a")["back"] = file["/"]


def references(file: h5py.File) -> None:
    file["b"] = 1
    file.create_dataset("a", data=[file["b"].ref], dtype=h5py.ref_dtype)


def ragged(file: h5py.File) -> None:
    file.create_dataset("a", (2,), h5py.vlen_dtype(np.int32))


def huge(file: h5py.File) -> None:
    file.create_dataset("a", (10**9, 10**9), "f8", chunks=(1000, 1000), compression="gzip")


def huge_chunk(file: h5py.File) -> None:
    file.create_dataset("a", (1,), "f8", maxshape=(None,), chunks=(2**28,), compression="gzip")


def many_large(file: h5py.File) -> None:
    for name in "abcd":
        file.create_dataset(name, (2**20,), "f8", fillvalue=1.0)


def repeated_text(file: h5py.File) -> None:
    file["pad"] = np.zeros(2**17)
    file["a"] = ["x"] * 1000


def bomb(file: h5py.File) -> None:
    import zlib

    dataset = file.create_dataset("a", (8,), "f8", chunks=(8,), compression="gzip")
    dataset.id.write_direct_chunk((0,), zlib.compress(bytes(2**28), 9))


def packed_twice(file: h5py.File) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((64,))
    plan.set_deflate(9)
    plan.set_deflate(9)
    space = h5py.h5s.create_simple((64,))
    h5py.h5d.create(file.id, b"a", h5py.h5t.NATIVE_DOUBLE, space, plan)


def other_filter(file: h5py.File) -> None:
    file.create_dataset("a", data=np.zeros(100), compression="lzf")


HOSTILE: dict[Callable[[h5py.File], None], str] = {
    external_link: "no hard link",
    external_storage: "other files",
    virtual: "other files",
    soft_loop: "no hard link",
    cycle: "linked twice",
    references: "objects or references",
    ragged: "objects or references",
    huge: "unpack beyond",
    huge_chunk: "unpack beyond",
    many_large: "unpack beyond",
    repeated_text: "unpack beyond",
    bomb: "beyond its size",
    packed_twice: "otherwise than by gzip",
    other_filter: "otherwise than by gzip",
}


@pytest.mark.parametrize(
    ("make", "reason"), HOSTILE.items(), ids=[make.__name__ for make in HOSTILE]
)
def test_hostile_files_are_refused_before_they_are_read(
    make: Callable[[h5py.File], None], reason: str, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file)

    def read(file: h5py.File) -> Any:
        pytest.fail("reached the caller")

    with pytest.raises(storage.CorruptFileError, match=reason) as caught:
        storage.read_hdf5(tmp_path / "a.h5", read, max_bytes=2**24)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(1000), b"PK\x03\x04" * 100]
)
def test_other_files_are_corrupt(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(data)
    with pytest.raises(storage.CorruptFileError):
        storage.read_hdf5(tmp_path / "a.h5", read)
