"""Blocks of attention over tokens, normalised first and without biases, as in GPT-2."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Attention of all tokens to all, and a network of each token alone.

    Args:
        channels: Channels of a token.
        heads: Heads of attention; must divide the channels.
        dropout: After both.
    """

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.first_norm = nn.LayerNorm(channels)
        self.mix = nn.Linear(channels, 3 * channels, bias=False)
        self.join = nn.Linear(channels, channels, bias=False)
        self.second_norm = nn.LayerNorm(channels)
        self.network = nn.Sequential(
            nn.Linear(channels, 4 * channels, bias=False),
            nn.GELU(),
            nn.Linear(4 * channels, channels, bias=False),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "networks tokens channels"]
    ) -> Float[Tensor, "networks tokens channels"]:
        """The next signals of the tokens."""
        parts = self.mix(self.first_norm(x)).chunk(3, dim=2)
        queries, keys, values = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts
        )
        found = functional.scaled_dot_product_attention(queries, keys, values)
        x = x + self.dropout(self.join(found.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.network(self.second_norm(x)))


class Transformer(nn.Module):
    """Blocks one after the other, and a norm.

    Args:
        channels: Channels of a token.
        blocks: How many.
        heads: Heads of attention.
        dropout: Dropout in every block.
    """

    def __init__(self, channels: int, blocks: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(channels, heads, dropout) for _ in range(blocks)))
        self.norm = nn.LayerNorm(channels)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:  # residual paths add up, so their ends begin smaller
                is_end = name.endswith(("join.weight", "network.2.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * blocks) ** (0.5 * is_end))

    def forward(
        self, x: Float[Tensor, "networks tokens channels"]
    ) -> Float[Tensor, "networks tokens channels"]:
        """The signals after all blocks."""
        return self.norm(self.blocks(x))
