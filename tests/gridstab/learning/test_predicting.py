"""Predictions for many grids compute features once, or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gridstab
from gridstab.datasets import RunFolder
from gridstab.features.feature_set import FeatureSet
from gridstab.learning.trained import Ensemble, TrainedModel

pytestmark = pytest.mark.usefixtures("learning")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the grids whose features were computed."""
    names: list[str] = []
    compute = FeatureSet.compute

    def watched(self: FeatureSet, grid: gridstab.PowerGrid) -> Any:
        names.append(grid.name)
        return compute(self, grid)

    monkeypatch.setattr(FeatureSet, "compute", watched)
    return names


def test_features_of_a_set_are_computed_once_for_all_models(
    trained_run: Path, labelled_run: Path, computed: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = gridstab.predict([trained_run, trained_run], str(labelled_run))
    assert len(computed) == len(set(computed)) == 12
    again = gridstab.predict([trained_run, trained_run], str(labelled_run))
    assert len(computed) == 12
    np.testing.assert_array_equal(found.value, again.value)
    assert found.metrics == again.metrics
    folder = RunFolder.open(labelled_run)
    grids = [folder.label(number).grid for number in folder.grid_ids]
    alone = gridstab.predict(trained_run, grids)
    np.testing.assert_array_equal(found.value, alone.value)


def test_members_share_the_features_of_grids(trained_run: Path, computed: list[str]) -> None:
    grids = [gridstab.random_grid(20, seed=seed) for seed in (1, 2)]
    model = TrainedModel.load(trained_run)
    each = Ensemble((model, model, model)).predict_each(grids)
    assert len(computed) == 2
    assert all(one.equal(each[0][0]) for one, _ in each)
