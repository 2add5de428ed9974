"""What the last step of a training did, layer by layer, beside the step before."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import TrajectoryError

BEFORE = 2
"""Checkpoints that a step needs before it: those of the step before."""
STILL = 1e-12
"""Length in place of 0, beside the largest weights of the layer at the three checkpoints of both
steps: well below what single precision can tell."""


def movements(
    path: Float[Tensor, "*trainings checkpoints entries"], sizes: Sequence[int]
) -> Float[Tensor, "*trainings steps layers numbers"]:
    """Numbers of every step from the second on, of every layer, that do not depend on its scale.

    They are the logarithm of its length over that of the step before, the cosine of the angle
    between both, and the logarithm of its length over that of the layer's weights. Lengths below
    :data:`STILL` count as that, so that what does not move has numbers, too.

    Args:
        path: The weights at successive checkpoints.
        sizes: Entries of each layer, one after the other in a row.

    Raises:
        TrajectoryError: There are fewer than three checkpoints, or sizes do not add up.
    """
    if path.shape[-2] <= BEFORE:
        raise TrajectoryError(
            f"movement needs at least {BEFORE + 1} checkpoints, got {path.shape[-2]}; give more"
        )
    if min(sizes, default=0) < 1 or sum(sizes) != path.shape[-1]:
        raise TrajectoryError(
            f"sizes must be positive and add up to the {path.shape[-1]:,} entries of a row, got "
            f"{sum(sizes):,}"
        )
    numbers = []
    for stop, size in zip(accumulate(sizes), sizes, strict=True):
        layer = _scaled(path[..., stop - size : stop])
        steps = layer.diff(dim=-2)
        lengths = torch.linalg.vector_norm(steps, dim=-1)
        weights = torch.linalg.vector_norm(layer, dim=-1)
        largest = weights.unfold(-1, BEFORE + 1, 1).amax(-1)
        least = STILL * torch.where(largest > 0, largest, 1.0)
        before, after = (x.maximum(least) for x in (lengths[..., :-1], lengths[..., 1:]))
        cosine = (steps[..., 1:, :] * steps[..., :-1, :]).sum(-1) / (before * after)
        relative = after / weights[..., 1:-1].maximum(least)
        numbers.append(torch.stack([(after / before).log(), cosine, relative.log()], -1))
    return torch.stack(numbers, -2)


def _scaled(
    layer: Float[Tensor, "*trainings checkpoints entries"],
) -> Float[Tensor, "*trainings checkpoints entries"]:
    """A layer of each training over its largest entry, so that no square over- or underflows."""
    layer = layer.double()
    largest = layer.abs().amax((-2, -1), keepdim=True)
    return layer / torch.where(largest > 0, largest, 1.0)
