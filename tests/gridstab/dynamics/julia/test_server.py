"""Julia in processes of its own: reused, replaced, never left behind."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gridstab.dynamics.engine import Perturbations, Trajectories, stop_rule
from gridstab.dynamics.julia import server
from gridstab.dynamics.julia.engine import JuliaEngine
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import EngineFailedError, GridstabError
from gridstab.grids.power_grid import PowerGrid
from tests.gridstab.dynamics.julia.julia_programs import STAND_IN, start

ENGINE = JuliaEngine()
MODEL = SwingModel.of(PowerGrid.from_arrays([(0, 1)], [1.0, -1.0]))


def simulate(trajectories: int = 4, horizon: float = 50.0) -> Trajectories:
    perturbations = Perturbations(
        np.zeros(trajectories, np.int64), np.zeros(trajectories), np.linspace(0, 9, trajectories)
    )
    return ENGINE.run(MODEL, perturbations, stop=stop_rule("horizon"), horizon=horizon)


@pytest.fixture
def process(julia: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["server.JuliaServer"]:
    """The Julia process of this thread, after it has simulated."""
    monkeypatch.setenv("GRIDSTAB_JULIA_MODE", "subprocess")
    monkeypatch.setattr(server, "find_source", lambda: STAND_IN)
    # Another test may have left one that serves the real package.
    monkeypatch.setattr(server, "_of_thread", threading.local())
    simulate()
    yield server._of_thread.server
    server._of_thread.server.close()


def is_running(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # it may end between opening and reading
        return False
    return state != "Z"


def wait_for_end(number: int) -> None:
    deadline = time.monotonic() + 120
    while is_running(number):
        assert time.monotonic() < deadline, f"process {number} is still there"
        time.sleep(0.05)


def test_one_process_serves_many_calls(process: "server.JuliaServer") -> None:
    for _ in range(3):
        simulate()
    assert server._of_thread.server is process
    # One that has fewer threads than asked for is replaced.
    assert process.serves(process.julia, 1)
    assert not process.serves(process.julia, 2)


def test_a_killed_process_fails_its_call_alone(
    process: "server.JuliaServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    before, answer = simulate(), process._answer

    def answer_while_killed(activity: str) -> str:
        # Only now has it been told what to do: one that dies before is replaced, and that works.
        threading.Timer(0.5, os.kill, [process.process.pid, signal.SIGKILL]).start()
        return answer(activity)

    monkeypatch.setattr(process, "_answer", answer_while_killed)
    with pytest.raises(EngineFailedError, match=r"SIGKILL while it simulated 20000 traj") as raised:
        simulate(20_000, horizon=1e6)
    assert isinstance(raised.value, GridstabError)
    assert "\n" not in str(raised.value)
    after = simulate()
    assert server._of_thread.server is not process
    assert after.max_frequency.tolist() == before.max_frequency.tolist()


def test_one_that_died_in_between_is_replaced(process: "server.JuliaServer") -> None:
    os.kill(process.process.pid, signal.SIGKILL)
    process.process.wait(timeout=120)
    simulate()
    assert server._of_thread.server is not process


def test_it_leaves_no_files(
    process: "server.JuliaServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    simulate()
    assert process.serves(process.julia, 1)
    assert list(tmp_path.iterdir()) == []
    process.close()
    assert not is_running(process.process.pid)


def test_one_that_cannot_start_says_why(
    julia: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "GridDynamics.jl"
    source.write_text('error("no such luck")')
    monkeypatch.setattr(server, "find_source", lambda: source)
    with pytest.raises(EngineFailedError, match=r"ended with code 1 while it started"):
        server.JuliaServer(julia, 1)
    source.write_text('module GridDynamics; serve() = println("hello"); end')
    with pytest.raises(EngineFailedError, match="'hello' instead of 'ready 1'"):
        server.JuliaServer(julia, 1)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
@pytest.mark.usefixtures("julia")
@pytest.mark.parametrize("end", ["exit", "kill", "kill while it works"])
def test_it_ends_with_its_parent(tmp_path: Path, end: str) -> None:
    program = start(
        "simulate()\n"
        "print(server._of_thread.server.process.pid, flush=True)\n"
        + {"exit": "", "kill": "time.sleep(60)"}.get(end, "simulate(many, horizon=1e6)"),
        GRIDSTAB_JULIA_MODE="subprocess",
        TMPDIR=str(tmp_path),
    )
    assert program.stdout is not None
    number = int(program.stdout.readline())
    if end != "exit":
        time.sleep(0.5)
        program.kill()
    program.communicate(timeout=60)
    wait_for_end(number)
    if end != "kill while it works":
        assert list(tmp_path.iterdir()) == []
