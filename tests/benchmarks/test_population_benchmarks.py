"""The benchmarks of populations run on a few networks, and every table of theirs has rows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import diagnosis, landscapes, sparse_twins, trajectories
from gnncore.storage import read_json

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Benchmarks take one thread, which the tests after them need not."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def titles(path: Path) -> list[str]:
    result = read_json(path)
    assert all(table["rows"] for table in result["tables"])
    return [table["title"] for table in result["tables"]]


def test_trajectories(tmp_path: Path) -> None:
    trajectories.main(json=tmp_path / "result.json", quick=True)
    assert len(titles(tmp_path / "result.json")) == len(trajectories.CELLS)


def test_diagnosis(tmp_path: Path) -> None:
    diagnosis.main(out=tmp_path / "cells", json=tmp_path / "result.json", quick=True)
    assert titles(tmp_path / "result.json")


def test_landscapes(tmp_path: Path) -> None:
    landscapes.main(curve_steps=20, probes=8, json=tmp_path / "result.json", quick=True)
    assert titles(tmp_path / "result.json")


def test_sparse_twins(tmp_path: Path) -> None:
    sparse_twins.main(json=tmp_path / "result.json", quick=True)
    assert len(titles(tmp_path / "result.json")) == 3
