"""Lines of progress: what is done, how fast, and how long it will take."""

import pytest

from gnncore.command_line import progress
from gnncore.command_line.progress import work_progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "SECONDS_PER_LINE", 10.0)
    return now


def test_the_rate_counts_from_what_was_there(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with work_progress("grids", quiet=False) as show:
        assert show is not None
        show(400, 1000)
        clock[0] += 20
        show(600, 1000)
        clock[0] += 9
        show(650, 1000)  # too soon
    said = capsys.readouterr().err
    assert said == "600 of 1,000 grids, 10 grids per second, 40 s left\n"


def test_the_time_before_the_first_call_does_not_count(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with work_progress("grids", quiet=False) as show:
        assert show is not None
        clock[0] += 50
        show(0, 1000)
        clock[0] += 20
        show(200, 1000)
    said = capsys.readouterr().err
    assert said.splitlines()[-1] == "200 of 1,000 grids, 10 grids per second, 80 s left"


def test_a_note_stays_until_there_is_another(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with work_progress("graphs", quiet=False) as show:
        assert show is not None
        show(0, 40)
        show(10, 40, "epoch 1, r2 0.5")
        clock[0] += 10
        show(20, 40)
    assert capsys.readouterr().err == "epoch 1, r2 0.5, 2 graphs per second, 10 s left\n"


def test_slow_work_has_seconds_for_one(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with work_progress("trajectories", quiet=False) as show:
        assert show is not None
        show(0, 4)
        clock[0] += 15
        show(0, 4)
        clock[0] += 15
        show(1, 4)
        clock[0] += 10
        show(8, 10)
    assert capsys.readouterr().err.splitlines() == [
        "0 of 4 trajectories",
        "1 of 4 trajectories, 30 s per trajectory, 90 s left",
        "8 of 10 trajectories, 5.0 s per trajectory, 10 s left",
    ]


def test_a_milestone_gets_a_line_at_once(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with work_progress("graphs", quiet=False) as show:
        assert show is not None
        show(0, 40)
        clock[0] += 1
        show(10, 40, "epoch 1", milestone=True)
        show(12, 40)
        clock[0] += 1
        show(20, 40, "epoch 2", milestone=True)
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1, 10 graphs per second, 3 s left",
        "epoch 2, 10 graphs per second, 2 s left",
    ]


def test_quiet_gives_nothing_to_call() -> None:
    with work_progress("grids", quiet=True) as show:
        assert show is None


def test_a_terminal_sees_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with work_progress("grids", quiet=False) as show:
        assert show is not None
        show(0, 4)
        show(2, 4, "note [of] mine")
    said = capsys.readouterr().err
    assert "50%" in said
    assert "grids/s" in said
