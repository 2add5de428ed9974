"""A program made in one call: its help, its version, its errors and how it is continued."""

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from gnncore.command_line.options import ALONE, import_option, json_option, quiet_option
from gnncore.command_line.program import make_program
from gnncore.command_line.resuming import resumable

NAILS: Any = import_option("nails")


class HammerError(Exception):
    """Caused by whoever holds it."""


class BrokenError(Exception):
    """Not foreseen."""


def hammer() -> typer.Typer:
    app = make_program("hammer", "Hits nails.", user_error=HammerError, version="1.2")

    @app.command()
    def hit(
        what: str,
        as_json: bool = json_option(ALONE),
        quiet: bool = quiet_option("Output"),
        modules: list[str] = NAILS,
    ) -> None:
        """Hit it."""
        with resumable("hammer"):
            if what == "thumb":
                raise HammerError("that is no nail:\n  a thumb")
            if what == "world":
                import torch

                torch.empty(2**60, dtype=torch.int8)
            if what == "handle":
                raise BrokenError
            if what == "pause":
                raise KeyboardInterrupt
        typer.echo(f"{as_json} {quiet} {modules}")

    @app.command()
    def rest() -> None:
        """Rest."""

    return app


def run(*arguments: str) -> Any:
    return CliRunner().invoke(hammer(), arguments)


def test_its_version() -> None:
    assert (run("--version").exit_code, run("--version").stdout) == (0, "hammer 1.2\n")


def test_its_help_names_commands_and_options() -> None:
    assert all(word in run("--help").stdout for word in ("Hits nails.", "hit", "rest", "--version"))
    shown = " ".join(run("hit", "--help").stdout.split())
    assert "Print one JSON object and nothing else." in shown
    assert "which registers nails;" in shown


def test_options_are_off_unless_given() -> None:
    assert run("hit", "nail").stdout == "False False []\n"
    assert run("hit", "nail", "--json", "--quiet").stdout == "True True []\n"


def test_an_error_of_the_user_is_one_line_that_names_the_program() -> None:
    found = run("hit", "thumb")
    assert (found.exit_code, found.stderr) == (2, "hammer: that is no nail: a thumb\n")


def test_what_needs_too_much_memory_is_said_in_one_line() -> None:
    result = CliRunner().invoke(hammer(), ["hit", "world"])
    assert result.exit_code == 1
    assert result.stderr == "hammer: that needs more memory than there is\n"


def test_other_errors_are_not_hidden() -> None:
    assert isinstance(run("hit", "handle").exception, BrokenError)


def test_two_programs_keep_their_names_apart() -> None:
    other = make_program("saw", "Cuts.", user_error=BrokenError, version="3")
    other.command()(lambda: None)
    assert CliRunner().invoke(other, ["--version"]).stdout == "saw 3\n"
    assert run("hit", "thumb").stderr.startswith("hammer: ")


@pytest.mark.parametrize("given", [["hit", "a b"], ["hit", "a b", "--resume"]])
def test_what_was_interrupted_says_how_to_go_on(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["hammer", *given])
    found = run("hit", "pause")
    assert found.exit_code == 130
    assert found.stderr == "interrupted; continue with: hammer hit 'a b' --resume\n"
