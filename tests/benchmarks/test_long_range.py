"""The long-range benchmark, on a few tiny graphs."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer import BadParameter

from benchmarks import long_range
from benchmarks.graph_tasks import training


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


def test_accuracy_is_shown_against_the_distance(tmp_path: Path) -> None:
    options = {"tasks": "signal", "distances": "1,2", "signal_models": "GCN,GATv2"}
    result = run(tmp_path, rates="0.001", **options)
    measured = result["measured"]
    assert list(measured) == ["signal-1", "signal-2"]
    table = result["tables"][-1]
    assert table["columns"] == ["model", "1", "2"]
    for row in table["rows"]:
        scores = [
            cell["test"]
            for task in measured.values()
            for cell in task["cells"]
            if cell["model"] == row[0]
        ]
        assert row[1:] == [f"{score:.3f}" for score in scores]
    with pytest.raises(BadParameter, match="no task 'signals'"):
        run(tmp_path, tasks="signals")


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
    signals = {"signal-1", "signal-2"}
    whole = {"sssp", "eccentricity", "diameter", "peptides-func"}
    assert set(result["measured"]) == signals | whole
    for name, task in result["measured"].items():
        models = {"DBGNN", "GCN", "GPS"}
        models |= {"GIN", "GatedGCN", "GATv2", "PNA"} if name in signals else set()
        assert {cell["model"] for cell in task["cells"]} == models
