"""Other tasks of the nodes: numbers as by scikit-learn, and fits that are kept."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score

from benchmarks import grid_tasks
from benchmarks.grid_tasks import Fit
from benchmarks.leaderboard.rows import BASELINE_FEATURES
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.run import run_campaign
from gridstab.learning import baselines
from gridstab.learning.data import load_grid_dataset
from gridstab.learning.tasks import TASKS


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels") / "run"
    campaign = Campaign(nodes=20, grids=20, samples=60, seed=1, domega_range=10.0)
    run_campaign(campaign, folder, workers=1)
    return folder


def test_numbers_are_those_of_scikit_learn(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = HistGradientBoostingClassifier
    fewer = {"max_iter": 150}  # the published 1,750 take a while
    monkeypatch.setattr(
        baselines,
        "HistGradientBoostingClassifier",
        lambda **options: make(**{**options, **fewer}),
    )
    fit = Fit("gradient_boosting", TASKS["troublemaker"], {"own": str(labels)}, 1, None)
    result = fit.run(tmp_path)
    assert result is not None
    parts = [
        load_grid_dataset(
            labels, split=split, features=BASELINE_FEATURES["solitary"], target="troublemaker"
        ).store.tensors
        for split in ("train", "test")
    ]
    (x, y), (test_x, test_y) = ((p["x"].numpy(), p["y"].numpy().ravel()) for p in parts)
    assert 0 < test_y.mean() < 0.5
    trees = make(**fewer, learning_rate=0.09, early_stopping=False, random_state=1)
    trees.fit(x, y > 0)
    expected = average_precision_score(test_y > 0, trees.predict_proba(test_x)[:, 1])
    assert result["metrics"]["own"]["average_precision"] == pytest.approx(expected, abs=0.02)


def test_nothing_is_fitted_twice(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(**changes: Any) -> Any:
        options = {"model": "dirac_bianconi", "seed": 1, "epochs": 1, **changes}
        task = TASKS["survivability"]
        return Fit(task=task, data={"own": str(labels)}, **options).run(tmp_path)

    first, ridge = fit(), fit(model="ridge")
    assert np.isfinite(first["metrics"]["own"]["r2"])
    monkeypatch.setattr(grid_tasks, "train_model", None)
    monkeypatch.setattr(grid_tasks, "Baseline", None)
    assert fit() == first
    assert fit(model="ridge") == ridge


@pytest.mark.slow
def test_quick(tmp_path: Path) -> None:
    grid_tasks.main(quick=True, workers=1, json=tmp_path / "result.json")
    record = json.loads((tmp_path / "result.json").read_text())["measured"]
    assert set(record) == {"survivability", "max_frequency_deviation", "troublemaker"}
