"""Any bytes at all: readers answer with a value or with a StorageError, and run nothing."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnncore import storage
from tests import ROOT


def read_all(file: h5py.File) -> list[Any]:
    found: list[Any] = []
    file.visititems(lambda name, item: found.append(item[()] if hasattr(item, "dtype") else name))
    return found


READERS: dict[str, Callable[[Path], Any]] = {
    "json": storage.read_json,
    "hdf5": lambda path: storage.read_hdf5(path, read_all, max_bytes=2**24),
    "tensors": lambda path: storage.load_tensors(path, require_finite=True),
    "metadata": storage.load_metadata,
    "manifest": lambda path: storage.Manifest.read(path.parent).verify(),
    "bytes": storage.read_bytes,
    "sha256": storage.sha256,
}


def valid(name: str, folder: Path) -> bytes:
    """An honest file for a reader; the old HDF5 format has no checksums to hide behind."""
    path = folder / "valid"
    if name in ("tensors", "metadata"):
        storage.save_tensors(path, {"a": np.ones(3), "b": np.arange(4)}, {"k": "v"})
    elif name == "hdf5":
        with h5py.File(path, "w", libver="earliest") as file:
            file["group/a"] = np.arange(3.0)
            file.create_dataset("b", data=np.arange(100), compression="gzip")
            file["c"] = ["text"]
    elif name == "manifest":
        (folder / "in").mkdir()
        (folder / "in/a").touch()
        storage.Manifest.of(folder / "in").write()
        path = folder / "in/manifest.json"
    else:
        storage.write_json(path, {"a": [1.5, None, "θ"], "b": {"c": True}})
    return path.read_bytes()


def read_or_refuse(name: str, path: Path, data: bytes) -> bool:
    path.write_bytes(data)
    try:
        READERS[name](path)
    except storage.StorageError:
        return False
    return True


@pytest.mark.parametrize("name", READERS)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=300), magic=st.sampled_from([b"", b"\x89HDF\r\n\x1a\n", b"{\n"]))
def test_random_bytes_are_refused(name: str, tmp_path: Path, data: bytes, magic: bytes) -> None:
    read_or_refuse(name, tmp_path / "manifest.json", magic + data)


@pytest.mark.parametrize("name", ["json", "hdf5", "tensors", "metadata", "manifest"])
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    whole = valid(name, tmp_path)
    path = tmp_path / ("in" if name == "manifest" else "") / "manifest.json"
    assert read_or_refuse(name, path, whole)
    outcomes = []
    for seed in range(150):
        rng = random.Random(seed)
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        outcomes.append(read_or_refuse(name, path, bytes(data)))
    assert not all(outcomes)


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused(name: str, tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path, tmp_path / "a\0b", Path("/dev/zero")):
        with pytest.raises(storage.StorageError):
            READERS[name](path)


def test_attacks_run_nothing_and_take_little_memory(tmp_path: Path) -> None:
    from tests.gnncore.storage.test_hdf5 import HOSTILE

    for make in HOSTILE:
        with h5py.File(tmp_path / f"{make.__name__}.hdf5", "w") as file:
            make(file)
    gadget = b"cos\nsystem\n(S'touch executed'\ntR."
    for name in READERS.keys() - {"manifest"}:
        (tmp_path / f"gadget.{name}").write_bytes(gadget)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "objects.npy").rename(tmp_path / "objects.tensors")
    (tmp_path / "deep.json").write_bytes(b"[" * 10**6)
    (tmp_path / "wide.tensors").write_bytes((2**62).to_bytes(8, "little") + bytes(100))
    code = """
import json, resource, sys
from pathlib import Path
import h5py, numpy, safetensors.numpy, zlib
from gnncore import storage
from tests.gnncore.storage.test_fuzz import READERS
events, outcomes = [], {}
def listen(event, arguments):
    starts = ("pickle.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.",
              "socket.", "shutil.", "os.remove", "os.rename", "exec", "compile")
    if event.startswith(starts) or event == "open" and arguments[2] & 0o3:
        events.append(event)
attacks = sorted(path for path in Path(sys.argv[1]).iterdir() if path.suffix[1:] in READERS)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.addaudithook(listen)
for path in attacks:
    try:
        READERS[path.suffix[1:]](path)
        outcomes[path.name] = "read"
    except storage.CorruptFileError:
        outcomes[path.name] = "corrupt"
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps([outcomes, events, grown / 1024]))
"""
    child = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    outcomes, events, grown = json.loads(child.stdout)
    plain = {"gadget.bytes": "read", "gadget.sha256": "read"}
    assert len(outcomes) == len(HOSTILE) + len(READERS) - 1 + 3
    assert {name: how for name, how in outcomes.items() if how == "read"} == plain
    assert events == []
    assert not (tmp_path / "executed").exists()
    assert grown < 64  # MiB; the limit on HDF5 here is 16, on JSON 64
