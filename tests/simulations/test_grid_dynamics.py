"""GridDynamics.jl by its own tests, the examples of its documentation, and its installer."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from gridstab.dynamics.julia.find import find_julia, julia_version
from gridstab.errors import EngineUnavailableError
from tests import ROOT

SIMULATIONS = ROOT / "simulations"
PACKAGE = SIMULATIONS / "GridDynamics"


@pytest.fixture
def julia() -> Path:
    try:
        found = find_julia()
        julia_version(found)
    except EngineUnavailableError as error:
        if os.environ.get("GRIDSTAB_REQUIRE_JULIA") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    return found


def run_julia(julia: Path, depot: Path, *arguments: str | Path) -> str:
    done = subprocess.run(
        [julia, "--startup-file=no", f"--project={PACKAGE}", *arguments],
        cwd=ROOT,
        env={**os.environ, "JULIA_DEPOT_PATH": str(depot)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


def blocks(language: str) -> list[str]:
    text = (SIMULATIONS / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.slow
def test_the_tests_of_the_package_pass(julia: Path, tmp_path: Path) -> None:
    assert "GridDynamics" in run_julia(julia, tmp_path, PACKAGE / "test" / "runtests.jl")


@pytest.mark.slow
def test_the_examples_in_julia_run(julia: Path, tmp_path: Path) -> None:
    script = tmp_path / "readme.jl"
    # Paths in the documentation are those of a session in the root of the sources.
    code = "\n".join(blocks("julia")).replace('include("', f'include("{ROOT.as_posix()}/')
    check = "\nall(0 .< stability.measure .< 500) || error(string(stability.measure))\n"
    script.write_text(code + check, encoding="utf-8")
    run_julia(julia, tmp_path / "depot", script)


@pytest.mark.slow
def test_the_example_in_python_labels_every_node(
    julia: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("JULIA_DEPOT_PATH", str(tmp_path))
    [code] = blocks("python")
    names: dict[str, object] = {}
    exec(compile(code, "simulations/README.md", "exec"), names)
    label = names["label"]
    # Perturbations of up to 15 rad/s stay above 1 rad/s for a while, and controlled nodes return.
    assert ((label > 0) & (label < 100)).all()  # type: ignore[operator, attr-defined]
    assert "[" in capsys.readouterr().out


def test_the_installer_refuses_other_systems_in_one_line(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "uname").write_text("#!/bin/sh\necho Plan9\n")
    (tools / "uname").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", SIMULATIONS / "install_julia.sh", tmp_path / "julia"],
        env={"PATH": str(tools), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "install_julia: apt is needed, this is Plan9; "
        "install Julia with the official installer from julialang.org (juliaup)"
    ]
    assert not (tmp_path / "julia").exists()
