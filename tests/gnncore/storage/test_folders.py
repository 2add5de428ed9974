"""Folders of many files that are there whole or not at all."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gnncore import storage

WHOLE = ["a/1.x", "a/2.x", "b.x"]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def fill(part: Path) -> None:
    for name in WHOLE:
        storage.make_folder((part / name).parent)
        storage.write_text(part / name, name)


def fail_after(error: type[BaseException]) -> Callable[[Path], None]:
    def write(part: Path) -> None:
        fill(part)
        raise error

    return write


@pytest.fixture(params=["new", "empty", "below new ones"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "empty":
        (tmp_path / "out").mkdir()
    return tmp_path / "out" if request.param != "below new ones" else tmp_path / "c" / "d" / "out"


def test_a_folder_arrives_whole(out: Path) -> None:
    storage.write_folder_with(out, fill)
    assert files(out) == WHOLE
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_writer_leaves_nothing(error: type[BaseException], out: Path) -> None:
    was_there = out.exists()
    with pytest.raises(error):
        storage.write_folder_with(out, fail_after(error))
    assert out.exists() == was_there
    assert files(out.parent) == []
    storage.write_folder_with(out, fill)
    assert files(out) == WHOLE


def test_what_a_killed_writer_left_is_no_folder_and_goes_with_the_next(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as if it were killed
        with pytest.raises(KeyboardInterrupt):
            storage.write_folder_with(out, fail_after(KeyboardInterrupt))
    assert len(files(out.parent)) >= 3
    assert storage.is_free(out)
    storage.write_folder_with(out, fill)
    assert files(out.parent) == [f"out/{name}" for name in WHOLE]


def test_an_empty_folder_is_empty_again_when_the_last_move_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is there may be one that cannot be moved: a mounted one, or a shell's own."""
    out, moves = tmp_path / "out", []
    out.mkdir()
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        moves.append(target)
        if len(moves) == 2:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            storage.write_folder_with(out, fill)
    assert list(out.iterdir()) == []


def test_the_folder_of_a_shell_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    number = tmp_path.stat().st_ino
    storage.write_folder_with(".", fill)
    assert tmp_path.stat().st_ino == number
    assert files(tmp_path) == WHOLE


def test_folders_and_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("folder", "file"):
        assert not storage.is_free(tmp_path / name)
        with pytest.raises(storage.StorageError, match=rf"{name}': something is there already"):
            storage.write_folder_with(tmp_path / name, fill)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
