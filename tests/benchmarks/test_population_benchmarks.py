"""The benchmarks of populations run on a few networks, and every table of theirs has rows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import (
    diagnosis,
    generation_scale,
    landscapes,
    phase_zoos,
    prompt_to_lora,
    representation_training,
    sparse_twins,
    trajectories,
)
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


def test_phase_zoos(tmp_path: Path) -> None:
    phase_zoos.main(out=tmp_path / "cells", json=tmp_path / "result.json", quick=True)
    measured = read_json(tmp_path / "result.json")["measured"]["cells"]
    assert [len(one["cells"]) for one in measured.values()] == [4]


def test_representation_training(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    representation_training.main(methods="sane,graph_autoencoder", json=path, quick=True)
    rows = read_json(path)["measured"]["rows"]
    assert [row["method"] for row in rows] == ["sane", "graph_autoencoder"]
    for row in rows:
        seconds = 7000 / 12 * (row["before"] + row["epochs"] * row["epoch"])
        assert row["minutes"] == pytest.approx(seconds / 60)
        assert 0 < row["outside"] < 1


def test_prompts_to_adapters(tmp_path: Path) -> None:
    prompt_to_lora.main(json=tmp_path / "result.json", quick=True)
    assert len(titles(tmp_path / "result.json")) == 3


def test_a_large_network_from_one_pass(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    generation_scale.main(recurrence="transformer", json=path, quick=True)
    (row,) = read_json(path)["measured"]["rows"]
    assert row["numbers"] > 600_000
    assert row["gigabytes"] < 24
