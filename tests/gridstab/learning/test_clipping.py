"""Bounds on features: where they lie, that the mirror keeps them, that trainings keep them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import gridstab
from gnncore.training import GraphStore
from gridstab.errors import InvalidParameterError
from gridstab.features.feature_set import FEATURE_SETS, FeatureSet
from gridstab.learning.mirror import flip_signs
from gridstab.learning.normalisation import Normalisation
from gridstab.learning.train import train_model
from gridstab.learning.trained import TrainedModel

FEATURES = FEATURE_SETS["operating_point"]


def store_of(
    seed: int, nodes: int = 30, count: int = 8, features: FeatureSet = FEATURES
) -> GraphStore:
    graphs = []
    for number in range(count):
        grid = gridstab.random_grid(nodes, seed=seed + number)
        x, edge_attr = features.compute(grid)
        graphs.append(
            Data(
                x=torch.tensor(x, dtype=torch.float32),
                edge_attr=torch.tensor(edge_attr, dtype=torch.float32),
                edge_index=torch.tensor(grid.edge_index),
            )
        )
    return GraphStore.from_data_list(graphs)


def test_bounds_are_quantiles_of_the_training_set() -> None:
    train = store_of(0)
    plain, bounded = Normalisation.of(train, FEATURES), Normalisation.of(train, FEATURES, clip=0.05)
    values = plain(train).tensors["x"].double().numpy()
    for column, sign in enumerate(FEATURES.node_parity):
        if sign > 0:
            low, high = np.quantile(values[:, column], [0.05, 0.95])
        else:
            high = np.quantile(np.abs(values[:, column]), 0.9)
            low = -high
        assert bounded.node_low[column] == pytest.approx(low)
        assert bounded.node_high[column] == pytest.approx(high)


def test_other_grids_stay_within_the_bounds_and_inner_values_are_untouched() -> None:
    train, larger = store_of(0), store_of(100, nodes=200, count=2)
    plain, bounded = Normalisation.of(train, FEATURES), Normalisation.of(train, FEATURES, clip=0.02)
    for key in ("x", "edge_attr"):
        free, cut = plain(larger).tensors[key], bounded(larger).tensors[key]
        low = torch.tensor(getattr(bounded, f"{'node' if key == 'x' else 'edge'}_low"))
        high = torch.tensor(getattr(bounded, f"{'node' if key == 'x' else 'edge'}_high"))
        assert torch.equal(cut, torch.minimum(torch.maximum(free, low), high))
        assert not torch.equal(cut, free)


def test_the_mirror_of_cut_features_is_the_cut_mirror() -> None:
    train = store_of(0)
    bounded = Normalisation.of(train, FEATURES, clip=0.05)
    batch = train.batch(torch.arange(len(train)))
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        flipped = flip_signs(batch.clone(), generator, features=FEATURES)
        cut, cut_after = (
            bounded(replace(train, tensors={**train.tensors, "x": x})) for x in (batch.x, flipped.x)
        )
        signs = torch.sign(flipped.x[:, :1] * batch.x[:, :1])
        odd = torch.tensor(FEATURES.node_parity) < 0
        expected = torch.where(odd, signs * cut.tensors["x"], cut.tensors["x"])
        assert bool((signs < 0).any())
        assert torch.allclose(cut_after.tensors["x"], expected)


def test_two_valued_power_and_constant_coupling_are_not_cut() -> None:
    features = FeatureSet()
    train = store_of(0, features=features)
    bounded = Normalisation.of(train, features, clip=0.05)
    assert torch.equal(bounded(train).tensors["x"], train.tensors["x"])
    assert torch.equal(bounded(train).tensors["edge_attr"], train.tensors["edge_attr"])


def test_a_training_keeps_its_bounds(labelled_run: Path, tmp_path: Path) -> None:
    options = {"epochs": 1, "features": "operating_point"}
    cut = train_model("default", labelled_run, tmp_path / "cut", **options)
    assert cut.config.clip == 0.01
    assert cut.normalisation.node_low
    assert TrainedModel.load(tmp_path / "cut").normalisation == cut.normalisation
    free = train_model("default", labelled_run, tmp_path / "free", clip=0.0, **options)
    assert free.normalisation.node_low == ()
    published = train_model("tagnet01", labelled_run, tmp_path / "published", epochs=1)
    assert published.config.clip == 0.0


@pytest.mark.parametrize("clip", [-0.1, 0.25, float("nan")])
def test_shares_that_leave_nothing_are_refused(
    labelled_run: Path, tmp_path: Path, clip: float
) -> None:
    with pytest.raises(InvalidParameterError, match=f"clip must be .* got {clip}"):
        train_model("default", labelled_run, tmp_path / "run", clip=clip)
    assert not (tmp_path / "run").exists()
