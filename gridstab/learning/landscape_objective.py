r"""How alike images are, and how a model learns to draw the stability landscapes of nodes.

The structural similarity of two images x and y (Wang et al. 2004, doi:10.1109/TIP.2003.819861) is
the mean over all pixels of

.. math:: \frac{(2 \mu_x \mu_y + c_1)(2 \sigma_{xy} + c_2)}
    {(\mu_x^2 + \mu_y^2 + c_1)(\sigma_x^2 + \sigma_y^2 + c_2)}

with means, variances and covariance under a Gaussian window of 1.5 pixels around each pixel, which
is 11 pixels wide, c₁ = 0.01², c₂ = 0.03², and images mirrored beyond their borders. It is 1 for
equal images.
"""

from dataclasses import dataclass
from math import isqrt

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from gnncore.errors import TrainingError
from gnncore.training.dataset import Batch
from gridstab.errors import InvalidParameterError

WINDOW = 11
SMALLEST = WINDOW // 2 + 1
"""Pixels along each axis that the window of structural similarity asks for."""

_SIGMA, _C1, _C2 = 1.5, 0.01**2, 0.03**2
_CHUNK = 4096


def structural_similarity(
    prediction: Float[Tensor, "images pixels"], label: Float[Tensor, "images pixels"]
) -> Float[Tensor, " images"]:
    """SSIM of every pair of square images of shares, each given row by row.

    Raises:
        InvalidParameterError: Images of fewer than 6 × 6 pixels.
    """
    side = isqrt(label.shape[1])
    require_window(side)
    parts = [
        _similarity(one.reshape(-1, side, side), other.to(one.dtype).reshape(-1, side, side))
        for one, other in zip(prediction.split(_CHUNK), label.split(_CHUNK), strict=True)
    ]
    return torch.cat(parts)


def _similarity(
    x: Float[Tensor, "images side side"], y: Float[Tensor, "images side side"]
) -> Float[Tensor, " images"]:
    along = _window(x)
    moments = along @ torch.stack([x, y, x * x, y * y, x * y]) @ along.T
    mean_x, mean_y, xx, yy, xy = moments
    # Rounding leaves variances of even images a little below zero.
    variances = (xx - mean_x.square()).clamp(min=0) + (yy - mean_y.square()).clamp(min=0)
    alike = (2 * mean_x * mean_y + _C1) * (2 * (xy - mean_x * mean_y) + _C2)
    return (alike / ((mean_x.square() + mean_y.square() + _C1) * (variances + _C2))).mean((1, 2))


def _window(images: Float[Tensor, "images side side"]) -> Float[Tensor, "side side"]:
    """The Gaussian window along one axis as a matrix: weights of the pixels around every pixel.

    The window is the product of those along both axes and images are small, so that two products
    of matrices are fifty times as fast as the convolution they equal.
    """
    side, reach = images.shape[-1], WINDOW // 2
    offsets = torch.arange(-reach, reach + 1, device=images.device)
    weights = torch.exp(-offsets.to(images.dtype).square() / (2 * _SIGMA**2))
    pixels = torch.arange(side, device=images.device)[:, None] + offsets
    mirrored = (side - 1) - ((side - 1) - pixels.abs()).abs()
    matrix = images.new_zeros(side, side)
    return matrix.scatter_add(1, mirrored, (weights / weights.sum()).expand(side, -1))


def require_window(resolution: int) -> None:
    """Nothing, if images of that size have a structural similarity.

    Raises:
        InvalidParameterError: They are too small.
    """
    if resolution < SMALLEST:
        raise InvalidParameterError(
            f"landscapes to learn from need at least {SMALLEST} × {SMALLEST} pixels, for which the "
            f"similarity of images is defined, got {resolution} × {resolution}"
        )


def pixel_r2(
    prediction: Float[Tensor, "images pixels"], label: Float[Tensor, "images pixels"]
) -> float:
    """R² of all pixels of all images together; NaN if all pixels are equal."""
    error = (prediction.double() - label.double()).square().mean()
    variance = label.double().var(correction=0)
    return float(1 - error / variance) if variance > 0 else float("nan")


@dataclass(frozen=True)
class LandscapeObjective:
    """Cross entropy of the pixels, and dissimilarity of the images.

    The loss is the mean over the images of

        (1 − weight) · cross entropy of their pixels + weight · (1 − SSIM) / 2.

    Cross entropy alone gives probabilities, which are grey where the model doubts; structural
    similarity asks for sharp borders.

    Attributes:
        weight: Share of the dissimilarity in the loss, from 0 to 1.
        select_by: ``ssim``, ``pixel_r2``, ``mse`` or ``loss``.
    """

    weight: float = 0.5
    select_by: str = "ssim"

    @property
    def maximise(self) -> bool:
        """Whether larger values of ``select_by`` are better."""
        return self.select_by in ("ssim", "pixel_r2")

    def check(self, data: Batch) -> None:
        """See :meth:`gnncore.training.objectives.Objective.check`; labels are shares."""
        y = data.get("y")
        if y is None or y.ndim != 2 or not len(y) or isqrt(y.shape[1]) ** 2 != y.shape[1]:
            shape = None if y is None else tuple(y.shape)
            raise TrainingError(f"labels must be square images, a row a node, got shape {shape}")
        if not bool(((y >= 0) & (y <= 1)).all()):
            raise TrainingError("pixels of landscapes must be shares from 0 to 1")
        try:
            require_window(isqrt(y.shape[1]))
        except InvalidParameterError as error:
            raise TrainingError(str(error)) from error

    def loss(self, prediction: Tensor, data: Batch) -> Float[Tensor, ""]:
        """See :meth:`gnncore.training.objectives.Objective.loss`."""
        label = data["y"].to(prediction.dtype)
        if prediction.shape != label.shape:
            raise TrainingError(
                f"the model predicts shape {tuple(prediction.shape)}, the labels have shape "
                f"{tuple(label.shape)}"
            )
        entropy = functional.binary_cross_entropy(prediction, label)
        if not self.weight:
            return entropy
        unlike = (1 - structural_similarity(prediction, label).mean()) / 2
        return (1 - self.weight) * entropy + self.weight * unlike

    def size(self, data: Batch) -> Float[Tensor, ""]:
        """See :meth:`gnncore.training.objectives.Objective.size`: the number of images."""
        return torch.tensor(float(len(data["y"])), device=data["y"].device)

    def metrics(self, prediction: Tensor, data: Batch) -> dict[str, float]:
        """See :meth:`gnncore.training.objectives.Objective.metrics`."""
        label = data["y"].to(prediction.dtype)
        return {
            "ssim": float(structural_similarity(prediction, label).double().mean()),
            "pixel_r2": pixel_r2(prediction, label),
            "mse": float((prediction - label).square().mean(dtype=torch.float64)),
        }
