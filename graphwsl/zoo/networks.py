"""The two kinds of networks that zoos are made of: a chain of layers, and a vision transformer."""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}


class LayeredNetwork(nn.Module):
    """Layers applied one after the other; parameters are named ``module_list.<place>.weight``.

    These are the names of the published zoos, so their weights load as they are.

    Args:
        layers: Each takes what the one before it gives.
    """

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.module_list = nn.ModuleList(layers)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        for layer in self.module_list:
            x = layer(x)
        return x


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values.

    Args:
        width: Channels of a token.
        heads: Attention heads; they divide ``width``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "batch tokens width"]
    ) -> Float[Tensor, "batch tokens width"]:
        """Every token, renewed by all."""
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.projection(mixed.transpose(1, 2).reshape(batch, tokens, width))


class TransformerBlock(nn.Module):
    """Attention and a two-layer perceptron, each behind a normalisation and a residual sum.

    Args:
        width: Channels of a token.
        heads: Attention heads.
        activation: Between the layers of the perceptron, which is twice as wide.
        dropout: Share of the values of each branch that is dropped in training.
    """

    def __init__(self, width: int, heads: int, activation: str, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), ACTIVATIONS[activation](), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "batch tokens width"]
    ) -> Float[Tensor, "batch tokens width"]:
        """Every token after attention and perceptron."""
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    """A transformer over the patches of an image, read out at a class token.

    Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, with normalisation before each
    branch.

    Args:
        in_channels: Channels of the image.
        image_size: Its height and width; ``patch_size`` divides it.
        patch_size: Height and width of a patch.
        out_channels: Classes.
        width: Channels of a token.
        depth: Blocks.
        heads: Attention heads of a block.
        activation: Name of the activation.
        dropout: Share of the values that is dropped in training.
    """

    def __init__(
        self,
        in_channels: int,
        image_size: int,
        patch_size: int,
        out_channels: int,
        *,
        width: int,
        depth: int,
        heads: int,
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        tokens = (image_size // patch_size) ** 2 + 1
        self.patches = nn.Conv2d(in_channels, width, patch_size, stride=patch_size)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.blocks = nn.Sequential(
            *(TransformerBlock(width, heads, activation, dropout) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, out_channels)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        x = self.patches(x).flatten(2).transpose(1, 2)
        first = self.class_token.expand(x.shape[0], -1, -1)
        x = torch.cat([first, x], dim=1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])
