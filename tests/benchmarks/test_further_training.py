"""The benchmark of further training, on tiny grids."""

import json
from pathlib import Path

import pytest

from benchmarks import further_training
from benchmarks.leaderboard.sets import write_tiny_sets
from gridstab.datasets import Campaign, run_campaign
from gridstab.learning.train import train_model


def test_a_network_goes_on_with_as_many_grids_as_are_asked_for(tmp_path: Path) -> None:
    sets = write_tiny_sets(tmp_path / "sets")
    first = tmp_path / "first"
    before = train_model("gcnnet01", sets["ds20"], first, epochs=1)
    odd = tmp_path / "odd"
    run_campaign(Campaign.resolve(nodes=9, grids=12, samples=8), odd, workers=1)
    as_it_was = further_training.further(first, str(odd), 0, 1, 1e-3, tmp_path / "none")
    assert as_it_was.config == before.config
    assert not (tmp_path / "none").exists()
    more = further_training.further(first, str(odd), 3, 2, 1e-3, tmp_path / "more")
    assert more.config.data.grids["train"] == 3
    assert (more.config.settings.epochs, more.config.settings.learning_rate) == (2, 1e-3)
    assert more.config.started_from is not None
    judged = further_training.judge(more, str(odd), {"home": sets["ds20"]})
    assert judged["r2"] <= 1
    assert 0 <= judged["error_without_power"] <= 1
    assert set(judged["r2_of"]) == {"home"}


@pytest.mark.slow
def test_quick(tmp_path: Path) -> None:
    further_training.main(json=tmp_path / "quick.json", quick=True)
    result = json.loads((tmp_path / "quick.json").read_text(encoding="utf-8"))
    assert [row[0] for row in result["tables"][0]["rows"]] == ["0", "4"]
