"""Linear models of standardised columns over a whole range of penalties, chosen on other rows.

Columns are turned to the principal axes of the training rows first. Nothing is lost by that: a
penalty on squares is the same about any orthogonal axes, and the best weights lie in the span of
the rows. Ridge regression is then a division a penalty, and logistic regression has at most as many
columns as there are rows.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from graphwsl.properties.ridge import PENALTIES

Matrix = Float[np.ndarray, "rows columns"]

FEW_PENALTIES = PENALTIES[::-2]
"""Those of logistic regression, whose every fit is one of its own; the strongest comes first."""

_ITERATIONS = 1000


@dataclass(frozen=True)
class PrincipalAxes:
    """Columns by the mean and deviation of the training rows, about the axes of these rows.

    Attributes:
        mean: Mean of each column; missing values (NaN) take it.
        scale: Standard deviation of each column; infinite where it is constant, so that nothing is
            read from it.
        axes: Orthonormal axes, shape ``(columns, axes)``.
    """

    mean: Float[np.ndarray, " columns"]
    scale: Float[np.ndarray, " columns"]
    axes: Float[np.ndarray, "columns axes"]

    @classmethod
    def fit(cls, x: Matrix) -> "PrincipalAxes":
        """The axes of training rows."""
        known = np.isfinite(x)
        count = known.sum(0).clip(min=1)
        mean = np.where(known, x, 0.0).sum(0) / count
        centred = np.where(known, x - mean, 0.0)
        scale = np.sqrt((centred**2).sum(0) / count)
        scale[scale <= 1e-12 * np.abs(mean)] = np.inf
        scale[scale == 0] = np.inf
        _, values, axes = np.linalg.svd(centred / scale, full_matrices=False)
        rounding = max(x.shape) * np.finfo(float).eps * values[:1].max(initial=0.0)
        axes = axes[values > rounding].T
        # Of columns that are all constant one axis is left, on which nothing is.
        return cls(mean, scale, axes if axes.shape[1] else np.zeros((x.shape[1], 1)))

    def turned(self, x: Matrix) -> Float[np.ndarray, "rows axes"]:
        """Any rows about the axes."""
        return np.where(np.isfinite(x), x - self.mean, 0.0) / self.scale @ self.axes


@dataclass(frozen=True)
class LinearModel:
    """A linear map about principal axes.

    Attributes:
        weight: Shape ``(axes, outputs)``.
        bias: Shape ``(outputs,)``.
        penalty: The one chosen.
        classes: Class of each output; None of a regression.
    """

    weight: Float[np.ndarray, "axes outputs"]
    bias: Float[np.ndarray, " outputs"]
    penalty: float
    classes: Int[np.ndarray, " outputs"] | None = None

    @classmethod
    def ridge(
        cls,
        x: Float[np.ndarray, "rows axes"],
        y: Float[np.ndarray, " rows"],
        valid_x: Float[np.ndarray, "others axes"],
        valid_y: Float[np.ndarray, " others"],
    ) -> "LinearModel":
        r"""The minimum of :math:`\|y - Xw - b\|^2 / n + λ \|w\|^2`, with λ by the error on others.

        Args:
            x: Training rows about their own principal axes.
            y: Their labels.
            valid_x: Rows that choose.
            valid_y: Their labels.
        """
        bias = y.mean()
        projected, squares = x.T @ (y - bias) / len(x), (x**2).sum(0) / len(x)
        weights = projected[:, None] / (squares[:, None] + PENALTIES)
        errors = ((valid_x @ weights + bias - valid_y[:, None]) ** 2).mean(0)
        best = int(errors.argmin())
        return cls(weights[:, [best]], np.array([bias]), float(PENALTIES[best]))

    @classmethod
    def logistic(
        cls,
        x: Float[np.ndarray, "rows axes"],
        y: Int[np.ndarray, " rows"],
        valid_x: Float[np.ndarray, "others axes"],
        valid_y: Int[np.ndarray, " others"],
    ) -> "LinearModel":
        """The minimum of the mean cross entropy + λ/2 ‖w‖², with λ by the accuracy on others.

        Of equally good penalties the strongest is taken. They are gone through from the strongest
        on, each fit beginning where the last one ended, up to the first that does not converge.
        Classes without a training row are never chosen; of one class alone that one always is.

        Args:
            x: Training rows about their own principal axes.
            y: Classes of the rows.
            valid_x: Rows that choose.
            valid_y: Their classes.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        classes = np.unique(y)
        if len(classes) == 1:
            return cls(np.zeros((x.shape[1], 1)), np.zeros(1), float(FEW_PENALTIES[0]), classes)
        best: tuple[float, LinearModel] | None = None
        solver = LogisticRegression(max_iter=_ITERATIONS, tol=1e-6, warm_start=True)
        for penalty in FEW_PENALTIES:
            solver.set_params(C=1 / (penalty * len(x)))
            with warnings.catch_warnings():
                warnings.simplefilter("error", ConvergenceWarning)
                try:
                    solver.fit(x, y)
                except ConvergenceWarning:
                    break
            weight, bias = solver.coef_.T.copy(), solver.intercept_.copy()
            if len(classes) == 2:  # scikit-learn keeps the logit of the second class alone
                weight = np.concatenate([np.zeros_like(weight), weight], axis=1)
                bias = np.concatenate([np.zeros_like(bias), bias])
            model = cls(weight, bias, float(penalty), classes)
            accuracy = float((model.predict(valid_x) == valid_y).mean())
            if best is None or accuracy > best[0]:
                best = (accuracy, model)
        assert best is not None  # the strongest penalty alone is a problem that is well conditioned
        return best[1]

    def predict(self, x: Float[np.ndarray, "rows axes"]) -> Float[np.ndarray, " rows"]:
        """A number a row, or its class."""
        outputs = x @ self.weight + self.bias
        if self.classes is None:
            return outputs[:, 0]
        return self.classes[outputs.argmax(1)].astype(float)
