"""What a model is trained for: a loss to descend, and metrics by which the best weights are chosen.

One rule holds for labels everywhere. ``data.y_mask`` (bool, shaped like ``y``) says which labels
count; without it all do. A label that counts must be finite; what a masked label holds does not
matter. ``data.weight`` (not negative, shaped like ``y`` or one a row) says how much each label
counts in the loss; metrics do not use it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from gnncore import metrics as measures
from gnncore.errors import GnncoreError, TrainingError
from gnncore.training.dataset import Batch


@runtime_checkable
class Objective(Protocol):
    """What :func:`gnncore.training.fit` asks of an objective.

    A run resumes only with the same objective, told by its ``repr``, so that should name all
    options and no memory address, as that of a dataclass does.
    """

    @property
    def select_by(self) -> str:
        """The metric that chooses the epoch whose weights are kept; ``loss`` is one as well."""
        ...

    @property
    def maximise(self) -> bool:
        """Whether larger values of it are better."""
        ...

    def check(self, data: Batch) -> None:
        """Refuse the labels of a split that cannot be trained on.

        Raises:
            TrainingError: Labels that are missing, do not fit their mask or weights, count but are
                not finite, or of which none counts.
        """
        ...

    def loss(self, prediction: Tensor, data: Batch) -> Float[Tensor, ""]:
        """The weighted mean over the labels that count; 0 where none does."""
        ...

    def size(self, data: Batch) -> Float[Tensor, ""]:
        """The sum of weights over which :meth:`loss` is the mean.

        With it the parts of a batch give the gradient of the whole batch.
        """
        ...

    def metrics(self, prediction: Tensor, data: Batch) -> dict[str, float]:
        """Metrics of a whole split, from its concatenated predictions."""
        ...


@dataclass(frozen=True)
class RegressionObjective:
    """Mean squared (or absolute) error, Σ w (f − y)² / Σ w over the labels that count.

    The metrics are R², MSE, MAE and the share of errors below ``tolerance``, each the mean over
    the columns of ``y`` in which labels count.

    Attributes:
        error: ``squared`` or ``absolute``.
        tolerance: Errors below it count in ``share_within``; 0.1 by default.
        select_by: ``r2``, ``mse``, ``mae``, ``share_within`` or ``loss``.
    """

    error: Literal["squared", "absolute"] = "squared"
    tolerance: float = 0.1
    select_by: str = "r2"

    @property
    def maximise(self) -> bool:
        """Whether larger values of ``select_by`` are better."""
        return self.select_by in ("r2", "share_within")

    def check(self, data: Batch) -> None:
        """See :meth:`Objective.check`."""
        _check_labels(data)

    def loss(self, prediction: Tensor, data: Batch) -> Float[Tensor, ""]:
        """See :meth:`Objective.loss`."""
        target, weight = _target_and_weight(prediction, data)
        difference = prediction - target
        errors = difference.square() if self.error == "squared" else difference.abs()
        return _weighted_mean(errors, weight)

    def size(self, data: Batch) -> Float[Tensor, ""]:
        """See :meth:`Objective.size`."""
        return _weight_of(data).sum()

    def metrics(self, prediction: Tensor, data: Batch) -> dict[str, float]:
        """See :meth:`Objective.metrics`."""
        return {
            "r2": _mean_over_columns(measures.r2, prediction, data),
            "mse": _mean_over_columns(measures.mse, prediction, data),
            "mae": _mean_over_columns(measures.mae, prediction, data),
            "share_within": _mean_over_columns(
                lambda p, y: measures.share_within(p, y, tolerance=self.tolerance),
                prediction,
                data,
            ),
        }


@dataclass(frozen=True)
class ClassificationObjective:
    """Cross-entropy of yes-or-no labels, one or several a row, each judged on its own.

    −Σ w (c y log σ(f) + (1 − y) log(1 − σ(f))) / Σ w over the labels that count, with c =
    ``pos_weight``. The metrics are average precision, F-beta and recall (yes where the
    probability is above one half), each the mean over the columns of ``y`` in which labels count.

    Attributes:
        pos_weight: Weight of yes against no; (number of no) / (number of yes) balances them.
        beta: Weight of recall against precision in F-beta; 2 values recall above precision.
        probabilities: The model gives probabilities (``output="sigmoid"``) and not logits.
        select_by: ``f_beta``, ``average_precision``, ``recall`` or ``loss``.
    """

    pos_weight: float = 1.0
    beta: float = 2.0
    probabilities: bool = False
    select_by: str = "f_beta"

    @property
    def maximise(self) -> bool:
        """Whether larger values of ``select_by`` are better."""
        return self.select_by != "loss"

    def check(self, data: Batch) -> None:
        """See :meth:`Objective.check`; labels that count must be 0 or 1."""
        _check_labels(data)
        counted = data["y"][_mask_of(data)]
        odd = counted[(counted != 0) & (counted != 1)]
        if len(odd):
            raise TrainingError(f"labels of a classification are 0 or 1, got {odd[0].item():g}")

    def loss(self, prediction: Tensor, data: Batch) -> Float[Tensor, ""]:
        """See :meth:`Objective.loss`."""
        target, weight = _target_and_weight(prediction, data)
        if self.probabilities:
            importance = torch.where(target == 1, self.pos_weight, 1.0)
            errors = importance * functional.binary_cross_entropy(
                prediction, target, reduction="none"
            )
        else:
            errors = functional.binary_cross_entropy_with_logits(
                prediction,
                target,
                reduction="none",
                pos_weight=prediction.new_tensor(self.pos_weight),
            )
        return _weighted_mean(errors, weight)

    def size(self, data: Batch) -> Float[Tensor, ""]:
        """See :meth:`Objective.size`."""
        return _weight_of(data).sum()

    def metrics(self, prediction: Tensor, data: Batch) -> dict[str, float]:
        """See :meth:`Objective.metrics`."""
        probability = prediction if self.probabilities else prediction.sigmoid()
        return {
            "average_precision": _mean_over_columns(measures.average_precision, probability, data),
            "f_beta": _mean_over_columns(
                lambda p, y: measures.f_beta(p, y, beta=self.beta), probability, data
            ),
            "recall": _mean_over_columns(measures.recall, probability, data),
        }


def _mask_of(data: Batch) -> Bool[Tensor, "*labels"]:
    mask = data.get("y_mask")
    return torch.ones_like(data["y"], dtype=torch.bool) if mask is None else mask


def _weight_of(data: Batch) -> Float[Tensor, "*labels"]:
    """Weight of every label, 0 where it does not count."""
    mask = _mask_of(data)
    weight = data.get("weight")
    if weight is None:
        return mask.to(torch.get_default_dtype())
    return mask * weight.reshape(weight.shape + (1,) * (mask.ndim - weight.ndim))


def _target_and_weight(
    prediction: Float[Tensor, "rows *columns"], data: Batch
) -> tuple[Float[Tensor, "rows *columns"], Float[Tensor, "rows *columns"]]:
    if prediction.shape not in (data["y"].shape, (*data["y"].shape, 1)):
        raise TrainingError(
            f"the model predicts shape {tuple(prediction.shape)}, "
            f"the labels have shape {tuple(data['y'].shape)}"
        )
    mask, weight = _mask_of(data), _weight_of(data)
    target = data["y"].to(prediction.dtype).masked_fill(~mask, 0)
    return target.view_as(prediction), weight.to(prediction.dtype).view_as(prediction)


def _weighted_mean(
    errors: Float[Tensor, "rows *columns"], weight: Float[Tensor, "rows *columns"]
) -> Float[Tensor, ""]:
    smallest = torch.finfo(errors.dtype).tiny
    return (weight * errors).sum() / weight.sum().clamp(min=smallest)


def _mean_over_columns(
    measure: Callable[[Tensor, Tensor], float], prediction: Tensor, data: Batch
) -> float:
    mask = _mask_of(data)
    columns = zip(
        *(t.reshape(len(t), -1).T for t in (prediction, data["y"], mask)),
        strict=True,
    )
    try:
        values = [measure(p[m], y[m].to(p.dtype)) for p, y, m in columns if bool(m.any())]
    except GnncoreError:  # not defined for these labels; matters only if it decides
        return math.nan
    return sum(values) / len(values) if values else math.nan


def _check_labels(data: Batch) -> None:
    y, mask, weight = data.get("y"), data.get("y_mask"), data.get("weight")
    if y is None:
        raise TrainingError("there are no labels; set y")
    if mask is not None and (mask.shape != y.shape or mask.dtype != torch.bool):
        raise TrainingError(
            f"y_mask must be bool of shape {tuple(y.shape)} as y, got {mask.dtype} of shape "
            f"{tuple(mask.shape)}"
        )
    if weight is not None and weight.shape not in (y.shape, y.shape[:1]):
        raise TrainingError(
            f"weight must have shape {tuple(y.shape)} as y or one entry a row, "
            f"got shape {tuple(weight.shape)}"
        )
    if weight is not None and not bool((weight.isfinite() & (weight >= 0)).all()):
        raise TrainingError("weight must be finite and not negative everywhere")
    counted = y[_mask_of(data)]
    bad = counted[~counted.isfinite()]
    if len(bad):
        raise TrainingError(
            f"{len(bad)} of {len(counted)} labels are not finite, such as {bad[0].item()}; "
            "set y_mask to False there"
        )
    if not bool(_weight_of(data).sum() > 0):
        raise TrainingError("no label counts: y is empty, or y_mask or weight leave none")
