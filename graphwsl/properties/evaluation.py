"""How good predictions are."""

import torch
from jaxtyping import Float
from torch import Tensor

from gnncore import metrics
from gnncore.errors import GnncoreError
from graphwsl.errors import PredictorError
from graphwsl.properties.targets import Target


def evaluate(
    prediction: Float[Tensor, " checkpoints"], label: Float[Tensor, " checkpoints"], target: Target
) -> dict[str, float]:
    """Metrics of predictions: ``r2``, ``kendall_tau``, ``mae`` of numbers, ``accuracy`` of classes.

    R² is 1 − Σ(ŷ − y)² / Σ(y − ȳ)² with the mean of the labels given here. Kendall's τ-b is left
    out where all predictions are equal.

    Args:
        prediction: A number a checkpoint, or the place of the class.
        label: The same from :meth:`Target.values`.
        target: What was predicted.

    Raises:
        PredictorError: Nothing to compare, or labels that are all the same.
    """
    if target.is_categorical:
        if not len(label):
            raise PredictorError("there are no predictions to evaluate")
        return {"accuracy": float((prediction == label).double().mean())}
    try:
        found = {"r2": metrics.r2(prediction, label), "mae": metrics.mae(prediction, label)}
        if not torch.equal(prediction, prediction[:1].expand_as(prediction)):
            found["kendall_tau"] = metrics.kendall_tau(prediction, label)
    except GnncoreError as error:
        raise PredictorError(f"cannot evaluate {target.name!r}: {error}") from error
    return found
