"""Vision transformers: one of any size, and ViT-S/16 with the names of its published zoo."""

from collections import OrderedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.zoo.architectures.layered import ACTIVATIONS

PATCH_SIZE = 16


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


class SmallVisionTransformer(nn.Module):
    """ViT-S/16 of Falk et al., "A Model Zoo of Vision Transformers", 2025.

    22,050,664 parameters with 1,000 classes. They are named as in timm's
    ``vit_small_patch16_224``, within a module ``vit``.

    Args:
        in_channels: Channels of the image.
        out_channels: Classes.
        head_width: Neurons of a hidden layer with ReLU in the head; None for a linear head.
        dropout: Share of the values that is dropped in training.
        image_size: Height and width of the image; 16 divides it.
        width: Channels of a token.
        depth: Blocks.
        heads: Attention heads of a block.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        out_channels: int = 1000,
        head_width: int | None = None,
        dropout: float = 0.0,
        image_size: int = 224,
        width: int = 384,
        depth: int = 12,
        heads: int = 6,
    ) -> None:
        super().__init__()
        self.vit = _Body(in_channels, image_size, width, depth, heads, dropout)
        self.vit.head = (
            nn.Linear(width, out_channels)
            if head_width is None
            else nn.Sequential(
                nn.Linear(width, head_width), nn.ReLU(), nn.Linear(head_width, out_channels)
            )
        )

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        return self.vit(x)


class _Body(nn.Module):
    def __init__(
        self,
        in_channels: int,
        image_size: int,
        width: int,
        depth: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        tokens = (image_size // PATCH_SIZE) ** 2 + 1
        patches = nn.Conv2d(in_channels, width, PATCH_SIZE, stride=PATCH_SIZE)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.patch_embed = nn.Sequential(OrderedDict(proj=patches))
        self.blocks = nn.Sequential(*(_Block(width, heads, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head: nn.Module = nn.Identity()

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.norm(self.blocks(x + self.pos_embed))
        return self.head(x[:, 0])


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(width, 4 * width),
                act=nn.GELU(),
                fc2=nn.Linear(4 * width, width),
            )
        )
        self.drop = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "batch tokens width"]
    ) -> Float[Tensor, "batch tokens width"]:
        x = x + self.drop(self.attn(self.norm1(x)))
        return x + self.drop(self.mlp(self.norm2(x)))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "batch tokens width"]
    ) -> Float[Tensor, "batch tokens width"]:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).flatten(2))
