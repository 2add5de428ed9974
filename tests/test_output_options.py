"""Every option that names a file or folder to write refuses a bad one before anything is done."""

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

import graphwsl.cli
import gridstab.cli

PROGRAMS = {"graphwsl": graphwsl.cli.app, "gridstab": gridstab.cli.app}
READ = {"--population", "--reference", "--zoo", "--campaign"}
"""Options with a path that is read."""
FILES = {"--picture", "--spectra", "--ways", "--csv"}
OUT_IS_A_FILE = {
    "graphwsl diagnose",
    "graphwsl generate score",
    "graphwsl landscape",
    "graphwsl represent embed",
    "graphwsl score",
    "gridstab basin-map",
    "gridstab pack",
    "gridstab predict",
    "gridstab report",
}


def commands(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from commands(below, *names, name)
    else:
        yield names, command


def written(*, files: bool) -> list[tuple[str, ...]]:
    """Program, command and option, for all options with the path of a file or folder to write."""
    found = []
    for program, app in PROGRAMS.items():
        for names, command in commands(typer.main.get_command(app)):
            types = get_type_hints(inspect.unwrap(command.callback))
            for option in command.params:
                name = option.opts[0]
                is_path = types.get(option.name) in (Path, Path | None)
                if not is_path or not name.startswith("--") or name in READ:
                    continue
                is_file = name in FILES or (
                    name == "--out" and " ".join((program, *names)) in OUT_IS_A_FILE
                )
                if is_file == files:
                    found.append((program, *names, name))
    return found


FILE_OPTIONS, FOLDER_OPTIONS = written(files=True), written(files=False)


def refused(words: tuple[str, ...], path: str) -> str:
    program, *arguments = words
    before = sorted(Path().rglob("*"))
    # What is given comes first, so that nothing is said of arguments that are missing.
    result = CliRunner().invoke(PROGRAMS[program], [*arguments, path])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    return result.stderr


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_there_are_such_options() -> None:
    assert ("graphwsl", "landscape", "--picture") in FILE_OPTIONS
    assert ("gridstab", "simulate", "--out") in FOLDER_OPTIONS
    assert len(FILE_OPTIONS) + len(FOLDER_OPTIONS) >= 26


@pytest.mark.parametrize("words", FILE_OPTIONS, ids=" ".join)
def test_a_file_in_a_folder_that_is_not_there(words: tuple[str, ...]) -> None:
    Path("file").touch()
    is_table = words[-2:] == ("embed", "--out")
    ending = ".csv" if is_table else ".png"
    said = refused(words, f"file/new{ending}")
    assert said.startswith(f"{words[0]}: {words[-1]}: cannot ")
    assert "file" in said
    if not is_table:  # which makes folders
        assert "there is no folder 'new'; make it first" in refused(words, f"new/one{ending}")
    Path(f"taken{ending}").mkdir()
    assert "it is a folder; name a file in it" in refused(words, f"taken{ending}")


@pytest.mark.parametrize("words", FOLDER_OPTIONS, ids=" ".join)
def test_a_folder_below_a_file(words: tuple[str, ...]) -> None:
    Path("file").touch()
    said = refused(words, "file/new")
    assert said == f"{words[0]}: {words[-1]}: cannot create 'file/new': 'file' is no folder\n"


@pytest.mark.parametrize(
    "words", [("graphwsl", "landscape", "--out"), ("gridstab", "simulate", "--out")], ids=" ".join
)
def test_a_place_that_is_not_to_be_written_to(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    assert "the folder '.' is not to be written to" in refused(words, "new")


def test_a_name_that_is_too_long() -> None:
    for words, length in ((FILE_OPTIONS[0], 240), (FOLDER_OPTIONS[0], 300)):
        assert "File name too long" in refused(words, f"{'n' * length}.png")


@pytest.mark.parametrize(
    "words",
    [w for w in FILE_OPTIONS if w[-1] in ("--picture", "--spectra", "--ways")],
    ids=" ".join,
)
def test_a_picture_of_an_unknown_kind(words: tuple[str, ...]) -> None:
    said = refused(words, "plane.bmp")
    assert "a picture's name must end in .png, .svg or .pdf, got 'plane.bmp'" in said
