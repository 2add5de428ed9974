"""Where a token is, as fixed sines and cosines of its index in the layer and of the layer."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

PERIOD = 10_000.0
"""Of the slowest sine, over 2π."""


def sines(index: Int[Tensor, " n"], channels: int) -> Float[Tensor, "n channels"]:
    """Sines and cosines of indices, at frequencies that fall geometrically from 1.

    Vaswani et al., "Attention Is All You Need" (2017).

    Args:
        index: Not negative.
        channels: Even; the first half are the sines.
    """
    half = channels // 2
    rates = PERIOD ** -(torch.arange(half, dtype=torch.float64, device=index.device) / half)
    angles = index[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


def position_vectors(
    positions: Int[Tensor, "tokens 3"], channels: int
) -> Float[Tensor, "tokens channels"]:
    """One half of the channels says where in its layer a token is, the other one which layer.

    Args:
        positions: Index in the sequence, layer, index in the layer.
        channels: A multiple of 4.
    """
    _, layer, within = positions.unbind(1)
    return torch.cat([sines(within, channels // 2), sines(layer, channels // 2)], dim=1)
