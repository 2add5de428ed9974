"""From tokens to latents and back: a latent a token, or one latent of all tokens."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from graphwsl.populations.unit_entries import LayerType
from graphwsl.representations.positions import LearnedPositions, SinusoidalPositions
from graphwsl.representations.settings import TokenSettings
from graphwsl.representations.transformer import Transformer

Values = Float[Tensor, "networks tokens width"]
Latents = Float[Tensor, "networks latents latent_channels"]
Positions = Int[Tensor, "*networks tokens 3"]
Types = Int[Tensor, "*networks tokens"]


class LatentPerToken(nn.Module):
    """Encoder and decoder whose latents are those of the tokens (SANE).

    Args:
        width: Numbers of a token.
        sizes: Rows of the tables of positions.
        settings: Settings of the transformers.
    """

    def __init__(self, width: int, sizes: tuple[int, int, int], settings: TokenSettings) -> None:
        super().__init__()
        channels = settings.channels
        self.embed = nn.Linear(width, channels)
        self.to_latent = nn.Linear(channels, settings.latent_channels)
        self.from_latent = nn.Linear(settings.latent_channels, channels)
        self.to_values = nn.Linear(channels, width)
        self.encoder = Transformer(channels, settings.blocks, settings.heads, settings.dropout)
        self.decoder = Transformer(channels, settings.blocks, settings.heads, settings.dropout)
        self.types = nn.Embedding(len(LayerType), channels)
        nn.init.normal_(self.types.weight, std=0.02)
        self.position_embedding: nn.Module = (
            LearnedPositions(sizes, channels)
            if settings.positions == "learned"
            else SinusoidalPositions(channels)
        )

    def encode(self, values: Values, positions: Positions, types: Types) -> Latents:
        """The latent of every token."""
        return self.to_latent(self.encoder(self.embed(values) + self._where(positions, types)))

    def decode(self, latents: Latents, positions: Positions, types: Types) -> Values:
        """The numbers of every token."""
        x = self.from_latent(latents) + self._where(positions, types)
        return self.to_values(self.decoder(x))

    def _where(self, positions: Positions, types: Types) -> Float[Tensor, "*networks tokens c"]:
        return self.position_embedding(positions) + self.types(types)


class LatentOfAll(LatentPerToken):
    """Encoder and decoder with one bounded latent of a whole network (hyper-representations).

    A further token gathers the others; the decoder sees the latent at every position.
    """

    def __init__(self, width: int, sizes: tuple[int, int, int], settings: TokenSettings) -> None:
        super().__init__(width, sizes, settings)
        self.gathering = nn.Parameter(0.02 * torch.randn(settings.channels))

    def encode(self, values: Values, positions: Positions, types: Types) -> Latents:
        """One latent a network, between −1 and 1, shape ``(networks, 1, latent_channels)``."""
        x = self.embed(values) + self._where(positions, types)
        x = torch.cat([self.gathering.expand(len(x), 1, -1), x], dim=1)
        return self.to_latent(self.encoder(x)[:, :1]).tanh()

    def decode(self, latents: Latents, positions: Positions, types: Types) -> Values:
        """The numbers of every token."""
        x = self.from_latent(latents) + self._where(positions, types)
        return self.to_values(self.decoder(x))
