"""Where an optional package is missing, the hint is a command that works."""

import re
import shlex
import tomllib
from importlib.metadata import PackageNotFoundError

import pytest

from gnncore import extras
from tests import ROOT

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_the_command_names_what_the_extra_needs(extra: str) -> None:
    command = shlex.split(extras.install_command(extra))
    assert command[:2] == ["pip", "install"]
    assert sorted(command[2:]) == sorted(EXTRAS[extra])


def test_a_tree_that_was_never_installed_has_a_hint_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(extras, "requires", missing)
    assert extras.install_command("report") == "pip install 'graphwsl-gridstab[report]'"


def test_extras_that_the_code_names_exist() -> None:
    named = [
        match[1]
        for package in ("gnncore", "graphwsl", "gridstab")
        for file in (ROOT / package).rglob("*.py")
        for match in re.finditer(r"install_command\(['\"](\w+)['\"]\)", file.read_text())
    ]
    assert len(named) > 5
    assert set(named) <= set(EXTRAS)
