"""Intervals are judged on trainings of the leaderboard where it has some."""

import json
from pathlib import Path

import pytest

from benchmarks import intervals
from benchmarks.leaderboard.rows import DEFAULT_ROW, ROWS
from benchmarks.leaderboard.sets import GridSets, write_tiny_sets
from benchmarks.leaderboard.training import Cell
from gridstab.errors import InvalidParameterError


def test_trainings_of_the_leaderboard_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_tiny_sets(tmp_path / "sets")
    monkeypatch.setattr(intervals, "PACKAGED", paths)
    row = ROWS[DEFAULT_ROW]
    for seed in (1, 2):
        Cell(row, "ds20_large", 14, seed, epochs=1).run(GridSets(dict(paths)), tmp_path)
    monkeypatch.setattr(intervals, "train_model", None)
    out = tmp_path / "intervals.json"
    intervals.main("ds20_large", levels="0.5", trainings=tmp_path, json=out)
    rows = json.loads(out.read_text(encoding="utf-8"))["measured"]["rows"]
    assert {one["tested_on"] for one in rows} == {"ds20_large", "ds20", "ds100", "texas"}
    assert {one["seed"] for one in rows} == {1, 2, None}
    assert all(one["validation_grids"] == 3 for one in rows)


def test_a_row_without_trainings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match=f"has no training of {DEFAULT_ROW!r} on"):
        intervals.main("ds20_large", trainings=tmp_path)
