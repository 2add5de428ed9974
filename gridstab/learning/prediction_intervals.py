"""Intervals on predictions: where the label of a node is, with a given probability."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from gridstab.errors import InvalidParameterError
from gridstab.learning.difficulty import widening
from gridstab.learning.known_range import Beyond
from gridstab.learning.trained import Ensemble


@dataclass(frozen=True, eq=False)
class PredictionIntervals:
    """Intervals of the nodes of some grids.

    Attributes:
        level: Probability that an interval is to hold the label.
        normalised: Whether their widths follow the difficulty of the nodes, or all are equal.
        low: Lower end of each.
        high: Upper end of each.
        grids: Number of the validation grids on which they were calibrated.
        nodes: Number of their nodes.
    """

    level: float
    normalised: bool
    low: Float[np.ndarray, " nodes"]
    high: Float[np.ndarray, " nodes"]
    grids: int
    nodes: int

    @property
    def mean_width(self) -> float:
        """How wide they are on average."""
        return float((self.high - self.low).mean())

    def covers(self, label: Float[np.ndarray, " nodes"]) -> Bool[np.ndarray, " nodes"]:
        """Which labels lie within their interval, its ends included."""
        return (self.low <= label) & (label <= self.high)


def require_intervals(model: Ensemble, level: object, sign_invariant: bool | None = None) -> float:
    """The probability of the intervals, if the model can give such; looks before any work is done.

    Args:
        model: The model or models.
        level: The probability asked for.
        sign_invariant: How predictions are made; None as the models were trained.

    Raises:
        InvalidParameterError: It cannot: ``level`` is no probability, a member has no calibration,
            or was calibrated on other predictions than these.
    """
    wanted = model.calibration.require(level)
    for member in model.members:
        trained = member.config.sign_invariant
        if sign_invariant is not None and sign_invariant != trained:
            raise InvalidParameterError(
                f"intervals hold for predictions as the model was trained, with sign_invariant "
                f"{trained}, got {sign_invariant}; leave it out"
            )
    return wanted


def prediction_intervals(
    model: Ensemble,
    each: list[tuple[Tensor, Beyond | None]],
    level: object,
    *,
    normalised: bool = True,
) -> PredictionIntervals:
    """The intervals of the mean of what the members of an ensemble predict.

    Shares end at 0 and 1, amounts at 0.

    Args:
        model: The ensemble, be it of one model.
        each: What its :meth:`~gridstab.learning.trained.Ensemble.predict_each` gave.
        level: Probability that an interval is to hold the label.
        normalised: Scale the widths by the difficulty of the nodes; otherwise all are equal.

    Raises:
        InvalidParameterError: As :func:`require_intervals`.
    """
    wanted = require_intervals(model, level)
    joint = model.calibration
    predictions = np.stack([prediction.double().numpy() for prediction, _ in each])
    widenings = np.stack([widening(beyond, len(prediction)) for prediction, beyond in each])
    half = joint.half_width(predictions, widenings, wanted, normalised=normalised)
    middle = predictions.mean(axis=0)
    largest = 1.0 if model.task.kind == "share" else np.inf
    return PredictionIntervals(
        wanted,
        normalised,
        np.clip(middle - half, 0.0, largest),
        np.clip(middle + half, 0.0, largest),
        joint.grids,
        joint.nodes,
    )
