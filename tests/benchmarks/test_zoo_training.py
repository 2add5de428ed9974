"""The benchmark of zoos runs, and its figures belong together."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.zoo_training import main


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_quick_run_writes_its_figures(tmp_path: Path) -> None:
    main("digits_seed", None, 2, 1, tmp_path / "result.json", quick=True)
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    measured = result["measured"]
    names = ["one at a time", "torch.func.vmap", "ours", "ours, measured too"]
    assert sorted(measured["seconds"]) == sorted(names)
    # Two padded convolutions of 8 channels on 8 × 8 and 4 × 4 pixels, and the read-out.
    first, second, last = 8 * 9 * 64, 64 * 9 * 16, 80
    assert measured["operations_of_an_epoch"] == 1400 * 2 * (2 * first + 3 * second + 3 * last)
    rows = {row[0]: row for row in result["tables"][0]["rows"]}
    fast = measured["seconds"]["one at a time"]["median"] / measured["seconds"]["ours"]["median"]
    assert float(rows["ours"][6]) == pytest.approx(fast, abs=0.05)
    assert measured["zoo_core_hours"] > 0
