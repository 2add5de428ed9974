"""The benchmark of populations runs, and what it compares agrees."""

import json
from pathlib import Path

from benchmarks.population_rows import main


def test_quick_run_writes_its_figures(tmp_path: Path) -> None:
    main(32, 1, tmp_path / "result.json", quick=True)
    measured = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["measured"]
    assert measured["rows"]["checkpoints"] == 32 * 50
    assert measured["evaluation"]["differing"] == 0
    for tool in ("rows", "evaluation"):
        assert all(min(pair) > 0 for pair in measured[tool]["seconds"].values())
