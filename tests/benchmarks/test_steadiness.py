"""What is tried for steadiness: every change is one, and the numbers are those of the models."""

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from sklearn.metrics import r2_score

from benchmarks import steadiness
from benchmarks.leaderboard.sets import write_tiny_sets
from gridstab.features.feature_set import FeatureSet
from gridstab.grids.growth import random_grid
from gridstab.learning.data import load_grid_dataset
from gridstab.learning.trained import Ensemble, TrainedModel


def test_changes_are_different() -> None:
    changes = steadiness.CHANGES.values()
    tried = {(repr(change.network), change.data) for change in changes}
    assert len(tried) == len(changes)


def test_distances_are_those_of_networkx() -> None:
    grid = random_grid(20, seed=4)
    graph = nx.Graph(grid.lines.tolist())
    mean = np.array([np.mean(list(nx.shortest_path_length(graph, n).values())) for n in range(20)])
    largest = np.array([nx.eccentricity(graph, n) for n in range(20)])
    found, _ = FeatureSet(node=("relative_distances",), edge=()).compute(grid)
    np.testing.assert_allclose(found[:, 0], largest / largest.mean())
    np.testing.assert_allclose(found[:, 1], mean / mean.mean())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Trainings of the base, which may teach others, and the sets."""
    folder = tmp_path_factory.mktemp("steadiness")
    paths = write_tiny_sets(folder / "sets")
    for seed in (1, 2):
        sets = steadiness.Sets(paths, 14)
        place = folder / f"model-{seed}"
        base = steadiness.CHANGES["base"]
        found = steadiness.train_and_judge(base, sets, paths, place, seed, epochs=1)
        test = load_grid_dataset(paths["ds100"], features=base.network.features, split="test")
        predicted = TrainedModel.load(place).predict_with_range(test)[0]
        expected = r2_score(test.store.tensors["y"], predicted)
        assert found["r2"]["ds100"] == pytest.approx(expected, abs=1e-4)
    return folder, paths


def test_teachers_label_the_training_grids_and_larger_ones(
    run: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, paths = run
    teachers = [folder / "model-1", folder / "model-2"]
    taught = load_grid_dataset(
        steadiness.taught(steadiness.Sets(paths, 14, teachers, tmp_path)),
        features=steadiness.BASE.features,
    )
    train = taught.split("train")
    sizes = [len(graph.y) for graph in train]
    assert (sizes.count(8), sizes.count(100), len(train)) == (14, 14, 28)
    said = Ensemble.load(*teachers).predict(list(train.power_grids()))
    np.testing.assert_allclose(train.store.tensors["y"], said, atol=6e-5)
    home = load_grid_dataset(paths["ds20"], features=steadiness.BASE.features)
    for split in ("valid", "test"):
        assert taught.split(split).store.tensors["y"].equal(home.split(split).store.tensors["y"])


@pytest.mark.slow
def test_quick(tmp_path: Path) -> None:
    steadiness.main(json=tmp_path / "quick.json", quick=True, workers=1)
    result = json.loads((tmp_path / "quick.json").read_text())
    assert len(result["tables"][0]["rows"]) == len(steadiness.CHANGES)
