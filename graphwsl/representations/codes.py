"""Codes of units: an orthonormal basis for the weights that read them, whatever their order is."""

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import RepresentationError


@torch.no_grad()
def orthonormal_codes(
    signals: Float[Tensor, "*networks units channels"], most: int
) -> Float[Tensor, "*networks units codes"]:
    """The principal directions in which units respond, the strongest first.

    They are the left singular vectors of the signals. Another order of the units changes the order
    within each vector alone, so codes change places with their units; the sign, which is arbitrary,
    is the one by which the cubes add up to more than 0. As many codes as units make an orthogonal
    matrix: weights are told by their sums with the codes without any loss. No gradient goes through
    them, for it has no bound where two directions are as strong as each other.

    Args:
        signals: How each unit responds to many inputs; no two units alike in all of them.
        most: Codes at most; as many as units otherwise.

    Raises:
        RepresentationError: Signals are not finite, as those of huge weights.
    """
    if not bool((is_finite := signals.isfinite()).all()):
        value = float(signals[~is_finite][0])
        raise RepresentationError(
            f"units respond with {value}, which has no direction: weights are too large, or the "
            "training diverged; leave out such networks, or choose a smaller learning rate"
        )
    count = min(most, signals.shape[-2], signals.shape[-1])
    found = torch.linalg.svd(signals.double(), full_matrices=False).U[..., :count]
    signs = found.pow(3).sum(-2, keepdim=True).sign()
    return (found * signs.where(signs != 0, 1.0)).to(signals.dtype)
