"""The program as a process of its own: light to start, interrupted, killed, with a full disk."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.gridstab.run_bytes import promised_bytes

GRIDSTAB = [sys.executable, "-m", "gridstab"]
SMALL = ["simulate", "--nodes", "6", "--samples", "20", "--no-picture"]


@pytest.fixture(autouse=True)
def _empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*GRIDSTAB, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_help_imports_no_heavy_package() -> None:
    code = (
        "import sys; sys.argv = ['gridstab', '--help']\n"
        "from gridstab.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('loaded:', *sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rsplit("loaded:", 1)[1].split())
    assert "simulate" in done.stdout
    assert not {"numpy", "scipy", "numba", "h5py", "pydantic", "matplotlib", "ray"} & loaded


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_plain_terminals_are_respected(tmp_path: Path, encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "NO_COLOR": "1", "FORCE_COLOR": ""}
    process = start(*SMALL, "--out", str(tmp_path / "run"), env=environment)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "\x1b" not in stdout + stderr
    assert "mean SNBS" in stdout
    help_text, _ = start("simulate", "--help", env=environment).communicate(timeout=60)
    assert "--precision" in help_text


def test_full_disk_costs_nothing_that_was_there(tmp_path: Path) -> None:
    command = ["simulate", "--nodes", "20", "--samples", "200", "--out", str(tmp_path / "run"),
               "--no-picture", "--quiet"]  # fmt: skip

    def nearly_full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    # numba must not try to store compiled code on the full disk.
    process = start(*command, preexec_fn=nearly_full)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert len(stderr.splitlines()) == 1
    assert "File too large" in stderr
    assert (tmp_path / "run" / "config.json").is_file()
    assert not list((tmp_path / "run").glob("*/*.h5"))
    process = start(*command, "--resume")
    process.communicate(timeout=120)
    assert process.returncode == 0
    finish(start("verify", str(tmp_path / "run")))


def test_ctrl_c_keeps_finished_parts(tmp_path: Path) -> None:
    command = ["simulate", "--nodes", "100", "--samples", "3000", "--no-picture"]
    out = tmp_path / "run"
    process = start(*command, "--out", str(out))
    wait_for_parts(process, out, 1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    last = stderr.splitlines()[-1]
    assert last.startswith("interrupted; continue with: gridstab simulate")
    assert last.endswith("--resume")
    assert "Traceback" not in stderr
    assert list(out.glob("parts/*.h5"))
    assert not (out / "manifest.json").exists()


@pytest.mark.parametrize("kills", [1, pytest.param(25, marks=pytest.mark.slow)])
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path, kills: int) -> None:
    command = ["simulate", "--nodes", "20", "--grids", "3", "--samples", "1000", "--no-picture",
               "--quiet"]  # fmt: skip
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    finish(start(*command, "--out", str(whole)))
    choose = random.Random(0)
    for _ in range(kills):
        if (torn / "manifest.json").exists():
            assert promised_bytes(torn) == promised_bytes(whole)
            shutil.rmtree(torn)
        process = start(*command, "--out", str(torn), "--resume")
        before = stored(torn)
        while process.poll() is None and stored(torn) == before:
            time.sleep(0.001)
        # Most kills fall between two results, some while one is written, some after the end.
        time.sleep(choose.choice([0, choose.uniform(0, 0.02), choose.uniform(0, 0.5)]))
        process.kill()
        process.communicate(timeout=60)
    finish(start(*command, "--out", str(torn), "--resume"))
    assert promised_bytes(torn) == promised_bytes(whole)
    finish(start("verify", str(torn)))
    assert not [file for file in torn.rglob(".*") if file.name != ".lock"]


def finish(process: subprocess.Popen[str]) -> None:
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr


def stored(folder: Path) -> set[str]:
    """Everything that a run has put down so far, temporary files included."""
    return {str(file) for file in folder.rglob("*")}


def wait_for_parts(process: subprocess.Popen[str], out: Path, count: int) -> None:
    while len(list(out.glob("parts/[!.]*.h5"))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
