"""Where a token is: in the sequence, in which layer, and where in the layer."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class LearnedPositions(nn.Module):
    """Three tables, of which two add up to half of the channels and one is the other half.

    Schürholt et al. (SANE), 2024. Positions beyond a table share its last row.

    Args:
        sizes: Rows of each table.
        channels: Channels of the sum.
    """

    def __init__(self, sizes: tuple[int, int, int], channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.sequence = nn.Embedding(sizes[0], half)
        self.layer = nn.Embedding(sizes[1], half)
        self.within = nn.Embedding(sizes[2], channels - half)
        for table in (self.sequence, self.layer, self.within):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, positions: Int[Tensor, "*tokens 3"]) -> Float[Tensor, "*tokens channels"]:
        """The vector of every token."""
        sequence, layer, within = (
            table(index.clamp(max=table.num_embeddings - 1))
            for table, index in zip(
                (self.sequence, self.layer, self.within), positions.unbind(-1), strict=True
            )
        )
        return torch.cat([sequence + layer, within], dim=-1)


class SinusoidalPositions(nn.Module):
    """Sines and cosines of all three positions, mapped to the channels; for networks of any size.

    Args:
        channels: Channels of the result.
        frequencies: Frequencies of each position.
    """

    def __init__(self, channels: int, frequencies: int = 16) -> None:
        super().__init__()
        exponents = torch.arange(frequencies) / max(frequencies - 1, 1)
        self.rates = nn.Buffer(2 * math.pi / 4 * 10_000.0**-exponents, persistent=False)
        self.join = nn.Linear(6 * frequencies, channels)

    def forward(self, positions: Int[Tensor, "*tokens 3"]) -> Float[Tensor, "*tokens channels"]:
        """The vector of every token."""
        angles = (positions[..., None] * self.rates).flatten(-2)
        return self.join(torch.cat([angles.sin(), angles.cos()], dim=-1))
