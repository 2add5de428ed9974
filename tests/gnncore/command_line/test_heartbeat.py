"""No command is silent for long."""

import time

import pytest

from gnncore.command_line import heartbeat as module
from gnncore.command_line.heartbeat import doing, heartbeat, note_output
from gnncore.command_line.progress import work_progress


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)


def wait_for_lines(capsys: pytest.CaptureFixture[str], count: int) -> list[str]:
    said = ""
    deadline = time.monotonic() + 60
    while said.count("\n") < count and time.monotonic() < deadline:
        time.sleep(0.02)
        said += capsys.readouterr().err
    return said.splitlines()


def test_a_silent_command_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with heartbeat("gridstab"), doing("computing features of 7,000 grids"):
        lines = wait_for_lines(capsys, 2)
    assert all(line.startswith("gridstab: computing features of 7,000 grids, ") for line in lines)
    assert all(line.endswith(" s so far") for line in lines)


def test_without_a_name_it_is_at_work(capsys: pytest.CaptureFixture[str]) -> None:
    with heartbeat("graphwsl"):
        (line,) = wait_for_lines(capsys, 1)[:1]
    assert line.startswith("graphwsl: at work, ")


def test_who_speaks_needs_no_sign_of_life(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SECONDS", 60.0)
        with heartbeat("gridstab"):
            for _ in range(3):
                note_output()
                time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with heartbeat("gridstab", quiet=True):
        time.sleep(0.5)
    assert capsys.readouterr().err == ""


def test_lines_of_progress_count_as_speaking(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gnncore.command_line.progress.SECONDS_PER_LINE", 0.0)
    monkeypatch.setattr(module, "_latest", -100.0)
    with work_progress("grids", quiet=False) as show:
        assert show is not None
        show(1, 2)
    assert "1 of 2 grids" in capsys.readouterr().err
    assert module._latest > 0
