"""Campaigns with the Julia engine: every worker thread has a julia process of its own."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gridstab.run_bytes import promised_bytes

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("julia")]

COMMAND = ["simulate", "--nodes", "20", "--grids", "6", "--samples", "4000", "--quiet"]
COMMAND += ["--engine", "julia-tsit5", "--workers", "2", "--no-picture"]


def gridstab(*arguments: str) -> "subprocess.Popen[str]":
    # A shell's background jobs ignore Ctrl-C, and so would their children.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from gridstab.cli import main\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]", code: int) -> str:
    out, error = process.communicate(timeout=300)
    assert process.returncode == code, out + error
    return out


def test_finished_work_survives_an_interrupt(tmp_path: Path) -> None:
    small = [*COMMAND, "--samples", "60", "--horizon", "60"]
    finish(gridstab(*small, "--out", str(tmp_path / "whole")), 0)
    interrupted = gridstab(*small, "--out", str(tmp_path / "run"))
    while not list((tmp_path / "run").glob("**/*.h5")):
        assert interrupted.poll() is None, interrupted.communicate()
        time.sleep(0.05)
    interrupted.send_signal(signal.SIGINT)
    finish(interrupted, 130)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("**/*.h5")}
    assert kept
    finish(gridstab(*small, "--out", str(tmp_path / "run"), "--resume"), 0)
    assert promised_bytes(tmp_path / "run") == promised_bytes(tmp_path / "whole")
