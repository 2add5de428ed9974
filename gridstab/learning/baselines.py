"""Baselines that see one node at a time: its columns of ``x``, whatever features these are.

============================ ==================================================================
``mean``                     the mean label, or the share of troublemakers
``linear``                   linear regression, or logistic regression
``linear_interactions``      the same on all columns, their squares and their products
``ridge``                    linear regression with the penalty that leaving one out finds best,
                             or logistic regression with penalty one
``mlp``                      a perceptron with two hidden layers of 30, as published in 2022
``gradient_boosting``        histogram gradient boosting with the settings published in 2024
============================ ==================================================================

What the columns are scaled by is fitted on the training set alone. (The published boosting fits
it again on every set that it is evaluated on.) Predicted shares are cut off at 0 and 1: linear
models would leave that range on other grids than those they were trained on.

Baselines are not stored; the training set and the seed give the same one again.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.special import logit
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from torch import Tensor

from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.learning.tasks import TASKS, LabelledGraphs, Task, positive_weight


@dataclass(frozen=True)
class _Recipe:
    """Estimators for numbers and for classes, without their seeds."""

    regressor: Callable[..., Any]
    classifier: Callable[..., Any]
    interactions: bool = False
    has_seed: bool = False


def _regressor_of_2024(**options: Any) -> HistGradientBoostingRegressor:
    published = {"max_iter": 1750, "loss": "poisson", "learning_rate": 0.09}
    return HistGradientBoostingRegressor(**published | {"early_stopping": False} | options)


def _classifier_of_2024(**options: Any) -> HistGradientBoostingClassifier:
    published = {"max_iter": 1750, "learning_rate": 0.09, "early_stopping": False}
    return HistGradientBoostingClassifier(**published | options)


def _perceptron(kind: Callable[..., Any]) -> Callable[..., Any]:
    def make(**options: Any) -> Any:
        return kind(**{"hidden_layer_sizes": (30, 30), "early_stopping": True} | options)

    return make


def _logistic(strength: float) -> Callable[..., LogisticRegression]:
    def make(**options: Any) -> LogisticRegression:
        return LogisticRegression(**{"C": 1 / strength if strength else np.inf} | options)

    return make


def _ridge(**options: Any) -> RidgeCV:
    return RidgeCV(**{"alphas": np.logspace(-3, 4, 15)} | options)


_RECIPES = {
    "mean": _Recipe(DummyRegressor, DummyClassifier),
    "linear": _Recipe(LinearRegression, _logistic(0)),
    "linear_interactions": _Recipe(LinearRegression, _logistic(0), interactions=True),
    "ridge": _Recipe(_ridge, _logistic(1)),
    "mlp": _Recipe(_perceptron(MLPRegressor), _perceptron(MLPClassifier), has_seed=True),
    "gradient_boosting": _Recipe(_regressor_of_2024, _classifier_of_2024, has_seed=True),
}

BASELINES = tuple(_RECIPES)
"""Names of the baselines."""


class Baseline:
    """A model of single nodes, fitted by scikit-learn.

    Args:
        name: One of :data:`BASELINES`.
        task: What it predicts.
        seed: Seed of what is random in the fit.
        options: Options of the scikit-learn estimator, in place of those published.

    Raises:
        InvalidParameterError: An unknown name, an option that the estimator does not have, or a
            task of images, which are many numbers a node.
    """

    def __init__(
        self, name: str, task: Task = TASKS["snbs"], *, seed: int = 0, **options: Any
    ) -> None:
        if name not in _RECIPES:
            raise InvalidParameterError(
                f"unknown baseline {name!r}; choose one of {', '.join(BASELINES)}"
            )
        if task.kind == "image":
            raise InvalidParameterError(
                f"baselines give one number a node, but task {task.name!r} asks for images; take "
                "task 'snbs', which the same data have"
            )
        self.name = name
        self.task = task
        recipe = _RECIPES[name]
        make = recipe.classifier if task.kind == "class" else recipe.regressor
        try:
            estimator = make(**({"random_state": seed} if recipe.has_seed else {}) | options)
        except TypeError as error:
            raise InvalidParameterError(f"options of baseline {name!r}: {error}") from error
        steps: list[tuple[str, Any]] = [
            ("scaler", StandardScaler()),
            ("varied", VarianceThreshold()),
            ("estimator", estimator),
        ]
        if recipe.interactions:
            steps.insert(0, ("interactions", PolynomialFeatures(2, include_bias=False)))
        self.pipeline = Pipeline(steps)
        self._shift = 0.0

    def fit(self, train: LabelledGraphs) -> "Baseline":
        """Fit to the nodes of a training set whose label counts.

        Raises:
            DatasetError: No label counts, or a classifier gets examples of one class only.
        """
        x, label, counts = _columns(train)
        if not counts.any():
            raise DatasetError("no label of the training set counts; choose another target")
        if self.task.kind == "class":
            # Even odds then mean what they mean to a model whose troublemakers weigh as much.
            self._shift = float(np.log(positive_weight(train)))
            label = (label > 0).astype(np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.pipeline.fit(x[counts], label[counts])
        return self

    def predict(self, dataset: LabelledGraphs) -> Float[Tensor, " nodes"]:
        """One prediction a node: a number, or for classes a logit.

        Logits are shifted by log(others / troublemakers) of the training set, which does for the
        threshold 0 what weighting the troublemakers does for a graph neural network.

        Raises:
            DatasetError: Other columns than the baseline was fitted to, or not fitted yet.
        """
        x, _, _ = _columns(dataset)
        fitted = getattr(self.pipeline, "n_features_in_", 0)
        if x.shape[1] != fitted:
            raise DatasetError(
                f"the data set has {x.shape[1]} columns a node, "
                f"baseline {self.name!r} was fitted to {fitted}"
            )
        if self.task.kind == "class":
            probability = self.pipeline.predict_proba(x)[:, 1]
            smallest = np.finfo(np.float64).eps
            values = logit(np.clip(probability, smallest, 1 - smallest)) + self._shift
        else:
            values = self.pipeline.predict(x)
        if self.task.kind == "share":
            values = np.clip(values, 0.0, 1.0)
        return torch.from_numpy(np.asarray(values, np.float64))

    def __repr__(self) -> str:
        return f"Baseline({self.name!r}, task={self.task.name!r})"


def _columns(
    dataset: LabelledGraphs,
) -> tuple[
    Float[np.ndarray, "nodes channels"], Float[np.ndarray, " nodes"], Bool[np.ndarray, " nodes"]
]:
    tensors = dataset.store.tensors
    label = tensors["y"].reshape(-1)
    counts = tensors.get("y_mask", torch.ones_like(label, dtype=torch.bool)).reshape(-1)
    return (
        tensors["x"].double().cpu().numpy(),
        label.double().cpu().numpy(),
        counts.cpu().numpy(),
    )
