"""The baselines to beat: statistics of each layer's weights, with ridge or gradient boosting."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import sklearn
import torch
from jaxtyping import Float
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from torch import Tensor

from graphwsl.errors import PredictorError
from graphwsl.populations.layer_statistics import LayerStatistics
from graphwsl.populations.population import Population
from graphwsl.populations.splits import Split
from graphwsl.populations.targets import Target
from graphwsl.properties.predictor import Arrays, Predictor
from graphwsl.properties.ridge import Ridge, one_hot


class _OnStatistics(Predictor):
    """What both have in common: the columns."""

    invariant: ClassVar[bool] = True
    mixed: ClassVar[bool] = True

    columns: LayerStatistics

    def _restore_columns(self, state: dict[str, Any]) -> None:
        self.columns = LayerStatistics(int(state["layers"]), bool(state["equal"]))

    def _columns_state(self) -> dict[str, Any]:
        return {"layers": self.columns.layers, "equal": self.columns.equal}


class WeightStatisticsRidge(_OnStatistics):
    """Ridge regression on mean, variance and quantiles of each layer.

    Classes are regressed on as columns of 0 and 1, and the largest wins.
    """

    name: ClassVar[str] = "weight_statistics_ridge"

    ridge: Ridge

    @property
    def num_parameters(self) -> int:
        """Number of weights and biases that were fitted."""
        return int(self.ridge.weight.size + self.ridge.bias.size)

    def _fit(
        self,
        train: Population,
        train_label: Float[Tensor, " networks"],
        valid: Population,
        valid_label: Float[Tensor, " others"],
        progress: bool,
    ) -> None:
        self.columns = LayerStatistics.for_population(train)
        y, valid_y = (columns_of(self, label) for label in (train_label, valid_label))
        self.ridge = Ridge.fit(self.columns.of(train), y, self.columns.of(valid), valid_y)
        self.report = {"penalty": self.ridge.penalty}

    def _predict(self, population: Population) -> Float[Tensor, "networks outputs"]:
        return torch.from_numpy(self.ridge.predict(self.columns.of(population))).float()

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        return ridge_arrays(self.ridge), self._columns_state()

    def _restore(self, arrays: Arrays, state: dict[str, Any]) -> None:
        self._restore_columns(state)
        self.ridge = ridge_from(arrays, self.report)


class WeightStatisticsBoosting(_OnStatistics):
    """Gradient boosting of trees on the same columns, which may be missing.

    Learning rate, leaves and the number of trees are chosen on validation. Trees are not stored:
    what is kept are the training columns, labels and chosen settings, from which loading grows the
    same trees again, with the same release of scikit-learn to the last bit.
    """

    name: ClassVar[str] = "weight_statistics_boosting"
    defaults: ClassVar[dict[str, Any]] = {
        "learning_rates": [0.05, 0.15],
        "max_leaf_nodes": [8, 31],
        "max_iter": 400,
    }

    trees: Any

    def check(self, population: Population, split: Split, target: Target) -> None:
        """See :class:`Predictor`; options that trees cannot be grown with are refused too."""
        super().check(population, split, target)
        wanted: dict[str, tuple[str, Callable[[Any], bool]]] = {
            "learning_rates": ("a list of positive numbers, such as [0.05, 0.15]", _is_positive),
            "max_leaf_nodes": ("a list of integers from 2, such as [8, 31]", _is_whole(2)),
        }
        for name, (what, suits) in wanted.items():
            given = self.options[name]
            if not isinstance(given, list | tuple) or not all(map(suits, given)):
                raise PredictorError(f"{name} of {self.name!r} must be {what}, got {given!r}")
        most = self.options["max_iter"]
        if not _is_whole(1)(most):
            raise PredictorError(
                f"max_iter of {self.name!r} must be an integer from 1, such as 400, got {most!r}"
            )

    def _fit(
        self,
        train: Population,
        train_label: Float[Tensor, " networks"],
        valid: Population,
        valid_label: Float[Tensor, " others"],
        progress: bool,
    ) -> None:
        self.columns = LayerStatistics.for_population(train)
        self._x, self._y = self.columns.of(train), train_label.double().numpy()
        valid_x, valid_y = self.columns.of(valid), valid_label.double().numpy()
        best: tuple[float, dict[str, Any]] | None = None
        for rate in self.options["learning_rates"]:
            for leaves in self.options["max_leaf_nodes"]:
                settings = {"learning_rate": rate, "max_leaf_nodes": leaves}
                errors = self._errors(settings, valid_x, valid_y)
                trees = int(np.argmin(errors)) + 1
                if best is None or errors[trees - 1] < best[0]:
                    best = (errors[trees - 1], {**settings, "max_iter": trees})
        if best is None:
            raise PredictorError("learning_rates and max_leaf_nodes must not be empty")
        self.report = {"settings": best[1], "scikit_learn": sklearn.__version__}
        self._grow()

    def _errors(self, settings: dict[str, Any], x: np.ndarray, y: np.ndarray) -> list[float]:
        """The error on validation after each tree."""
        trees = self._estimator(max_iter=self.options["max_iter"], **settings)
        trees.fit(self._x, self._y)
        if self._is_categorical:
            return [float((p != y).mean()) for p in trees.staged_predict(x)]
        return [float(((p - y) ** 2).mean()) for p in trees.staged_predict(x)]

    @property
    def _is_categorical(self) -> bool:
        return self.target is not None and self.target.is_categorical

    def _estimator(self, **settings: Any) -> Any:
        kind = (
            HistGradientBoostingClassifier
            if self._is_categorical
            else HistGradientBoostingRegressor
        )
        return kind(random_state=self.seed, early_stopping=False, **settings)

    def _grow(self) -> None:
        self.trees = self._estimator(**self.report["settings"]).fit(self._x, self._y)

    def _predict(self, population: Population) -> Float[Tensor, "networks outputs"]:
        x = self.columns.of(population)
        if not self._is_categorical:
            return torch.from_numpy(self.trees.predict(x)).float()[:, None]
        assert self.target is not None
        assert self.target.classes is not None
        scores = np.zeros((len(x), len(self.target.classes)))
        scores[:, self.trees.classes_.astype(int)] = self.trees.predict_proba(x)
        return torch.from_numpy(scores).float()

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        # NaN stands for a layer that is not there; files hold finite numbers and a mask.
        known = np.isfinite(self._x)
        arrays = {"x": np.where(known, self._x, 0.0), "known": known, "y": self._y}
        return arrays, self._columns_state()

    def _restore(self, arrays: Arrays, state: dict[str, Any]) -> None:
        self._restore_columns(state)
        self._x = np.where(arrays["known"], arrays["x"], np.nan)
        self._y = arrays["y"]
        self._grow()


def _is_positive(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value < math.inf


def _is_whole(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least


def columns_of(
    predictor: Predictor, label: Float[Tensor, " rows"]
) -> Float[np.ndarray, "rows outputs"]:
    """Numbers as one column, classes as a column each."""
    target = predictor.target
    if target is not None and target.classes is not None:
        return one_hot(label.long().numpy(), len(target.classes))
    return label.double().numpy()[:, None]


def ridge_arrays(ridge: Ridge) -> Arrays:
    """The arrays of a fitted ridge regression."""
    return {name: getattr(ridge, name) for name in ("mean", "scale", "weight", "bias")}


def ridge_from(arrays: Arrays, report: dict[str, Any]) -> Ridge:
    """The inverse of :func:`ridge_arrays`."""
    return Ridge(
        arrays["mean"], arrays["scale"], arrays["weight"], arrays["bias"], float(report["penalty"])
    )
