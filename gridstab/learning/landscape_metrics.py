"""How good predicted stability landscapes are, and the basin stability that is read out of them."""

from math import isqrt

import torch
from jaxtyping import Float
from torch import Tensor

from gnncore import metrics
from gridstab.errors import InvalidParameterError
from gridstab.learning.landscape_objective import pixel_r2, structural_similarity
from gridstab.learning.tasks import LabelledGraphs

TOLERANCE = 0.1
HALF = 0.5
"""Shares above it say that a pixel rather returns."""


def snbs_of_images(images: Float[Tensor, "nodes *pixels"]) -> Float[Tensor, " nodes"]:
    """Single-node basin stability: the mean of all pixels."""
    return images.flatten(1).mean(1)


def evaluate_landscapes(
    prediction: Float[Tensor, "nodes *pixels"], dataset: LabelledGraphs
) -> dict[str, float]:
    """All metrics of predicted images of a split, over the nodes of all its grids together.

    ``ssim`` is the mean :func:`structural_similarity
    <gridstab.learning.landscape_objective.structural_similarity>` of the nodes, ``pixel_r2`` R² of
    all pixels of all nodes, ``pixel_mse`` their mean squared error, ``pixel_accuracy`` the share of
    pixels on the right side of one half. ``snbs_r2``, ``snbs_mse``, ``snbs_mae`` and
    ``snbs_within_0.1`` compare the mean of every predicted image with the node's basin stability.

    Args:
        prediction: One image a node in the order of the data set, row by row or as images.
        dataset: The split; a ``GridDataset`` whose target is ``landscape``.

    Raises:
        InvalidParameterError: Images of another size, or values that are no shares.
        GnncoreError: A metric that is not defined: the basin stability of all nodes is equal.
    """
    tensors = dataset.store.tensors
    label = tensors["y"]
    predicted = prediction.detach().cpu().flatten(1)
    if predicted.shape != label.shape:
        wanted, given = (_size(images) for images in (label, predicted))
        raise InvalidParameterError(
            f"a split with landscapes of {wanted} of {len(label):,} nodes cannot be compared with "
            f"predictions of {given} of {len(predicted):,} nodes"
        )
    if not bool(((predicted >= 0) & (predicted <= 1)).all()):
        raise InvalidParameterError("predicted pixels must be shares from 0 to 1")
    snbs = snbs_of_images(predicted.double())
    known = known_snbs(dataset)
    return {
        "ssim": float(structural_similarity(predicted, label).double().mean()),
        "pixel_r2": pixel_r2(predicted, label),
        "pixel_mse": float((predicted - label).square().mean(dtype=torch.float64)),
        "pixel_accuracy": float(((predicted > HALF) == (label > HALF)).double().mean()),
        "snbs_r2": metrics.r2(snbs, known),
        "snbs_mse": metrics.mse(snbs, known),
        "snbs_mae": metrics.mae(snbs, known),
        "snbs_within_0.1": metrics.share_within(snbs, known, TOLERANCE),
    }


def known_snbs(dataset: LabelledGraphs) -> Float[Tensor, " nodes"]:
    """The basin stability of the nodes of a split with landscapes.

    It is the share of all perturbations that return, where their numbers are known; published
    images have more of them in some pixels than in others.
    """
    tensors = dataset.store.tensors
    if "n_stable" in tensors and "n_samples" in tensors:
        return tensors["n_stable"].double() / tensors["n_samples"].double()
    return snbs_of_images(tensors["y"].double())


def _size(images: Float[Tensor, "nodes pixels"]) -> str:
    side = isqrt(images.shape[1])
    if side**2 != images.shape[1]:
        return f"{images.shape[1]} pixels"
    return f"{side} × {side} pixels"
