"""Processes of ``graphwsl zoo train`` that are ended alone: the parent, or one of its workers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graphwsl.zoo.layouts.native import ZooFolder
from tests import ROOT

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
    pytest.mark.timeout(1000),
]

TOML = """
epochs = 100000
keep = [0]
[data]
name = "digits"
[fixed]
architecture = "mlp"
width = 4
[grid]
activation = ["relu", "tanh"]
"""
LONGEST = 300.0
"""Seconds until it counts as never: on a machine with much to do, starting takes a minute."""


def children(process: int) -> list[int]:
    """The worker processes of a process: they hold the counters that it shares with them."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes()
                if int(fields[1]) == process and b"spawn_main" in command:
                    found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def training(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A training of two workers at work, and the workers."""
    (folder / "long.toml").write_text(TOML)
    program = [sys.executable, "-c", "from graphwsl.cli import main; main()"]
    command = [*program, "zoo", "train", "long.toml", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        [*command, "--quiet"], cwd=folder, text=True, env=environment, **streams
    ) as parent:
        workers: list[int] = []
        try:
            wait_for(lambda: len(children(parent.pid)) == 2)
            workers = children(parent.pid)
            yield parent, workers
        finally:
            for process in (parent.pid, *workers):
                if is_running(process):
                    os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_workers_end_with_their_parent(how: signal.Signals, tmp_path: Path) -> None:
    with training(tmp_path) as (parent, workers):
        time.sleep(0 if how == signal.SIGKILL else 10)  # while they start, or work
        parent.send_signal(how)
        assert parent.wait(LONGEST) == -how
        wait_for(lambda: not any(map(is_running, workers)))
        # It ends when no process is left that holds the pipes.
        assert parent.communicate(timeout=LONGEST)[0] == ""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_dies_is_said_and_ends_all(how: signal.Signals, tmp_path: Path) -> None:
    with training(tmp_path) as (parent, workers):
        time.sleep(10)
        os.kill(workers[0], how)
        _, err = parent.communicate(timeout=LONGEST)
        assert parent.returncode == 1
        assert err.startswith("graphwsl: a worker process died")
        assert err.count("\n") == 1
        wait_for(lambda: not any(map(is_running, workers)))
    assert ZooFolder(tmp_path / "zoos" / "long").problems() == [
        "unfinished: continue it with --resume, by the command that began it"
    ]
