"""Vision transformers: one of any size, and ViT-S/16 with the names of its published zoo.

Both are one implementation; what differs is the shape, and what the parameters are called.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.zoo.architectures.activations import ACTIVATIONS
from graphwsl.zoo.architectures.architecture import SHARED, register_architecture
from graphwsl.zoo.architectures.factors import ArchitectureFactors

PATCH_SIZE = 16
"""The shape of ViT-S/16."""


@dataclass(frozen=True)
class Names:
    """What the parts of a transformer are called, and with them its parameters.

    Attributes:
        patches: The convolution that embeds patches.
        class_token: The token that is read out.
        positions: The embedding of positions.
        attention: The attention of a block.
        projection: The linear layer after it.
        perceptron: The two linear layers of a block and the activation between them.
    """

    patches: str = "patches"
    class_token: str = "class_token"
    positions: str = "positions"
    attention: str = "attention"
    projection: str = "projection"
    perceptron: tuple[str, str, str] = ("0", "1", "2")


OURS = Names()
TIMM = Names("patch_embed.proj", "cls_token", "pos_embed", "attn", "proj", ("fc1", "act", "fc2"))
"""As in timm's ``vit_small_patch16_224``."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a transformer.

    Attributes:
        width: Channels of a token.
        depth: Blocks.
        heads: Attention heads of a block; they divide ``width``.
        hidden: Width of the perceptrons, in widths of a token.
        activation: Makes the activation of the perceptrons.
        dropout: Share of the values of each branch that is dropped in training.
        epsilon: Added to the variance in normalisations.
        causal: Whether a token attends to itself and those before it alone.
    """

    width: int
    depth: int
    heads: int
    hidden: int
    activation: Callable[[], nn.Module]
    dropout: float
    epsilon: float = 1e-5
    causal: bool = False


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values.

    Args:
        shape: Shape of the transformer.
        names: Names of its parts.
    """

    def __init__(self, shape: Shape, names: Names) -> None:
        super().__init__()
        self.heads, self.names, self.causal = shape.heads, names, shape.causal
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.add_module(names.projection, nn.Linear(shape.width, shape.width))

    def forward(
        self, x: Float[Tensor, "batch tokens width"]
    ) -> Float[Tensor, "batch tokens width"]:
        """Every token, renewed by all."""
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        mixed = mixed.transpose(1, 2).reshape(batch, tokens, width)
        projected: Tensor = self.get_submodule(self.names.projection)(mixed)
        return projected


class TransformerBlock(nn.Module):
    """Attention and a two-layer perceptron, each behind a normalisation and a residual sum.

    Args:
        shape: Shape of the transformer.
        names: Names of its parts.
    """

    def __init__(self, shape: Shape, names: Names) -> None:
        super().__init__()
        width, hidden, self.names = shape.width, shape.hidden * shape.width, names
        self.norm1 = nn.LayerNorm(width, eps=shape.epsilon)
        self.add_module(names.attention, Attention(shape, names))
        self.norm2 = nn.LayerNorm(width, eps=shape.epsilon)
        layers = (nn.Linear(width, hidden), shape.activation(), nn.Linear(hidden, width))
        self.mlp = nn.Sequential(OrderedDict(zip(names.perceptron, layers, strict=True)))
        self.dropout = nn.Dropout(shape.dropout)

    def forward(
        self, x: Float[Tensor, "batch tokens width"]
    ) -> Float[Tensor, "batch tokens width"]:
        """Every token after attention and perceptron."""
        x = x + self.dropout(self.get_submodule(self.names.attention)(self.norm1(x)))
        return x + self.dropout(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    """A transformer over the patches of an image, read out at a class token.

    Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, with normalisation before each
    branch.

    Args:
        in_channels: Channels of the image.
        image_size: Its height and width; ``patch_size`` divides it.
        patch_size: Height and width of a patch.
        shape: The sizes of the transformer.
        head: Makes the layers that read the class token, from its width.
        names: Names of the parts.
    """

    def __init__(
        self,
        in_channels: int,
        image_size: int,
        patch_size: int,
        shape: Shape,
        head: Callable[[int], nn.Module],
        names: Names = OURS,
    ) -> None:
        super().__init__()
        width, tokens = shape.width, (image_size // patch_size) ** 2 + 1
        self.names = names
        patches = nn.Conv2d(in_channels, width, patch_size, stride=patch_size)
        self.register_parameter(names.class_token, _small(1, 1, width))
        self.register_parameter(names.positions, _small(1, tokens, width))
        home, _, inner = names.patches.partition(".")
        self.add_module(home, nn.Sequential(OrderedDict([(inner, patches)])) if inner else patches)
        self.blocks = nn.Sequential(*(TransformerBlock(shape, names) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(width, eps=shape.epsilon)
        self.head = head(width)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        x = self.get_submodule(self.names.patches)(x).flatten(2).transpose(1, 2)
        class_token: Tensor = getattr(self, self.names.class_token)
        positions: Tensor = getattr(self, self.names.positions)
        x = torch.cat([class_token.expand(x.shape[0], -1, -1), x], dim=1) + positions
        logits: Tensor = self.head(self.norm(self.blocks(x))[:, 0])
        return logits


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
        shape = Shape(width, depth, heads, 4, nn.GELU, dropout, epsilon=1e-6)
        self.vit = VisionTransformer(
            in_channels,
            image_size,
            PATCH_SIZE,
            shape,
            lambda width: _head(width, head_width or 0, out_channels),
            TIMM,
        )

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        logits: Tensor = self.vit(x)
        return logits


@register_architecture("vit", factors={**SHARED, "head_width": int}, head="head")
def vit(factors: ArchitectureFactors) -> nn.Module:
    """A small vision transformer; ``heads`` and ``patch_size`` are factors too.

    ``head_width`` gives its head a hidden layer.
    """
    size, width = factors.number("image_size", 28), factors.number("width", 32)
    patch, heads = factors.number("patch_size", 7), factors.number("heads", 2)
    factors.require("patch_size", patch, size % patch == 0, f"a divisor of the image size {size}")
    factors.require("heads", heads, width % heads == 0, f"a divisor of the width {width}")
    depth, activation = factors.number("depth", 2), ACTIVATIONS[factors.activation]
    return VisionTransformer(
        factors.number("in_channels", 1),
        size,
        patch,
        Shape(width, depth, heads, 2, activation, factors.dropout),
        lambda width: _head(width, factors.number("head_width", 0, least=0), factors.classes),
    )


@register_architecture(
    "vit_s_16", factors={"depth": SHARED["depth"], "head_width": int}, head="vit.head"
)
def vit_s_16(factors: ArchitectureFactors) -> nn.Module:
    """ViT-S/16; ``head_width`` gives its head a hidden layer."""
    return SmallVisionTransformer(
        in_channels=factors.number("in_channels", 3),
        out_channels=factors.number("out_channels", 1000),
        head_width=factors.number("head_width", 0, least=0) or None,
        dropout=factors.dropout,
        image_size=factors.number("image_size", 224, least=16),
        depth=factors.number("depth", 12),
    )


def _head(width: int, hidden: int, outputs: int) -> nn.Module:
    """A linear layer, or two of them with ReLU between where ``hidden`` is not 0."""
    if not hidden:
        return nn.Linear(width, outputs)
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def _small(*shape: int) -> nn.Parameter:
    return nn.Parameter(0.02 * torch.randn(*shape))
