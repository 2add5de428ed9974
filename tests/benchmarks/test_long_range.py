"""The long-range benchmark, on a few tiny graphs."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer import BadParameter

from benchmarks import long_range
from benchmarks.graph_tasks import training
from benchmarks.graph_tasks.contestants import CONTESTANTS


def run(out: Path, **options: Any) -> dict[str, Any]:
    values = {"tasks": "diameter", "seeds": 1, "epochs": 1, "rates": "0.001,0.01"}
    values |= {"parameters": 8000, "graphs": 8, "smallest": 6, "largest": 8, "models": "GCN"}
    long_range.main(**values | options, out=out / "cells", json=out / "result.json")
    return json.loads((out / "result.json").read_text(encoding="utf-8"))


def test_the_best_rate_is_shown_and_nothing_is_trained_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(tmp_path)
    cells = result["measured"]["diameter"]["cells"]
    best = min(cells, key=lambda cell: cell["validation"])
    row = result["tables"][0]["rows"][0]
    assert [cell["learning_rate"] for cell in cells] == [0.001, 0.01]
    assert row[2:4] == [f"{best['test']:.3f}", f"{best['learning_rate']:g}"]
    assert "diameter is cut to 8 of 5,120 training graphs." in result["sentences"]
    monkeypatch.setattr(training, "fit", None)
    assert run(tmp_path)["measured"] == result["measured"]


def test_a_fresh_clone_begins_with_the_committed_trainings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(tmp_path / "there")
    committed = tmp_path / "results"
    committed.mkdir()
    shutil.copy(tmp_path / "there" / "result.json", committed / "long_range_all.json")
    monkeypatch.setattr(long_range, "FOLDER", committed)
    monkeypatch.setattr(training, "fit", None)
    (tmp_path / "here").mkdir()
    assert run(tmp_path / "here", restore=True)["measured"] == result["measured"]


def test_rates_are_tried_with_the_first_seed_only(tmp_path: Path) -> None:
    cells = run(tmp_path, seeds=3)["measured"]["diameter"]["cells"]
    first = [cell for cell in cells if cell["seed"] == 1]
    best = min(first, key=lambda cell: cell["validation"])["learning_rate"]
    assert sorted(cell["learning_rate"] for cell in first) == [0.001, 0.01]
    assert [(cell["seed"], cell["learning_rate"]) for cell in cells[2:]] == [(2, best), (3, best)]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("tasks", "radius", "there is no task 'radius', only sssp"),
        (
            "models",
            "GCN,DBGCN",
            "there is no model 'DBGCN', only DBGNN, DBGNN-mean, GCN, GCN-tuned, GPS",
        ),
        ("rates", "0.001,fast", "learning rates lie between 0 and 1, got '0.001,fast'"),
    ],
)
def test_wrong_options_are_one_line(option: str, value: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=message):
        run(tmp_path, **{option: value})
    assert not (tmp_path / "result.json").exists()


def test_peptides_without_their_folder_are_left_out(tmp_path: Path) -> None:
    result = run(tmp_path, tasks="peptides-func")
    assert result["measured"] == {}
    assert result["sentences"][0] == ("Peptides-func is left out: give its folder with --peptides.")
    result = run(tmp_path, tasks="peptides-func", peptides=tmp_path)
    assert "there is no peptide_multi_class_dataset.csv.gz" in result["sentences"][0]


@pytest.mark.slow
def test_quick(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    long_range.main(json=tmp_path / "quick.json", quick=True)
    result = json.loads((tmp_path / "quick.json").read_text(encoding="utf-8"))
    assert set(result["measured"]) == {"sssp", "eccentricity", "diameter", "peptides-func"}
    for task in result["measured"].values():
        assert {cell["model"] for cell in task["cells"]} == set(CONTESTANTS)
