"""A manifest finds every difference between a folder and what was written."""

import json
import os
import random
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from gnncore import storage
from gnncore.storage import Manifest, ManifestEntry

FILES = {
    "config.json": b"{}\n",
    "grids/00001.h5": random.Random(1).randbytes(700),
    "grids/00002.h5": random.Random(2).randbytes(700),
    "grids/deep/00003.h5": random.Random(3).randbytes(50),
    "empty": b"",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    Manifest.of(folder).write()
    return folder


def problems(folder: Path) -> dict[str, str]:
    found = Manifest.read(folder).verify()
    assert all(problem.path in problem.text for problem in found)
    assert [problem.path for problem in found] == sorted(problem.path for problem in found)
    return {problem.path: problem.kind for problem in found}


def test_the_files_of_a_folder_are_listed(folder: Path) -> None:
    manifest = Manifest.read(folder)
    assert manifest == Manifest.of(folder)
    assert list(json.loads((folder / "manifest.json").read_bytes())["files"]) == sorted(FILES)
    assert manifest.entries == {
        name: ManifestEntry(len(data), sha256(data).hexdigest()) for name, data in FILES.items()
    }
    assert manifest.verify() == []


def test_equal_folders_have_equal_manifests(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    os.utime(tmp_path / "copy/config.json", (0, 0))
    Manifest.of(tmp_path / "copy").write()
    assert (tmp_path / "copy/manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()


def test_each_kind_of_problem_has_its_name(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "grids/00001.h5").write_bytes(FILES["grids/00002.h5"])
    (folder / "grids/00002.h5").write_bytes(FILES["grids/00002.h5"][:-1])
    (folder / "grids/new").touch()
    assert problems(folder) == {
        "config.json": "missing",
        "grids/00001.h5": "changed",
        "grids/00002.h5": "size",
        "grids/new": "unexpected",
    }


def test_working_files_are_no_problem(folder: Path) -> None:
    (folder / "grids/.00001.0123456789abcdef.part.h5").touch()
    with storage.exclusive_lock(folder):
        assert problems(folder) == {}
        assert Manifest.of(folder).entries.keys() == FILES.keys()


def test_patterns_are_ignored_when_written_and_when_verified(folder: Path) -> None:
    Manifest.of(folder, ignore=("*.h5",)).write()
    (folder / "grids/new.h5").touch()
    assert Manifest.read(folder).entries.keys() == {"config.json", "empty"}
    assert problems(folder) == {}


def flip(folder: Path, rng: random.Random) -> None:
    path = folder / rng.choice([name for name, data in FILES.items() if data] + ["manifest.json"])
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def truncate(folder: Path, rng: random.Random) -> None:
    path = folder / rng.choice([name for name, data in FILES.items() if data] + ["manifest.json"])
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def delete(folder: Path, rng: random.Random) -> None:
    (folder / rng.choice([*FILES, "manifest.json"])).unlink()


def swap(folder: Path, rng: random.Random) -> None:
    a, b = (folder / name for name in rng.sample([*FILES, "manifest.json"], 2))
    a.rename(folder / "swap")
    b.rename(a)
    (folder / "swap").rename(b)


def add(folder: Path, rng: random.Random) -> None:
    name = "".join(rng.choices("abc.", k=8)) + "x"
    (folder / rng.choice(["", "grids", "grids/deep"]) / name).write_bytes(rng.randbytes(3))


def append(folder: Path, rng: random.Random) -> None:
    path = folder / rng.choice([*FILES, "manifest.json"])
    path.write_bytes(path.read_bytes() + rng.choice([b"\n", b" ", b"\0"]))


MUTATIONS: list[Callable[[Path, random.Random], None]] = [
    flip,
    truncate,
    delete,
    swap,
    add,
    append,
]


def unnoticed(folder: Path, seeds: range) -> list[int]:
    missed = []
    for seed in seeds:
        copy = folder.parent / str(seed)
        shutil.copytree(folder, copy)
        MUTATIONS[seed % len(MUTATIONS)](copy, random.Random(seed))
        try:
            if not Manifest.read(copy).verify():
                missed.append(seed)
        except storage.StorageError:
            pass
        shutil.rmtree(copy)
    return missed


def test_random_damage_is_found(folder: Path) -> None:
    assert unnoticed(folder, range(60)) == []


@pytest.mark.slow
def test_much_random_damage_is_found(folder: Path) -> None:
    assert unnoticed(folder, range(60, 1260)) == []


def flip_the_manifest(folder: Path, step: int) -> None:
    path = folder / "manifest.json"
    data = path.read_bytes()
    for bit in range(0, 8 * len(data), step):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(storage.CorruptFileError):
            Manifest.read(folder)


def test_flipped_bits_of_the_manifest_are_found(folder: Path) -> None:
    flip_the_manifest(folder, 17)


@pytest.mark.slow
def test_every_flipped_bit_of_the_manifest_is_found(folder: Path) -> None:
    flip_the_manifest(folder, 1)


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "a/../../b", "a//b", "./a", "a/", "", ".", "..", "a\\..\\b"]
    + ["C:/a", "C:a", "//host/share/a", "\\\\host\\share", "a\0b", "a\nb"],
)
def test_paths_that_leave_the_folder_are_refused(name: str, folder: Path) -> None:
    (folder.parent / "secret").write_bytes(b"x")
    Manifest(folder, {name: ManifestEntry(1, sha256(b"x").hexdigest())}, ()).write()
    with pytest.raises(storage.CorruptFileError, match="leads out of the folder"):
        Manifest.read(folder)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.parametrize("target", ["../secret", "config.json", "..", "nowhere"])
def test_links_are_neither_listed_nor_followed(target: str, folder: Path) -> None:
    (folder.parent / "secret").write_bytes(b"x")
    (folder / "link").symlink_to(target)
    with pytest.raises(storage.StorageError, match="a link or a special file"):
        Manifest.of(folder)
    assert problems(folder) == {"link": "unexpected"}


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_links_in_place_of_files_and_folders_are_found(folder: Path) -> None:
    shutil.move(folder / "grids", folder.parent / "grids")
    (folder / "grids").symlink_to(folder.parent / "grids")
    shutil.move(folder / "config.json", folder.parent / "config.json")
    (folder / "config.json").symlink_to(folder.parent / "config.json")
    found = problems(folder)
    assert found["config.json"] == found["grids"] == "unexpected"
    assert found["grids/00001.h5"] == "missing"


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither")
@pytest.mark.parametrize("name", [b"a\\b", b"a\xff", b"C:a", b"a\nb"])
def test_names_that_other_systems_lack_are_refused(name: bytes, folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
    with pytest.raises(storage.StorageError, match="not portable") as caught:
        Manifest.of(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [[], 1, None, {}, {"files": []}, {"files": {"a": 1}, "ignore": []}]
    + [{"files": {"a": {"size": "x", "sha256": "y"}}, "ignore": []}]
    + [{"files": {}, "ignore": 1}, {"files": {}, "ignore": [], "schema": 1, "sha256": "0"}]
    + [{"files": {"a": {"size": 1e400, "sha256": "y"}}, "ignore": [1]}],
)
def test_other_json_is_no_manifest(value: object, folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps(value))
    with pytest.raises(storage.CorruptFileError):
        Manifest.read(folder)


def test_a_folder_without_a_manifest_says_so(tmp_path: Path) -> None:
    with pytest.raises(storage.StorageError, match=r"manifest\.json.*No such file"):
        Manifest.read(tmp_path)
    with pytest.raises(storage.StorageError, match="missing"):
        Manifest.of(tmp_path / "missing")


def test_a_file_that_cannot_be_read_is_a_problem_and_the_others_are_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> str:
        raise storage.StorageError(f"cannot read {str(path)!r}: Input/output error")

    (folder / "config.json").write_bytes(b"longer than before")
    monkeypatch.setattr("gnncore.storage.manifest.sha256", read)
    found = problems(folder)
    assert found == {**dict.fromkeys(FILES, "changed"), "config.json": "size"}
