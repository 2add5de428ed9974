"""Where Julia is looked for; the binaries here are shell scripts that say what Julia would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gridstab.dynamics.engines import ENGINES, make_engine
from gridstab.dynamics.julia import find
from gridstab.dynamics.schedule import EARLY_STEP, EARLY_TIME
from gridstab.errors import EngineUnavailableError
from tests import ROOT

NAMES = [name for name in ENGINES if name.startswith("julia")]


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Julia anywhere."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("GRIDSTAB_JULIA", raising=False)
    monkeypatch.delenv("GRIDSTAB_JULIA_PREFIX", raising=False)


def test_the_order_in_which_julia_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the last to the first: each wins over those before."""
    installed = program(tmp_path / "share" / "gridstab" / "julia" / "bin" / "julia", "")
    assert find.find_julia() == installed
    elsewhere = program(tmp_path / "prefix" / "bin" / "julia", "")
    monkeypatch.setenv("GRIDSTAB_JULIA_PREFIX", str(tmp_path / "prefix"))
    assert find.find_julia() == elsewhere
    on_path = program(tmp_path / "bin" / "julia", "")
    assert find.find_julia() == on_path
    named = program(tmp_path / "my julia", "")
    monkeypatch.setenv("GRIDSTAB_JULIA", str(named))
    assert find.find_julia() == named


@pytest.mark.parametrize("name", ["missing", "folder", "text"])
def test_a_wrong_path_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    program(tmp_path / "bin" / "julia", "")  # not taken in its place
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("julia")
    monkeypatch.setenv("GRIDSTAB_JULIA", str(tmp_path / name))
    with pytest.raises(EngineUnavailableError, match=re.escape(repr(str(tmp_path / name)))):
        find.find_julia()


@pytest.mark.parametrize("name", NAMES)
def test_without_julia_the_engines_say_what_to_do(name: str) -> None:
    with pytest.raises(EngineUnavailableError) as raised:
        make_engine(name)
    message = str(raised.value)
    assert "\n" not in message
    for word in (name, "install_julia.sh", "julialang.org", "GRIDSTAB_JULIA"):
        assert word in message
    installer = Path(message.rsplit("run ", 1)[1].split(",")[0])
    assert installer.is_file()


def test_the_program_prints_it_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gridstab", "simulate", "--engine", "julia"]
    out = str(tmp_path / "run")
    done = subprocess.run([*command, "--out", out], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "install_julia.sh" in done.stderr
    assert not os.path.exists(out)


def test_the_version_is_asked_once(tmp_path: Path) -> None:
    julia = program(
        tmp_path / "julia", f'echo asked >> "{tmp_path}/log"; echo julia version 1.10.4'
    )
    assert [find.julia_version(julia) for _ in range(3)] == ["1.10.4"] * 3
    assert (tmp_path / "log").read_text() == "asked\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("echo julia version 1.4.2", "version 1.4.2, but 1.5 is the oldest"),
        ("echo julia version 0.7.0", "version 0.7.0"),
        ("echo something else", "is not Julia"),
        ("exit 3", "does not run"),
    ],
)
def test_what_does_not_serve(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(EngineUnavailableError, match=complaint):
        find.julia_version(program(tmp_path / "julia", text))


def test_the_sources_are_those_of_the_tree() -> None:
    source = find.find_source()
    assert source == ROOT / "simulations" / find.MAIN_FILE
    assert "module GridDynamics" in source.read_text()


def test_an_installation_is_asked_where_it_put_the_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel's data files lie outside of the packages; its record names them."""
    packages = tmp_path / "lib" / "site-packages"
    source = tmp_path / "share" / "gridstab" / find.MAIN_FILE
    source.parent.mkdir(parents=True)
    source.write_text("module GridDynamics")
    information = packages / "graphwsl_gridstab-0.1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Name: graphwsl-gridstab\nVersion: 0.1.0\n")
    (information / "RECORD").write_text(f"../../share/gridstab/{find.MAIN_FILE},,\n")
    monkeypatch.setattr(find, "__file__", str(packages / "gridstab/dynamics/julia/find.py"))
    monkeypatch.setattr(sys, "path", [str(packages)])
    find._find_installed.cache_clear()
    try:
        assert find.find_source() == source
        source.unlink()
        find._find_installed.cache_clear()
        with pytest.raises(EngineUnavailableError, match="reinstall"):
            find.find_source()
    finally:
        find._find_installed.cache_clear()


def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    monkeypatch.delenv("JULIA_DEPOT_PATH", raising=False)
    assert find.julia_environment(3)["JULIA_DEPOT_PATH"].startswith("caches/gridstab/julia")
    assert find.julia_environment(3)["JULIA_NUM_THREADS"] == "3"
    monkeypatch.setenv("JULIA_DEPOT_PATH", "mine")
    assert find.julia_environment(3)["JULIA_DEPOT_PATH"] == "mine"


def test_both_fast_methods_take_the_same_step() -> None:
    schedule = find.find_source().with_name("schedule.jl").read_text()
    step = re.search(r"^const EARLY_STEP = ([0-9.]+)$", schedule, re.MULTILINE)
    time = re.search(r"^const EARLY_TIME = ([0-9.]+)$", schedule, re.MULTILINE)
    assert step is not None
    assert time is not None
    assert (float(step[1]), float(time[1])) == (EARLY_STEP, EARLY_TIME)
