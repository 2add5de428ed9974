"""How good predictions are."""

from jaxtyping import Float
from torch import Tensor

from gnncore import metrics
from gnncore.errors import GnncoreError
from graphwsl.errors import PredictorError
from graphwsl.populations.targets import Target


def evaluate(
    prediction: Float[Tensor, " checkpoints"], label: Float[Tensor, " checkpoints"], target: Target
) -> dict[str, float]:
    """Metrics of predictions: ``r2``, ``kendall_tau``, ``mae`` of numbers, ``accuracy`` of classes.

    R² is 1 − Σ(ŷ − y)² / Σ(y − ȳ)² with the mean of the labels given here. It is left out where all
    labels are equal, and Kendall's τ-b also where all predictions are.

    Args:
        prediction: A number a checkpoint, or the index of the class.
        label: The same from :meth:`Target.values`.
        target: What was predicted.

    Raises:
        PredictorError: Nothing to compare, or predictions that are not finite.
    """
    if target.is_categorical:
        if not len(label):
            raise PredictorError("there are no predictions to evaluate")
        return {"accuracy": float((prediction == label).double().mean())}
    try:
        found = {"mae": metrics.mae(prediction, label)}
        if _is_varied(label):
            found["r2"] = metrics.r2(prediction, label)
            if _is_varied(prediction):
                found["kendall_tau"] = metrics.kendall_tau(prediction, label)
    except GnncoreError as error:
        raise PredictorError(f"cannot evaluate {target.name!r}: {error}") from error
    return found


def _is_varied(values: Float[Tensor, " checkpoints"]) -> bool:
    return bool((values != values[0]).any())
