"""Cells of a long measurement: done once, resumed after a kill, left to whoever began them."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.cells import (
    RESULT,
    Result,
    finished_cells,
    restore_cells,
    run_cell,
    time_warning,
)
from gnncore.storage import StorageError, exclusive_lock, read_json


def test_a_cell_is_worked_out_once(tmp_path: Path) -> None:
    calls: list[Path] = []

    def work(folder: Path) -> Result:
        calls.append(folder)
        return {"value": len(calls)}

    assert run_cell(tmp_path / "a", work) == {"value": 1}
    assert run_cell(tmp_path / "a", work) == {"value": 1}
    assert run_cell(tmp_path / "b", work) == {"value": 2}
    assert calls == [tmp_path / "a", tmp_path / "b"]
    assert finished_cells(tmp_path) == [
        (tmp_path / "a", {"value": 1}),
        (tmp_path / "b", {"value": 2}),
    ]


def test_cells_done_elsewhere_are_taken_over_unless_they_are_here(tmp_path: Path) -> None:
    run_cell(tmp_path / "here", lambda _: {"value": 1})
    restore_cells(tmp_path, {"here": {"value": 2}, "a/there": {"value": 3}})
    assert finished_cells(tmp_path) == [
        (tmp_path / "a" / "there", {"value": 3}),
        (tmp_path / "here", {"value": 1}),
    ]


def test_a_result_that_no_longer_holds_is_replaced(tmp_path: Path) -> None:
    run_cell(tmp_path, lambda _: {"data": 1})
    assert run_cell(tmp_path, lambda _: {"data": 2}, lambda r: r["data"] == 1) == {"data": 1}
    assert run_cell(tmp_path, lambda _: {"data": 2}, lambda r: r["data"] == 2) == {"data": 2}
    assert read_json(tmp_path / RESULT) == {"data": 2}


def test_a_killed_cell_goes_on_with_what_it_kept(tmp_path: Path) -> None:
    def killed(folder: Path) -> Result:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cell(tmp_path, killed)
    assert finished_cells(tmp_path) == []
    assert run_cell(tmp_path, lambda folder: {"half": (folder / "half").exists()}) == {"half": True}


def test_a_cell_of_another_process_is_left_to_it(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path):
        assert run_cell(tmp_path, lambda _: {}) is None
    assert run_cell(tmp_path, lambda _: {}) == {}


def test_other_failures_are_not_hidden(tmp_path: Path) -> None:
    def fails(folder: Path) -> Result:
        raise StorageError.because("write", folder, "the disk is full")

    with pytest.raises(StorageError, match="the disk is full"):
        run_cell(tmp_path, fails)


def test_a_crowded_machine_is_named() -> None:
    def record(load: float) -> dict[str, Any]:
        return {"hardware": {"load_average": [load, 9.0, 9.0], "cores": 2}}

    assert time_warning(record(1.9)) == []
    (sentence,) = time_warning(record(5.3))
    assert "load 5.3 on 2 cores" in sentence
