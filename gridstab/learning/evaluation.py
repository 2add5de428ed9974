"""How good predictions are, beside how good they can be: labels are counts and carry noise.

A label y = k/n of n random trajectories scatters around the true share p with variance p(1 − p)/n.
Even predicting p exactly leaves that error, so R² has a ceiling below one. Labels of Sobol points
and of rasters scatter less: see :mod:`gridstab.learning.label_noise`.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gnncore import metrics
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.learning.label_noise import noise_of
from gridstab.learning.landscape_metrics import evaluate_landscapes
from gridstab.learning.tasks import BETA, LabelledGraphs, Task

TOLERANCE = 0.1
"""Error up to which the published studies count a predicted share as correct."""


def evaluate(
    prediction: Tensor, dataset: LabelledGraphs, task: Task, *, threshold: float | None = None
) -> dict[str, float]:
    """All metrics of a split, over the nodes of all its grids together.

    Shares and amounts have ``mse``, ``mae`` and, unless all labels are equal, ``r2``. Shares also
    have ``share_within_0.1`` and, where it is known how many trajectories stand behind the labels,
    ``label_noise`` and, unless all are equal, ``r2_ceiling`` (mean squared error and R² of a
    perfect prediction), ``excess_mse`` (the mean squared error above that noise; below zero only by
    chance) and ``share_in_interval`` (nodes whose prediction lies in the 95 % interval of the
    label; about 0.95 if perfect). Where of labels that scatter less than random ones the spread is
    not known, ``label_noise_is_bound`` is True: then ``label_noise`` and ``share_in_interval`` are
    at most, ``r2_ceiling`` and ``excess_mse`` at least what they say. Tasks with classes have
    ``f2``, ``recall``, ``precision``, ``average_precision``, ``threshold`` and ``positive_share``.
    For landscapes see
    :func:`evaluate_landscapes <gridstab.learning.landscape_metrics.evaluate_landscapes>`.

    Args:
        prediction: One value a node in the order of the data set, shape ``(nodes,)`` or
            ``(nodes, 1)``; of landscapes one image.
        dataset: The split.
        task: What was predicted.
        threshold: Taken instead of the task's own; see :func:`tune_threshold`, on another split.

    Raises:
        InvalidParameterError: Not one finite prediction a node, or a threshold without classes.
        DatasetError: No label counts, or labels of a single trajectory.
        GnncoreError: A metric that is not defined: no troublemakers.
    """
    if threshold is not None:
        task.require_threshold()
    if task.kind == "image":
        return evaluate_landscapes(prediction, dataset)
    predicted, label, counts = _aligned(prediction, dataset)
    result: dict[str, float] = {}
    if task.kind != "class":
        result = {
            **({"r2": metrics.r2(predicted, label)} if varies(label) else {}),
            "mse": metrics.mse(predicted, label),
            "mae": metrics.mae(predicted, label),
        }
    if task.kind == "share":
        result["share_within_0.1"] = metrics.share_within(predicted, label, TOLERANCE)
        if (noise := noise_of(dataset)) is not None:
            counted = noise.select(counts.numpy())
            result |= counted.metrics(predicted.numpy(), label.numpy())
    if task.has_classes:
        result |= _of_classes(predicted, label, task, threshold)
    return result


def varies(label: Float[Tensor, " nodes"]) -> bool:
    """Whether labels differ, so that there is anything to explain."""
    return bool((label != label[:1]).any())


def tune_threshold(prediction: Tensor, dataset: LabelledGraphs, task: Task) -> float:
    """The threshold with the largest F2 on a split, which must not be the one evaluated later.

    Args:
        prediction: One value a node of the validation set.
        dataset: The validation set.
        task: A task with classes.

    Raises:
        InvalidParameterError: A task without classes, or not one finite prediction a node.
        DatasetError: No label counts, or none is positive.
    """
    predicted, label, _ = _aligned(prediction, dataset)
    positive = task.is_positive(label)
    if not positive.any():
        raise DatasetError("no threshold can be tuned where no node is a troublemaker")
    value, order = predicted.sort(descending=True)
    hits = positive[order].cumsum(0)
    called = torch.arange(1, len(value) + 1)
    score = (1 + BETA**2) * hits / (BETA**2 * positive.sum() + called)
    # Equal predictions are called together or not at all.
    last = torch.cat([value[1:] < value[:-1], torch.tensor([True])])
    best = int(torch.where(last, score, -1.0).argmax())
    return float(value[best + 1] if best + 1 < len(value) else value[best] - 1)


def _of_classes(
    predicted: Float[Tensor, " nodes"],
    label: Float[Tensor, " nodes"],
    task: Task,
    threshold: float | None,
) -> dict[str, float]:
    boundary = task.require_threshold(threshold)
    positive = task.is_positive(label)
    return {
        "f2": metrics.f_beta(predicted, positive, BETA, threshold=boundary),
        "recall": metrics.recall(predicted, positive, threshold=boundary),
        "precision": metrics.precision(predicted, positive, threshold=boundary),
        "average_precision": metrics.average_precision(predicted, positive),
        "threshold": boundary,
        "positive_share": float(positive.double().mean()),
    }


def _aligned(
    prediction: Tensor, dataset: LabelledGraphs
) -> tuple[Float[Tensor, " nodes"], Float[Tensor, " nodes"], Bool[Tensor, " all"]]:
    """Predictions and labels of the nodes whose label counts, and which nodes these are."""
    tensors = dataset.store.tensors
    label = tensors["y"].reshape(-1).double()
    predicted = prediction.detach().cpu().reshape(-1).double()
    if predicted.shape != label.shape:
        raise InvalidParameterError(
            f"a split of {len(label)} nodes needs as many predictions, "
            f"got shape {tuple(prediction.shape)}"
        )
    if not predicted.isfinite().all():
        bad = int((~predicted.isfinite()).nonzero()[0])
        raise InvalidParameterError(
            f"predictions must be finite, got {float(predicted[bad])} at {bad}"
        )
    counts = tensors.get("y_mask", torch.ones_like(label, dtype=torch.bool)).reshape(-1)
    if not counts.any():
        raise DatasetError("no label of the split counts; choose another target or split")
    return predicted[counts], label[counts], counts
