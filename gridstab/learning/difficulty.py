"""How hard a node is to predict, as far as that is known without its label.

Errors are not alike everywhere. Nodes that hardly ever fail are predicted well, those in between
are not; members of an ensemble disagree where the answer is not settled; and beyond what a model
was trained on nothing stands behind it. Dividing errors by such a scale changes no guarantee of
conformal intervals, whatever the scale, and makes them narrow where the model knows and wide where
it does not.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gridstab.learning.known_range import SIZE, Beyond, Interval

MOST_BINS = 16
NODES_PER_BIN = 100
"""Nodes of the training set that one mean error needs."""

SMALLEST_SHARE = 0.1
"""Of the mean error, below which no expected error falls."""


PER_DOUBLING = 0.1
"""By how much harder grids are that are twice as large as any, or half as large as all, that were
trained on: so that intervals of models of 20 nodes hold what they promise on the validation grids
of 100 nodes. Coverages on Texas were
seen for 0.1 and 0.2, but did not decide."""


@dataclass(frozen=True, eq=False)
class ExpectedError:
    """The error that a prediction has on average, as a function of the prediction itself.

    It is measured on the training set, where errors are smaller than elsewhere; of its values only
    their ratios matter.

    Attributes:
        prediction: Predictions, ascending.
        error: Mean absolute error of nodes with such predictions; positive.
    """

    prediction: Float[np.ndarray, " knots"]
    error: Float[np.ndarray, " knots"]

    @classmethod
    def of(
        cls, prediction: Float[np.ndarray, " nodes"], label: Float[np.ndarray, " nodes"]
    ) -> "ExpectedError":
        """Means over up to 16 groups of equally many nodes with neighbouring predictions.

        Args:
            prediction: Predictions for the nodes of a training set, at least one.
            label: Their labels.
        """
        order = np.argsort(prediction, kind="stable")
        bins = min(MOST_BINS, max(1, len(order) // NODES_PER_BIN))
        groups = np.array_split(order, bins)
        size = np.abs(label - prediction)
        error = np.array([size[group].mean() for group in groups])
        least = max(SMALLEST_SHARE * float(size.mean()), float(np.finfo(np.float32).tiny))
        return cls(
            np.array([prediction[group].mean() for group in groups]), np.maximum(error, least)
        )

    def __call__(self, prediction: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """The expected error, linear between the groups and constant beyond the outermost."""
        return np.interp(prediction, self.prediction, self.error)


def widening(beyond: Beyond | None, nodes: int) -> Float[np.ndarray, " nodes"]:
    """By what factor nodes are harder that are beyond what a model was trained on.

    It is 1 within the known ranges. A node that is beyond one by as much as the range is wide, or
    as its bounds are large where it is narrower than that, has 2, at twice that distance 3; of
    several quantities the worst counts. Every doubling of the size of grids counts a tenth, see
    :data:`PER_DOUBLING`.

    Args:
        beyond: Where the grids are beyond it; None if that is not known.
        nodes: Number of nodes of the grids together.
    """
    factor = np.ones(nodes)
    for name, values in ({} if beyond is None else beyond.values).items():
        assert beyond is not None
        of = _doublings if name == SIZE else _excess
        excess = of(values, beyond.known[name])
        factor = np.maximum(factor, 1 + np.where(beyond.is_beyond[name], excess, 0.0))
    return factor


def _excess(values: Float[np.ndarray, " nodes"], interval: Interval) -> Float[np.ndarray, " nodes"]:
    low, high = interval
    unit = max(high - low, abs(low), abs(high)) or 1.0
    return np.maximum(np.maximum(low - values, values - high), 0.0) / unit


def _doublings(
    values: Float[np.ndarray, " nodes"], interval: Interval
) -> Float[np.ndarray, " nodes"]:
    low, high = interval
    return PER_DOUBLING * np.maximum(np.log2(values / high), np.log2(low / values)).clip(0.0)


def difficulty(
    predictions: Float[np.ndarray, "members nodes"],
    expected: list[ExpectedError],
    widenings: Float[np.ndarray, "members nodes"],
) -> Float[np.ndarray, " nodes"]:
    """The scale of the interval of every node: positive, and larger where predictions are worse.

    The mean of what the members expect to be wrong by, and their standard deviation, which one
    model alone has not; times the largest of their widenings.

    Args:
        predictions: What every member of an ensemble predicts, one a node.
        expected: The expected error of every member.
        widenings: The :func:`widening` of every member.
    """
    own = np.mean([one(row) for one, row in zip(expected, predictions, strict=True)], axis=0)
    return np.asarray((own + predictions.std(axis=0)) * widenings.max(axis=0))
