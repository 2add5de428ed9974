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
from gnncore.storage import (
    Manifest,
    StorageError,
    WorkKind,
    require_file_outside_work,
    require_folder_outside_work,
    write_json,
)
from gnncore.storage.belonging import CONFIGURATIONS
from graphwsl.generators.train import TRAINING as GENERATOR
from graphwsl.properties.train import TRAINING as PREDICTOR
from graphwsl.representations.train import TRAINING as REPRESENTATION
from graphwsl.zoo.layouts.native import WORK as ZOO
from gridstab.datasets.landscape_folder import LandscapeFolder
from gridstab.datasets.run_folder import KIND as RUN
from gridstab.datasets.run_folder import NOT_PROMISED
from gridstab.learning.training_folder import KIND as TRAINING

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


def folder_of_work(name: str, configuration: str = "config.json", *ignore: str) -> Path:
    """A complete folder, with a manifest."""
    folder = Path(name)
    folder.mkdir()
    write_json(folder / configuration, {"code_version": "0.1.0", "format": 1})
    Manifest.of(folder, ignore).write()
    return folder


@pytest.mark.parametrize("words", FILE_OPTIONS, ids=" ".join)
def test_a_file_in_a_folder_of_work(words: tuple[str, ...]) -> None:
    ending = ".csv" if words[-2:] == ("embed", "--out") else ".png"
    folder_of_work("zoo", "zoo.json")
    Path(f"link{ending}").symlink_to(f"zoo/new{ending}")
    for path in (f"zoo/new{ending}", f"link{ending}"):
        said = refused(words, path)
        assert f"{words[-1]}: cannot write {path!r}: 'zoo' holds other work" in said
        assert "name a place outside" in said


@pytest.mark.parametrize("words", FOLDER_OPTIONS, ids=" ".join)
def test_a_folder_in_a_folder_of_work(words: tuple[str, ...]) -> None:
    folder_of_work("zoo", "zoo.json")
    said = refused(words, "zoo/new")
    assert f"{words[-1]}: cannot create 'zoo/new': 'zoo' holds other work" in said


@pytest.mark.parametrize(
    ("configuration", "content"),
    [
        ("config.json", {"code_version": "0.1.0", "format": 1}),
        ("config.json", {"specification": {}, "seal": ""}),
        ("generator.json", {"code_version": "0.1.0", "format": 1}),
        ("request.json", {"seed": 0}),
    ],
)
def test_a_file_in_a_folder_of_unfinished_work(configuration: str, content: dict[str, Any]) -> None:
    Path("work", "inner").mkdir(parents=True)
    write_json(Path("work", configuration), content)
    Path("work", ".lock").touch()
    for path in (f"work/{configuration}", "work/inner/new.json"):
        assert "'work' holds other work" in refused(("graphwsl", "score", "--out"), path)


@pytest.mark.parametrize(
    "kind",
    [RUN, LandscapeFolder.kind, TRAINING, ZOO, GENERATOR, PREDICTOR, REPRESENTATION],
    ids=str,
)
def test_every_kind_of_work_is_known(kind: WorkKind) -> None:
    assert kind.configuration in CONFIGURATIONS


def test_the_working_folder_of_others_is_no_folder_of_work() -> None:
    write_json(Path("manifest.json"), {"name": "a page", "icons": []})
    for content in ({"model_type": "bert"}, {"specification": "of another program"}):
        write_json(Path("config.json"), content)
        require_file_outside_work("new.json")
        require_folder_outside_work("new")
    Path(".lock").touch()
    Path("request.json").write_text("no JSON")
    require_file_outside_work("new.json")
    write_json(Path("request.json"), {"a": 1})
    require_file_outside_work("new.json")


def test_pages_and_pictures_of_a_run_lie_in_its_folder() -> None:
    run = folder_of_work("run", "config.json", *NOT_PROMISED)
    require_file_outside_work(run / "report.html")
    require_file_outside_work(run / "basin.png")
    for name in ("manifest.json", "timing.json", ".lock", "config.json", "labels.csv"):
        with pytest.raises(StorageError, match="'run' holds other work"):
            require_file_outside_work(run / name)
    (run / "manifest.json").unlink()
    require_file_outside_work(run / "report.html")


def collision(*arguments: str) -> str:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = CliRunner().invoke(PROGRAMS[arguments[0]], arguments[1:])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert before == {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    return result.stderr


def test_a_file_that_the_command_reads() -> None:
    Path("nodes.csv").write_text("node\n")
    Path("model").mkdir()
    Path("link.csv").symlink_to("nodes.csv")
    predict = ("gridstab", "predict", "model", "--case", "lines.csv", "--node-table", "nodes.csv")
    for name in ("nodes.csv", "model/../nodes.csv", "link.csv"):
        assert collision(*predict, "--out", name) == (
            f"gridstab: --out: cannot write {name!r}: the command reads it (--node-table); name "
            "another file\n"
        )
    # Whatever the order of the options.
    said = collision("gridstab", "predict", "--out", "nodes.csv", "--case", "nodes.csv", "model")
    assert "the command reads it (--case)" in said
    said = collision("graphwsl", "diagnose", "nodes.csv", "p.csv", "--out", "nodes.csv")
    assert "the command reads it (" in said


def test_a_file_that_is_written_twice() -> None:
    said = collision("graphwsl", "landscape", "zoo", "--picture", "a.png", "--ways", "a.png")
    assert "--picture: cannot write 'a.png': the command writes it (--ways)" in said


def test_a_file_in_a_folder_of_others_that_the_command_reads() -> None:
    foreign = Path("foreign", "trial")
    foreign.mkdir(parents=True)
    for name in ("params.json", "old.png", "old.html"):
        (foreign / name).write_text("{}")
    score = ("graphwsl", "score", "made", "--zoo", "foreign", "--out")
    said = collision(*score, "foreign/trial/params.json")
    assert "it is there already, in the folder 'foreign' that the command reads (--zoo)" in said
    for name in ("foreign/new.json", "params.json"):
        assert "--out" not in collision(*score, name)
    monitor = ("graphwsl", "monitor", "foreign", "--picture", "foreign/trial/old.png")
    assert "--picture" not in collision(*monitor)
    report = ("gridstab", "report", "foreign", "--out", "foreign/trial/old.html")
    assert "--out" not in collision(*report)


def test_a_name_that_an_option_knows_is_no_folder() -> None:
    for name in ("digits", "foreign"):
        Path(name).mkdir()
        Path(name, "card.json").write_text("{}")
    score = ("graphwsl", "score", "made", "--zoo", "zoo", "--data")
    assert "--out" not in collision(*score, "digits", "--out", "digits/card.json")
    assert "(--data)" in collision(*score, "foreign", "--out", "foreign/card.json")
