"""How alike what two networks compute is: centred kernel alignment (CKA).

S. Kornblith, M. Norouzi, H. Lee, G. Hinton, "Similarity of neural network representations
revisited" (2019); without bias as by L. Song, A. Smola, A. Gretton, J. Bedo, K. Borgwardt, "Feature
selection via dependence maximization" (2012), which T. Nguyen, M. Raghu, S. Kornblith, "Do wide and
deep networks learn the same things?" (2021) take.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import InvalidArgumentError, LandscapeError

Features = Float[Tensor, "samples *features"]


def cka(
    x: Float[Tensor, "samples *features"], y: Float[Tensor, "others *more"], unbiased: bool = False
) -> float:
    """Linear CKA of what two networks give for the same samples.

    It does not change if features are rotated, or scaled together. With itself it is 1, exactly.
    The biased one is from 0 to 1, and near 1 for any two networks where samples are fewer than
    features; the unbiased one is from −1 to 1, and 0 on average of what is unrelated.

    Args:
        x: Outputs or activations of one network; all dimensions but the first are features.
        y: Those of the other on the same samples, of any number of features.
        unbiased: Take the unbiased estimate; it needs at least 4 samples, the other one 2.

    Raises:
        InvalidArgumentError: No tensors of numbers, or of different numbers of samples.
        LandscapeError: Too few samples, numbers that are not finite, features that are the same
            for all samples, of which nothing is similar to anything, or samples that are all as
            far apart as each other, of which the unbiased estimate is not defined.

    >>> cka(torch.eye(5), 3 * torch.eye(5))
    1.0
    """
    for name, value in (("x", x), ("y", y)):
        _require_features(name, value)
    if len(x) != len(y):
        raise InvalidArgumentError(
            f"x and y must be of the same samples, got {len(x)} and {len(y)} of them"
        )
    least = 4 if unbiased else 2
    if len(x) < least:
        kind = "unbiased" if unbiased else "biased"
        raise LandscapeError(
            f"the {kind} CKA needs at least {least} samples, got {len(x)}; give more"
        )
    for name, value in (("x", x), ("y", y)):
        if is_constant(value):
            raise LandscapeError(
                f"{name} is the same for all {len(value)} samples, so that its similarity to "
                "anything is not defined; give a network that is not constant, or other samples"
            )
    found = similarity(centred_gram(x, unbiased), centred_gram(y, unbiased))
    if not math.isfinite(found):
        raise LandscapeError(
            f"the CKA is {found}: in x or y the {len(x)} samples have nothing that distinguishes "
            "pairs of them; give other samples, or unbiased=False"
        )
    return found


def centred_gram(x: Features, unbiased: bool = False) -> Float[Tensor, "samples samples"]:
    """The inner products of all pairs of samples, centred, in double precision, up to a factor.

    Args:
        x: Features of every sample.
        unbiased: Centre so that inner products of such matrices are without bias: with zeros on
            the diagonal (G. J. Székely, M. L. Rizzo, "Partial distance correlation with methods for
            dissimilarities", 2014).
    """
    features = _of_size_1(x.detach().flatten(1).double())
    # The same matrix of smaller numbers, of which less is lost to rounding.
    features = _of_size_1(features - features.mean(0))
    gram = features @ features.mT
    if not unbiased:
        return gram
    samples = len(gram)
    rounding = 8 * samples * torch.finfo(gram.dtype).eps * gram.abs().max()
    gram.fill_diagonal_(0)
    rows = gram.sum(1) / (samples - 2)
    total = rows.sum() / (samples - 1)
    centred = (gram - rows[:, None] - rows + total).fill_diagonal_(0)
    return centred if centred.abs().max() > rounding else torch.zeros_like(centred)


def similarity(
    first: Float[Tensor, "samples samples"], second: Float[Tensor, "samples samples"]
) -> float:
    """The cosine of two centred matrices, which is CKA; NaN where one of them is zero.

    Args:
        first: What :func:`centred_gram` gave.
        second: The same of another network.
    """
    if torch.equal(first, second):
        return 1.0 if bool((first != 0).any()) else math.nan
    first, second = (some / some.abs().max() for some in (first, second))
    norms = first.norm() * second.norm()
    return min(max(float((first * second).sum() / norms), -1.0), 1.0)


def is_constant(x: Features) -> bool:
    """Whether features are the same for all samples, but for rounding.

    Args:
        x: Features of every sample.
    """
    x = x.detach()
    rounding = 4 * torch.finfo(x.dtype).eps * float(x.abs().max())
    return float((x - x[:1]).abs().max()) <= rounding


def _of_size_1(features: Features) -> Features:
    """Divided by the largest magnitude, so that no square overflows or underflows."""
    largest = features.abs().max()
    return features / largest if largest > 0 else features


def _require_features(name: str, value: Tensor) -> None:
    if not isinstance(value, Tensor) or value.ndim < 2 or not value.is_floating_point():
        raise InvalidArgumentError(
            f"{name} must be a tensor of floating point of shape (samples, features), got "
            f"{arguments.described(value)}"
        )
    if not value.numel() or not bool(value.isfinite().all()):
        state = "holds numbers that are not finite" if value.numel() else "is empty"
        raise LandscapeError(f"{name} {state}: it has no similarity to anything")
