"""Figures of merit: of two lists of numbers, one number.

All take one-dimensional tensors of equal length and return a Python float, computed in double
precision by torchmetrics, scikit-learn or SciPy. What is not defined raises: empty lists, values
that are not finite, a constant target where its spread matters.

>>> import torch
>>> r2(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 2.0, 3.0]))
0.5
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gnncore.errors import GnncoreError

Values = Float[Tensor, " values"]
Labels = Bool[Tensor, " values"] | Int[Tensor, " values"] | Float[Tensor, " values"]


def mse(prediction: Values, target: Values) -> float:
    r"""Mean squared error :math:`\frac{1}{n} \sum_i (\hat{y}_i - y_i)^2`.

    Raises:
        GnncoreError: No values, different lengths, or values that are not finite.
    """
    from torchmetrics.functional import mean_squared_error

    return float(mean_squared_error(*_pair("mse", prediction, target)))


def mae(prediction: Values, target: Values) -> float:
    r"""Mean absolute error :math:`\frac{1}{n} \sum_i |\hat{y}_i - y_i|`.

    Raises:
        GnncoreError: As :func:`mse`.
    """
    from torchmetrics.functional import mean_absolute_error

    return float(mean_absolute_error(*_pair("mae", prediction, target)))


def r2(prediction: Values, target: Values) -> float:
    r"""Coefficient of determination, at most 1, and 0 for predicting the mean.

    .. math:: R^2 = 1 - \frac{\sum_i (\hat{y}_i - y_i)^2}{\sum_i (y_i - \bar{y})^2}

    Raises:
        GnncoreError: As :func:`mse`, or a constant target.
    """
    # torchmetrics takes sums of squares below 1e-4 for zero.
    from sklearn.metrics import r2_score

    prediction, target = _pair("r2", prediction, target)
    _require_varied("r2", "target", target)
    return float(r2_score(*_arrays((target, prediction))))


def share_within(prediction: Values, target: Values, tolerance: float = 0.1) -> float:
    r"""Share of predictions with :math:`|\hat{y}_i - y_i| <` ``tolerance``.

    The "discretised accuracy" of the studies of single-node basin stability.

    Raises:
        GnncoreError: As :func:`mse`.
    """
    prediction, target = _pair("share_within", prediction, target)
    return float(((prediction - target).abs() < tolerance).double().mean())


def excess_mse(prediction: Values, target: Values, target_variance: Values) -> float:
    r"""Mean squared error beyond that of the labels' own noise.

    .. math:: \frac{1}{n} \sum_i \left( (\hat{y}_i - y_i)^2 - \sigma_i^2 \right)

    With labels :math:`y_i` of independent errors of mean zero and (unbiased estimates of)
    variances :math:`\sigma_i^2`, this is an unbiased estimate of the mean squared distance to the
    true values; it may fall below zero. For k successes in N trials,
    :math:`\sigma^2 = \frac{k}{N} (1 - \frac{k}{N}) / (N - 1)` is unbiased.

    Raises:
        GnncoreError: As :func:`mse`, or a negative variance.
    """
    prediction, variance = _pair("excess_mse", prediction, target_variance)
    if float(variance.min()) < 0:
        raise GnncoreError(
            f"excess_mse needs variances of at least 0, got {float(variance.min()):g}"
        )
    return mse(prediction, target) - float(variance.mean())


def kendall_tau(prediction: Values, target: Values) -> float:
    """Kendall's rank correlation τ-b, from -1 to 1, which allows for ties.

    Raises:
        GnncoreError: As :func:`mse`, or one list is constant.
    """
    from scipy.stats import kendalltau

    pair = _pair("kendall_tau", prediction, target)
    _require_varied("kendall_tau", "prediction", pair[0])
    _require_varied("kendall_tau", "target", pair[1])
    return float(kendalltau(*_arrays(pair)).statistic)


def f_beta(
    prediction: Values, target: Labels, beta: float = 1.0, *, threshold: float = 0.5
) -> float:
    r"""F-score of the positives, those with a score above ``threshold``.

    .. math:: F_β = (1 + β^2) \frac{\text{precision} \cdot \text{recall}}
        {β^2 \, \text{precision} + \text{recall}}

    Zero where no positive is found.

    Args:
        prediction: Scores.
        target: Whether each is positive, as 0 and 1.
        beta: Weight of the recall against the precision; 2 in the studies of troublemakers.
        threshold: Scores above it count as positive.

    Raises:
        GnncoreError: As :func:`mse`, labels other than 0 and 1, no positive label, or a ``beta``
            that is not positive.
    """
    from torchmetrics.functional.classification import binary_fbeta_score

    if not beta > 0:
        raise GnncoreError(f"beta of f_beta must be positive, got {beta!r}")
    return float(binary_fbeta_score(*_decisions("f_beta", prediction, target, threshold), beta))


def precision(prediction: Values, target: Labels, *, threshold: float = 0.5) -> float:
    """Share of true positives among the scores above ``threshold``; zero where there are none.

    Raises:
        GnncoreError: As :func:`f_beta`.
    """
    from torchmetrics.functional.classification import binary_precision

    return float(binary_precision(*_decisions("precision", prediction, target, threshold)))


def recall(prediction: Values, target: Labels, *, threshold: float = 0.5) -> float:
    """Share of the positives with a score above ``threshold``.

    Raises:
        GnncoreError: As :func:`f_beta`.
    """
    from torchmetrics.functional.classification import binary_recall

    return float(binary_recall(*_decisions("recall", prediction, target, threshold)))


def average_precision(prediction: Values, target: Labels) -> float:
    """Mean precision over all positives, each at the threshold of its own score.

    Scores count by their order alone. The share of positives for constant scores.

    Raises:
        GnncoreError: As :func:`f_beta`.
    """
    # torchmetrics would squeeze scores outside [0, 1] through a sigmoid, where large ones tie.
    from sklearn.metrics import average_precision_score

    scores, labels = _arrays(_scores("average_precision", prediction, target))
    return float(average_precision_score(labels, scores))


def auroc(prediction: Values, target: Labels) -> float:
    """Probability that a positive has a larger score than a negative; ties count half.

    Raises:
        GnncoreError: As :func:`f_beta`, or no negative label.
    """
    from sklearn.metrics import roc_auc_score

    scores, labels = _scores("auroc", prediction, target)
    _require_varied("auroc", "target", labels)
    return float(roc_auc_score(*_arrays((labels, scores))))


def _pair(name: str, prediction: Tensor, target: Tensor) -> tuple[Values, Values]:
    """Both in double precision on the CPU."""
    if prediction.shape != target.shape or prediction.ndim != 1:
        raise GnncoreError(
            f"{name} needs two lists of equal length, got shapes {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}"
        )
    if not len(prediction):
        raise GnncoreError(f"{name} of no values is not defined")
    pair = (prediction.detach().cpu().double(), target.detach().cpu().double())
    for what, values in zip(("prediction", "target"), pair, strict=True):
        bad = torch.nonzero(~torch.isfinite(values))
        if len(bad):
            where = int(bad[0])
            raise GnncoreError(
                f"{name} needs finite values, got {float(values[where])} at {where} of the {what} "
                f"({len(bad)} of {len(values)} are not finite)"
            )
    return pair


def _require_varied(name: str, what: str, values: Values) -> None:
    if bool((values == values[0]).all()):
        raise GnncoreError(
            f"{name} is not defined for a constant {what}; all {len(values)} are {values[0]:g}"
        )


def _scores(name: str, prediction: Tensor, target: Tensor) -> tuple[Values, Values]:
    scores, labels = _pair(name, prediction, target)
    unexpected = labels[(labels != 0) & (labels != 1)]
    if len(unexpected):
        raise GnncoreError(f"{name} needs labels 0 and 1, got {float(unexpected[0]):g}")
    if not bool(labels.any()):
        raise GnncoreError(f"{name} is not defined without a positive label; all are 0")
    return scores, labels


def _decisions(
    name: str, prediction: Tensor, target: Tensor, threshold: float
) -> tuple[Int[Tensor, " values"], Int[Tensor, " values"]]:
    scores, labels = _scores(name, prediction, target)
    return (scores > threshold).long(), labels.long()


def _arrays(pair: tuple[Values, Values]) -> tuple[np.ndarray, np.ndarray]:
    return pair[0].numpy(), pair[1].numpy()
