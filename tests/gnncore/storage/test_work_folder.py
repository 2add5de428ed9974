"""Folders that long work fills: one worker, who goes on, repairs or refuses; a toy of the protocol.

The toy squares numbers: one file each, any of which may be lost, damaged, or another's.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gnncore.storage import (
    FolderInUseError,
    Manifest,
    StorageError,
    WorkFolder,
    WorkKind,
    exclusive_lock,
    first_difference,
    make_folder,
    read_json,
    write_json,
)


class SquaresError(Exception):
    """What whoever wants squares can mend."""


KIND = WorkKind(
    what="table",
    title="table folder",
    configuration="table.json",
    error_class=SquaresError,
    beginnings=("squares",),
    tag="toy.table",
    made_by="squaring",
)


def parse(values: Any) -> int:
    if not isinstance(values.get("count"), int):
        raise SquaresError(f"count must be a number, got {values.get('count')!r}")
    return values["count"]


def square(path: Path, count: int, *, resume: bool = False, steps: float = 1e9) -> list[int]:
    """Make a table of squares, or as many files of it as steps allow; gives what was computed."""
    work, made = WorkFolder(path, KIND), []

    def look() -> bool:
        return work.look(
            lambda: first_difference({"count": work.configuration(parse)}, {"count": count}),
            resume=resume,
        )

    look()
    with work.claim(look):
        if work.is_complete:
            if not work.damage():
                return []
            work.reopen()
        make_folder(path / "squares")
        write_json(path / "table.json", {"kind": "toy.table", "count": count})
        for number in range(count):
            file = path / "squares" / f"{number}.json"
            if not file.exists() or read_json(file) != number**2:
                if len(made) >= steps:
                    return made
                write_json(file, number**2)
                made.append(number)
        Manifest.of(path).write()
    return made


def test_work_that_was_interrupted_goes_on_and_what_is_complete_stays(tmp_path: Path) -> None:
    assert square(tmp_path / "t", 4, steps=2) == [0, 1]
    assert not WorkFolder(tmp_path / "t", KIND).is_complete
    assert square(tmp_path / "t", 4, resume=True) == [2, 3]
    assert WorkFolder(tmp_path / "t", KIND).is_complete
    assert square(tmp_path / "t", 4, resume=True) == []


@pytest.mark.parametrize("damage", ["lost", "changed", "manifest"])
def test_what_a_complete_folder_lost_is_made_again(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "t"
    square(path, 3)
    assert WorkFolder(path, KIND).damage() == []
    if damage == "lost":
        (path / "squares" / "1.json").unlink()
    elif damage == "changed":
        write_json(path / "squares" / "1.json", 7)
    else:
        (path / "manifest.json").write_text("{}")
    (problem,) = WorkFolder(path, KIND).damage()
    assert problem.path == ("manifest.json" if damage == "manifest" else "squares/1.json")
    assert square(path, 3, resume=True) == ([] if damage == "manifest" else [1])
    assert WorkFolder(path, KIND).damage() == []
    assert read_json(path / "squares" / "1.json") == 1


@pytest.mark.parametrize(
    ("there", "resume", "message"),
    [
        ((2, 9), False, r"holds this table already \(complete\); resume it or choose another"),
        ((2, 1), False, r"holds this table already \(unfinished\); resume it or choose"),
        ((3, 9), True, "holds another table: count is 3 there and 2 here; choose another folder"),
        ((3, 9), False, "holds another table: count is 3 there and 2 here"),
    ],
)
def test_other_work_is_never_written_over(
    tmp_path: Path, there: tuple[int, int], resume: bool, message: str
) -> None:
    square(tmp_path / "t", there[0], steps=there[1])
    before = contents(tmp_path)
    with pytest.raises(SquaresError, match=message):
        square(tmp_path / "t", 2, resume=resume)
    assert contents(tmp_path) == before


def foreign(write: Callable[[Path], object]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "t"
        path.mkdir()
        write(path)
        return path

    return make


def a_file(folder: Path) -> Path:
    (folder / "t").write_text("mine")
    return folder / "t"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign(lambda p: (p / "thesis.tex").write_text("x")), "table folder: it has no table.js"),
        (foreign(lambda p: (p / "squares").write_text("x")), "is no table folder: it has no table"),
        (
            foreign(lambda p: (p / "table.json").write_text("{")),
            "is no table folder: .* not val",
        ),
        (
            foreign(lambda p: (p / "table.json").write_text("[]")),
            "folder; squaring makes one",
        ),
        (
            foreign(lambda p: (p / "table.json").write_text(json.dumps({"kind": "x"}))),
            "is no table folder but one of kind .*; squaring makes one",
        ),
        (
            foreign(lambda p: (p / "table.json").write_text('{"kind": "toy.table", "count": "x"}')),
            "no table folder of this version: in table.json, count must be a number, got 'x'",
        ),
        (foreign(lambda p: (p / "table.json").symlink_to("/")), "is no table folder: .*symbolic"),
        (a_file, "is no folder; give the folder of a table"),
    ],
)
@pytest.mark.parametrize("resume", [False, True])
def test_what_is_foreign_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], Path], message: str, resume: bool
) -> None:
    path = make(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(SquaresError, match=message) as caught:
        square(path, 2, resume=resume)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == before


def test_what_a_killed_worker_leaves_before_it_begins_is_nobodys(tmp_path: Path) -> None:
    path = tmp_path / "t"
    (path / "squares").mkdir(parents=True)
    (path / ".lock").touch()
    leftover = path / f".table.{'0' * 16}.part.json"
    leftover.touch()
    assert WorkFolder(path, KIND).is_blank
    assert square(path, 2) == [0, 1]
    assert not leftover.exists()


def test_a_link_in_the_place_of_a_folder_is_not_blank(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "squares").symlink_to(tmp_path / "elsewhere")
    assert not WorkFolder(tmp_path / "t", KIND).is_blank


def test_whoever_comes_between_two_looks_wins(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "t", KIND)
    looks = []

    def look() -> bool:
        looks.append(len(looks))
        there = work.look(
            lambda: first_difference({"count": work.configuration(parse)}, {"count": 2}),
            resume=True,
        )
        if len(looks) == 1:
            square(work.path, 3)  # another one, before the lock
        return there

    look()
    with pytest.raises(SquaresError, match="count is 3 there and 2 here"), work.claim(look):
        pytest.fail("the folder is another's")
    assert work.damage() == []


def test_there_is_one_worker(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path), pytest.raises(FolderInUseError, match="another run is writing"):
        square(tmp_path, 2)


def test_unexpected_entries_are_named(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "t", KIND)
    square(work.path, 2)
    files, folders = ("table.json", "manifest.json", ".lock"), {"squares": ["0.json", "1.json"]}
    work.require_no_unexpected_entries(files, folders)
    (work.path / "squares" / "2.json").touch()
    with pytest.raises(SquaresError, match=r"'squares/2.json', which does not belong to the table"):
        work.require_no_unexpected_entries(files, folders)
    work.require_no_unexpected_entries(files, {"squares": None})
    os.symlink("table.json", work.path / "a link")
    with pytest.raises(SquaresError, match="holds 'a link', which does not belong"):
        work.require_no_unexpected_entries(files, {"squares": None})


def test_removing_what_is_not_needed(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "t", KIND)
    square(work.path, 2)
    work.remove("squares")
    assert not (work.path / "squares").exists()
    work.remove("squares")
    work.reopen()
    work.reopen()
    assert not work.is_complete
    (work.path / "squares").write_text("a file")
    with pytest.raises(StorageError, match="cannot remove"):
        work.remove("squares")


def test_the_first_difference_in_words() -> None:
    assert first_difference({"a": 1, "b": 2}, {"a": 1, "b": 2}) is None
    assert first_difference({"a": 1, "b": 2}, {"a": 3}) == "a is 1 there and 3 here"
    assert first_difference({"a": 1, "b": 2}, {"a": 3}, ["b"]) == "b is 2 there and None here"
    assert first_difference({"a": 1}, {"a": 2, "b": 3}, ()) is None


def contents(folder: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("more", [None, "result.json", "state/checkpoint"])
def test_what_was_refused_is_withdrawn_unless_there_is_work(
    tmp_path: Path, more: str | None
) -> None:
    work = WorkFolder(tmp_path / "table", KIND)
    with work.claim(lambda: None):
        make_folder(work.path / "state")
        write_json(work.path / "table.json", {"kind": "toy.table", "count": 3})
        if more is not None:
            (work.path / more).write_text("work")
        work.withdraw("state")
    assert work.is_blank == (more is None)
    assert (work.path / "state").exists() == (more is not None)
    assert (work.path / "table.json").exists() == (more is not None)


@pytest.mark.parametrize("before", [None, "above", "above/table"])
def test_folders_are_gone_again_where_work_fails_before_it_begins(
    tmp_path: Path, before: str | None
) -> None:
    if before is not None:
        (tmp_path / before).mkdir(parents=True)
    work = WorkFolder(tmp_path / "above" / "table", KIND)

    def refused() -> None:
        raise SquaresError

    with pytest.raises(SquaresError), work.claim(refused):
        pass
    left = {None: [], "above": ["above"], "above/table": ["above", "above/table"]}[before]
    assert [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*")) if p.is_dir()] == left


def test_work_that_was_begun_is_left_where_it_fails(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "table", KIND)
    with suppress(SquaresError), work.claim(lambda: None):
        (work.path / "1.json").write_text("1")
        raise SquaresError
    assert (work.path / "1.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="a lock that is held stays there")
def test_a_lock_whose_folder_is_gone_is_none(tmp_path: Path, monkeypatch: Any) -> None:
    real = os.open

    def opened(path: Path, *arguments: int) -> int:
        found = real(path, *arguments)
        Path(path).unlink()  # as a holder does who leaves just then
        return found

    monkeypatch.setattr(os, "open", opened)
    said = "another run has just removed it"
    with pytest.raises(FolderInUseError, match=said), exclusive_lock(tmp_path):
        pass
