"""Ridge regression over a whole range of penalties at the cost of one."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

PENALTIES = np.logspace(-5, 3, 17)
"""Tried on validation, relative to the number of rows, on columns of unit variance."""


@dataclass(frozen=True)
class Ridge:
    """A linear map of standardised columns.

    Attributes:
        mean: Mean of each column in the training set; missing values take it.
        scale: Standard deviation of each column, 1 where it is constant.
        weight: Shape ``(columns, outputs)``.
        bias: Shape ``(outputs,)``.
        penalty: The one chosen.
    """

    mean: Float[np.ndarray, " columns"]
    scale: Float[np.ndarray, " columns"]
    weight: Float[np.ndarray, "columns outputs"]
    bias: Float[np.ndarray, " outputs"]
    penalty: float

    @classmethod
    def fit(
        cls,
        x: Float[np.ndarray, "rows columns"],
        y: Float[np.ndarray, "rows outputs"],
        valid_x: Float[np.ndarray, "others columns"],
        valid_y: Float[np.ndarray, "others outputs"],
    ) -> "Ridge":
        r"""The minimum of :math:`\|y - XW\|^2 / n + λ \|W\|^2`, with λ by the error on validation.

        One eigendecomposition, of the columns' or of the rows' products, whichever is smaller,
        serves all penalties.
        """
        # Columns without any value are NaN throughout; they say nothing.
        known = np.isfinite(x)
        count = known.sum(0).clip(min=1)
        mean = np.where(known, x, 0.0).sum(0) / count
        centred = np.where(known, x - mean, 0.0)
        scale = np.sqrt((centred**2).sum(0) / count)
        scale[scale <= 1e-12 * np.maximum(np.abs(mean), 1e-12)] = 1.0
        standardised, bias = centred / scale, y.mean(0)
        rows, columns = standardised.shape
        wide = columns > rows
        gram = standardised @ standardised.T if wide else standardised.T @ standardised
        values, vectors = np.linalg.eigh(gram / rows)
        target = y - bias if wide else standardised.T @ (y - bias)
        projected = vectors.T @ target / rows
        seen = (np.where(np.isfinite(valid_x), valid_x - mean, 0.0)) / scale
        best: tuple[float, float, np.ndarray] | None = None
        for penalty in PENALTIES:
            weight = vectors @ (projected / (values.clip(min=0)[:, None] + penalty))
            weight = standardised.T @ weight if wide else weight
            error = float(((seen @ weight + bias - valid_y) ** 2).mean())
            if best is None or error < best[0]:
                best = (error, float(penalty), weight)
        assert best is not None
        return cls(mean, scale, best[2], bias, best[1])

    def predict(self, x: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows outputs"]:
        """The outputs of other rows."""
        seen = np.where(np.isfinite(x), x - self.mean, 0.0) / self.scale
        return seen @ self.weight + self.bias


def one_hot(classes: Int[np.ndarray, " rows"], count: int) -> Float[np.ndarray, "rows outputs"]:
    """A column a class: 1 for the row's own, 0 elsewhere."""
    return np.eye(count)[classes]
