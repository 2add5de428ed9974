"""The error of weights, on the scale of what is rebuilt; padding never counts."""

from jaxtyping import Bool, Float
from torch import Tensor

LEAST = 1e-4
"""Added to deviations, as in published code."""

Values = Float[Tensor, "networks tokens width"]


def errors(
    rebuilt: Values,
    target: Values,
    mask: Bool[Tensor, "networks tokens width"],
    normalise: str,
) -> Float[Tensor, " networks"]:
    """The mean squared error of each network over its numbers; padding does not count.

    Args:
        rebuilt: Tokens from a decoder.
        target: Tokens as they are.
        mask: Where there is a number.
        normalise: ``batch``: over the variance of all numbers of the batch. ``token``: over that
            of each token. Else as they are.
    """
    squares = (rebuilt - target).square() * mask
    if normalise == "batch":
        squares = squares / (target[mask].std(correction=0) + LEAST).square()
    elif normalise == "token":
        counts = mask.sum(2, keepdim=True).clamp(min=1)
        mean = (target * mask).sum(2, keepdim=True) / counts
        variance = ((target - mean).square() * mask).sum(2, keepdim=True) / counts
        # Tokens of one number, and of equal ones, have no deviation of their own.
        least = 0.1 * target[mask].std(correction=0) + LEAST
        squares = squares / variance.sqrt().clamp(min=least).square()
    return squares.sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)
