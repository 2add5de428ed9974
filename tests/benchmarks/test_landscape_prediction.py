"""The benchmark of predicted landscapes: its table is that of its cells, which come back."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import landscape_prediction
from benchmarks.landscape_prediction import values_of


def result(task: str, seed: int, **metrics: float) -> dict[str, Any]:
    return {"task": task, "seed": seed, "metrics": {"20": metrics, "100": metrics}}


def test_snbs_is_compared_under_one_name() -> None:
    drawn = [result("landscape", seed, ssim=0.5, snbs_r2=0.6 + 0.2 * seed) for seed in (0, 1)]
    direct = [result("snbs", 1, r2=0.9)]
    assert values_of(drawn, "20", "snbs_r2") == "0.700 ± 0.141"
    assert values_of(direct, "100", "snbs_r2") == "0.900"
    assert values_of(direct, "20", "ssim") == ""


@pytest.mark.slow
def test_quick_and_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landscape_prediction.main(json=tmp_path / "quick.json", quick=True)
    made = json.loads((tmp_path / "quick.json").read_text(encoding="utf-8"))
    cells = made["measured"]["cells"]
    assert len(cells) == 4
    monkeypatch.setattr(landscape_prediction, "train_model", None)
    monkeypatch.setattr(landscape_prediction, "known_cells", lambda name: cells)
    landscape_prediction.main(
        grids=10, tests=2, others=2, resolution=8, epochs=2, seeds=2, out=tmp_path / "out",
        restore=True, json=tmp_path / "again.json",
    )  # fmt: skip
    again = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    assert again["tables"] == made["tables"]
