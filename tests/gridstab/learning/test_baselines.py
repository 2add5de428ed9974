"""Baselines: exact where the truth is linear, scaled on the training set, fair with classes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from gridstab import random_grid
from gridstab.datasets.counted_grid import CountedGrid
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.features.feature_set import FeatureSet
from gridstab.features.measures import PUBLISHED_MEASURES, node_measures
from gridstab.learning.baselines import BASELINES, Baseline
from gridstab.learning.data import GridDataset
from gridstab.learning.evaluation import evaluate
from gridstab.learning.grid_store import grid_store
from gridstab.learning.tasks import TASKS

DEGREE = PUBLISHED_MEASURES.index("degree")
NEIGHBORS = PUBLISHED_MEASURES.index("average_neighbor_degree")


def dataset(first: int, grids: int = 12, nodes: int = 20, noise: float = 0.0) -> GridDataset:
    """Grids whose labels follow from their measures, some linearly and some not."""
    random = np.random.default_rng(first)
    items = []
    for number in range(first, first + grids):
        grid = random_grid(nodes, seed=number)
        measures = node_measures(grid)
        shape = random.normal(0, noise, nodes)
        items.append(
            CountedGrid(
                grid_id=number,
                grid=grid,
                snbs=np.clip(0.95 - 0.1 * measures[:, DEGREE] + shape, 0, 1),
                survivability=np.clip(
                    1 - 0.02 * measures[:, DEGREE] * measures[:, NEIGHBORS] + shape, 0, 1
                ),
                max_frequency_deviation=14 + measures[:, NEIGHBORS] / 3 + shape,
                troublemaker=(measures[:, DEGREE] > 3).astype(np.int64),
            )
        )
    x, edge_attr = torch.zeros(grids * nodes, 1), torch.zeros(0, 0)
    blank = GridDataset(
        grid_store(items),
        x,
        edge_attr,
        name="made",
        features=FeatureSet(edge=()),
        target="snbs",
        splits={},
    )
    return blank.with_features("published_measures")


@pytest.fixture(scope="module")
def train() -> GridDataset:
    return dataset(1, grids=30)


@pytest.fixture(scope="module")
def test() -> GridDataset:
    return dataset(1001)


def r2(prediction: Tensor, made: GridDataset) -> float:
    return evaluate(prediction, made, TASKS[made.target])["r2"]


def test_the_mean_predicts_the_mean(train: GridDataset, test: GridDataset) -> None:
    prediction = Baseline("mean").fit(train).predict(test)
    mean = float(train.store.tensors["y"].double().mean())
    np.testing.assert_allclose(prediction.numpy(), mean, rtol=1e-12)
    assert r2(Baseline("mean").fit(train).predict(train), train) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["linear", "ridge"])
def test_linear_labels_are_found_exactly(name: str, train: GridDataset, test: GridDataset) -> None:
    assert r2(Baseline(name).fit(train).predict(test), test) > 0.9999


def test_products_need_interactions(train: GridDataset, test: GridDataset) -> None:
    products = [made.with_target("survivability") for made in (train, test)]
    task = TASKS["survivability"]
    linear = Baseline("linear", task).fit(products[0]).predict(products[1])
    interacting = Baseline("linear_interactions", task).fit(products[0]).predict(products[1])
    assert r2(linear, products[1]) < 0.99
    assert r2(interacting, products[1]) > 0.9999


@pytest.mark.parametrize(
    ("name", "options"), [("gradient_boosting", {"max_iter": 100}), ("mlp", {"max_iter": 400})]
)
def test_what_learns_curves_learns_a_line(
    name: str, options: dict[str, int], train: GridDataset, test: GridDataset
) -> None:
    fitted = Baseline(name, **options).fit(train)
    assert r2(fitted.predict(test), test) > 0.9
    again = Baseline(name, **options).fit(train).predict(test)
    torch.testing.assert_close(again, fitted.predict(test), rtol=0, atol=0)


def test_boosting_has_the_published_settings() -> None:
    booster = Baseline("gradient_boosting").pipeline["estimator"]
    assert (booster.max_iter, booster.loss, booster.learning_rate) == (1750, "poisson", 0.09)
    assert booster.early_stopping is False


def test_the_scaler_never_sees_what_is_predicted(train: GridDataset, test: GridDataset) -> None:
    fitted = Baseline("ridge").fit(train)
    scaler = fitted.pipeline["scaler"]
    x = train.store.tensors["x"].double().numpy()
    np.testing.assert_allclose(scaler.mean_, x.mean(axis=0), atol=1e-12)
    whole = fitted.predict(test)
    np.testing.assert_allclose(scaler.mean_, x.mean(axis=0), atol=1e-12)
    # Nor does a grid's prediction depend on which others are predicted with it.
    torch.testing.assert_close(fitted.predict(test[:1]), whole[:20])


def test_shares_stay_shares_on_larger_grids(train: GridDataset) -> None:
    larger = dataset(2001, grids=2, nodes=100)
    for name in ("linear", "linear_interactions"):
        prediction = Baseline(name).fit(train).predict(larger)
        assert 0 <= float(prediction.min()) <= float(prediction.max()) <= 1


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "mean"])
def test_classes(name: str, train: GridDataset, test: GridDataset) -> None:
    task = TASKS["troublemaker"]
    options = {"max_iter": 60} if name == "gradient_boosting" else {}
    fitted = Baseline(name, task, **options).fit(train.with_target("troublemaker"))
    found = evaluate(
        fitted.predict(test.with_target("troublemaker")), test.with_target("troublemaker"), task
    )
    assert found["average_precision"] > 0.95
    assert found["recall"] > 0.9


def test_the_mean_of_classes_is_even_odds(train: GridDataset, test: GridDataset) -> None:
    """Troublemakers weigh as much as all others, so that the logit of their share is zero."""
    made = train.with_target("troublemaker")
    prediction = Baseline("mean", TASKS["troublemaker"]).fit(made).predict(test)
    np.testing.assert_allclose(prediction.numpy(), 0, atol=1e-12)


def test_amounts_are_not_cut_off(train: GridDataset, test: GridDataset) -> None:
    task = TASKS["max_frequency_deviation"]
    made = train.with_target("max_frequency_deviation")
    prediction = Baseline("linear", task).fit(made).predict(test)
    assert r2(prediction, test.with_target("max_frequency_deviation")) > 0.9999
    assert float(prediction.min()) > 14


def test_masked_nodes_are_not_learnt(train: GridDataset, test: GridDataset) -> None:
    spoilt = dataset(1, grids=30)
    y = spoilt.store.tensors["y"]
    mask = torch.ones(len(y), dtype=torch.bool)
    mask[::3] = False
    spoilt.store.tensors["y"] = torch.where(mask, y, 0.123)
    spoilt.store.tensors["y_mask"] = mask
    assert r2(Baseline("linear").fit(spoilt).predict(test), test) > 0.9999
    spoilt.store.tensors["y_mask"] = torch.zeros_like(mask)
    with pytest.raises(DatasetError, match="no label of the training set counts"):
        Baseline("linear").fit(spoilt)


def test_what_cannot_be_is_refused(train: GridDataset) -> None:
    with pytest.raises(InvalidParameterError, match="unknown baseline 'oracle'; choose one of"):
        Baseline("oracle")
    with pytest.raises(InvalidParameterError, match=r"'ridge': .*unexpected keyword .*'depth'"):
        Baseline("ridge", depth=3)
    with pytest.raises(DatasetError, match="6 columns a node, baseline 'linear' was fitted to 0"):
        Baseline("linear").predict(train)
    fitted = Baseline("linear").fit(train)
    fewer = train.with_features(FeatureSet(node=("power",), edge=()))
    with pytest.raises(DatasetError, match="1 columns a node, baseline 'linear' was fitted to 6"):
        fitted.predict(fewer)
    assert repr(fitted) == "Baseline('linear', task='snbs')"
