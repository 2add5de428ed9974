"""Baselines on statistics of layers are scikit-learn's models, chosen by validation alone."""

from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from graphwsl.errors import PredictorError
from graphwsl.populations import LayerStatistics, Population, Split, split_models
from graphwsl.properties import make_predictor
from tests.graphwsl.properties.property_cases import MLP, MemoryZoo

RATES, LEAVES, TREES = (0.05, 0.3), (4, 8), 6


@cache
def population() -> Population:
    return Population.load(MemoryZoo([MLP], 40))


@cache
def split() -> Split:
    return split_models(population().checkpoints)


def tables(target: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    statistics = LayerStatistics.for_population(population())
    x = statistics.of(population())
    values: list[Any] = [c[target] for c in population().checkpoints]
    y = np.array([["large", "small"].index(v) if isinstance(v, str) else v for v in values])
    numbers = {part: split().numbers(part, population().checkpoints)
               for part in ("train", "valid", "test")}  # fmt: skip
    return {part: (x[some], y[some].astype(float)) for part, some in numbers.items()}


def boosted(target: str) -> Any:
    predictor = make_predictor(
        "weight_statistics_boosting",
        learning_rates=RATES,
        max_leaf_nodes=LEAVES,
        max_iter=TREES,
    )
    return predictor.fit(population(), split(), target, seed=3)


@pytest.mark.parametrize("target", ["size", "sign"])
def test_boosting_takes_what_is_best_on_validation(target: str) -> None:
    """Every rate, every size of trees, after every number of them, tried one by one."""
    found = boosted(target)
    is_number = target == "size"
    kind: Any = HistGradientBoostingRegressor if is_number else HistGradientBoostingClassifier
    (x, y), (valid_x, valid_y), (test_x, _) = tables(target).values()
    best: tuple[float, dict[str, Any], Any] | None = None
    for rate, leaves, trees in product(RATES, LEAVES, range(1, TREES + 1)):
        settings = {"learning_rate": rate, "max_leaf_nodes": leaves, "max_iter": trees}
        model = kind(random_state=3, early_stopping=False, **settings).fit(x, y)
        predicted = model.predict(valid_x)
        error = float(((predicted - valid_y) ** 2 if is_number else predicted != valid_y).mean())
        if best is None or error < best[0]:
            best = (error, settings, model)
    assert best is not None
    assert found.report["settings"] == best[1]
    test = population().select(split().numbers("test", population().checkpoints))
    np.testing.assert_allclose(found.predict(test).numpy(), best[2].predict(test_x), rtol=1e-5)


def test_ridge_is_that_of_standardised_columns() -> None:
    found: Any = make_predictor("weight_statistics_ridge").fit(population(), split(), "size")
    (x, y), _, (test_x, _) = tables("size").values()
    scaler = StandardScaler().fit(x)
    model = Ridge(alpha=found.report["penalty"] * len(x)).fit(scaler.transform(x), y)
    test = population().select(split().numbers("test", population().checkpoints))
    expected = model.predict(scaler.transform(test_x))
    np.testing.assert_allclose(found.predict(test).numpy(), expected, rtol=1e-3, atol=1e-5)
    assert found.num_parameters == x.shape[1] + 1


def test_nothing_to_choose_from_is_refused() -> None:
    predictor = make_predictor("weight_statistics_boosting", learning_rates=())
    with pytest.raises(PredictorError, match="learning_rates and max_leaf_nodes must not be empty"):
        predictor.fit(population(), split(), "size")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_iter", "x"),
        ("max_iter", 0),
        ("max_iter", True),
        ("learning_rates", 0.1),
        ("learning_rates", [0.1, -1.0]),
        ("max_leaf_nodes", [1]),
        ("max_leaf_nodes", ["8"]),
    ],
)
def test_options_that_trees_cannot_have_are_refused_in_one_line(option: str, value: Any) -> None:
    predictor = make_predictor("weight_statistics_boosting", **{option: value})
    with pytest.raises(PredictorError) as caught:
        predictor.fit(population(), split(), "size")
    assert str(caught.value).startswith(f"{option} of 'weight_statistics_boosting' must be")
    assert f"got {value!r}" in str(caught.value)
