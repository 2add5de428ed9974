"""The documentation is true: its examples run, its links lead somewhere, no option is left out."""

import doctest
import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from typer.testing import CliRunner

from graphwsl.cli import app as graphwsl
from gridstab.cli import app as gridstab
from tests import ROOT
from tests.registries import restored

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

PROGRAMS = {"gridstab": gridstab, "graphwsl": graphwsl}


# Code in another language needs a runner here; `sh` is for .ci/run, `text` is no code.
LANGUAGES = {"python", "console", "toml", "sh", "text", "bibtex"}


def run_console(example: Example) -> None:
    """Runs every command of a block, whose shown lines must occur in what it prints, in order.

    ``…`` stands for anything: digits that depend on the processor, or lines that are left out.
    """
    for block in re.split(r"^\$ ", example.parsed, flags=re.M)[1:]:
        command, _, shown = block.partition("\n")
        program, *arguments = shlex.split(command)
        assert program in PROGRAMS, f"only {', '.join(PROGRAMS)} can be run here, not {command!r}"
        result = CliRunner().invoke(PROGRAMS[program], arguments, env={"COLUMNS": "80"})
        assert result.exit_code == 0, f"{command!r} failed: {result.output}"
        wanted = [re.escape(line.strip()) for line in shown.splitlines() if line.strip()]
        pattern = ".*?".join(wanted).replace("…", ".*?")
        assert re.search(pattern, result.output, re.S), f"{command!r} printed {result.output}"


def write_file(example: Example) -> None:
    """A TOML block becomes the file that the comment in its first line names."""
    name = example.parsed.splitlines()[0].removeprefix("# ")
    Path(name).write_text(example.parsed, encoding="utf-8")


EXAMPLES_IN = Sybil(
    [
        PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS),
        CodeBlockParser("console", run_console),
        CodeBlockParser("toml", write_file),
    ]
)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Examples write where they like, and what they register is theirs alone."""
    monkeypatch.chdir(tmp_path)
    with restored():
        yield


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_the_page_run(page: Path) -> None:
    for example in EXAMPLES_IN.parse(page).examples():
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_code_block_has_a_known_language(page: Path) -> None:
    fences = re.findall(r"^ *```(.*)$", page.read_text(encoding="utf-8"), re.M)
    assert set(fences[::2]) <= LANGUAGES
    assert set(fences[1::2]) <= {""}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    broken = [
        link for link in links if "://" not in link and not (page.parent / link).resolve().exists()
    ]
    assert broken == []


def test_every_page_is_on_the_map() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in PAGES[1:]} - {"index.md"}
    assert {name for name in pages if f"({name})" not in index} == set()


SMALLER = {
    "generate_networks.py": {"networks": 6, "epochs": 1},
    "latent_space.py": {"networks": 16, "epochs": 1},
    "predict_accuracy.py": {"networks": 8, "epochs": 2},
}
"""What examples are called with that would take a minute as they are."""


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.name)
def test_example_scripts_run(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if script.name in SMALLER:
        runpy.run_path(str(script))["main"](**SMALLER[script.name])
    else:
        runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out


def options_of(command: Any) -> set[str]:
    return {
        option
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    }


def commands_of(name: str, command: Any) -> dict[str, Any]:
    """The commands of a program, those of groups included, by what one types."""
    if not hasattr(command, "commands"):
        return {name: command}
    parts = [commands_of(f"{name} {part}", own) for part, own in command.commands.items()]
    return {name: own for part in parts for name, own in part.items()}


COMMANDS = {
    name: command
    for program, app in PROGRAMS.items()
    for name, command in commands_of(program, typer.main.get_command(app)).items()
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line_page_lists_exactly_the_options(name: str) -> None:
    pages = [ROOT / "docs" / f"command-line{of}.md" for of in ("", "-of-graphwsl")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    sections = re.split(r"^## `([\w -]+)`$", text, flags=re.M)
    documented = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert documented.keys() == COMMANDS.keys()
    rows = re.findall(r"^\| `(--[\w-]+)", documented[name], re.M)
    assert sorted(rows) == sorted(options_of(COMMANDS[name]))


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_command_line_page_begins_with_the_options_of_the_programs(program: str) -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(--[\w-]+)", text.partition("\n## ")[0], re.M)
    assert sorted(rows) == sorted(options_of(typer.main.get_command(PROGRAMS[program])))


def test_the_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [
        line for block in re.findall(r"^```sh\n(.*?)```", text, re.M | re.S)
        for line in block.splitlines()
    ]  # fmt: skip
    assert len(commands) == 2
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands)
    assert " gridstab simulate " in commands[0].replace(".venv/bin/", " ")
    # .ci/run finds the second one by these words.
    assert [" -m pytest" in command for command in commands] == [False, True]


def test_shown_output_is_compared() -> None:
    """The checker itself: output that does not occur, and a failing command, are errors."""
    page = Path("page.md")
    for text in ("$ gridstab --version\ngridstab 9", "$ gridstab simulate --nodes 1"):
        page.write_text(f"```console\n{text}\n```\n", encoding="utf-8")
        (example,) = EXAMPLES_IN.parse(page).examples()
        with pytest.raises(AssertionError):
            example.evaluate()
