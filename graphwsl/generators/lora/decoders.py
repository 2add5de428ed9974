"""Decoders: from the words of prompts to tokens of low-rank pairs.

The hyper-convolutional one is that of Drag-and-Drop (Liang et al., 2025): prompts, words and
channels are an image whose sides are convolved in turn, so that the order of prompts matters. The
pooled ones read the words of all prompts as a set.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

Condition = Float[Tensor, "networks prompts words channels"]
Tokens = Float[Tensor, "networks tokens rows columns"]
Image = Float[Tensor, "networks ..."]
Shape = tuple[int, int, int]


class HyperConvolution(nn.Module):
    """One block: an image of shape ``(prompts, words, channels)`` becomes one of another shape.

    After a layer norm over words and channels, convolutions that take one side for their channels
    and go along the other two mix channels then words, and words then channels, the latter through
    a tanh. A last convolution mixes prompts.

    Args:
        before: Shape of the input.
        after: Shape of the output.
        kernel: Size of the square kernels; odd.
    """

    def __init__(self, before: Shape, after: Shape, kernel: int) -> None:
        super().__init__()
        (n, words, channels), (m, new_words, new_channels) = before, after

        def conv(inputs: int, outputs: int, bias: bool = False) -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)

        self.norm = nn.LayerNorm((words, channels))
        self.channels_first = nn.ModuleList([conv(channels, new_channels), conv(words, new_words)])
        self.words_first = nn.ModuleList([conv(words, new_words), conv(channels, new_channels)])
        self.bias = nn.Parameter(torch.zeros(new_words, new_channels))
        self.prompts = conv(n, m, bias=True)
        self.is_residual = before == after

    def forward(self, x: Image) -> Image:
        """The next image.

        Args:
            x: The image before.
        """
        normed = self.norm(x)
        first = _over_words(self.channels_first[1], _over_channels(self.channels_first[0], normed))
        second = _over_channels(self.words_first[1], _over_words(self.words_first[0], normed))
        mixed = (first + torch.tanh(second) + self.bias) / 3
        found = self.prompts(mixed)
        return found + x if self.is_residual else found


def _over_channels(convolution: nn.Module, x: Image) -> Image:
    return convolution(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def _over_words(convolution: nn.Module, x: Image) -> Image:
    return convolution(x.transpose(1, 2)).transpose(1, 2)


class HyperConvolutionalDecoder(nn.Module):
    """Hyper-convolutions one after the other, the last of which gives tokens.

    Args:
        condition: Prompts, words and channels.
        tokens: Tokens, their rows and columns.
        hidden: Shapes between.
        kernel: Size of the kernels.
    """

    def __init__(
        self, condition: Shape, tokens: Shape, hidden: Sequence[Shape], kernel: int
    ) -> None:
        super().__init__()
        shapes = [condition, *hidden, tokens]
        self.blocks = nn.Sequential(*(HyperConvolution(a, b, kernel) for a, b in pairwise(shapes)))

    def forward(self, condition: Condition) -> Tokens:
        """Tokens of networks.

        Args:
            condition: The words of their prompts.
        """
        return self.blocks(condition)


class PooledDecoder(nn.Module):
    """A perceptron over one vector of all prompts.

    The vector is the mean over words and prompts, or what learnt queries attend to among all words.

    Args:
        condition: Prompts, words and channels.
        tokens: Tokens, their rows and columns.
        width: Hidden channels.
        dropout: Share of hidden channels that are left out in training.
        pooling: ``mean`` or ``attention``.
        queries: Queries of the attention.
    """

    def __init__(
        self,
        condition: Shape,
        tokens: Shape,
        width: int,
        dropout: float = 0.0,
        pooling: Literal["mean", "attention"] = "mean",
        queries: int = 8,
    ) -> None:
        super().__init__()
        self.token_shape, channels = tokens, condition[-1]
        self.attention = pooling == "attention"
        if self.attention:
            self.queries = nn.Parameter(torch.randn(queries, width) / width**0.5)
            self.keys, self.values = nn.Linear(channels, width), nn.Linear(channels, width)
            channels = queries * width
        self.norm = nn.LayerNorm(channels)
        self.layers = nn.Sequential(
            nn.Linear(channels, width), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(width, tokens[0] * tokens[1] * tokens[2]),
        )  # fmt: skip

    def forward(self, condition: Condition) -> Tokens:
        """Tokens of networks.

        Args:
            condition: The words of their prompts; those that are zero throughout are not read.
        """
        words = condition.flatten(1, 2)
        is_word = (words != 0).any(-1)
        if self.attention:
            scores = self.queries @ self.keys(words).mT
            scores = scores.masked_fill(~is_word[:, None], -torch.inf).softmax(-1)
            vector = (scores @ self.values(words)).flatten(1)
        else:
            vector = words.sum(1) / is_word.sum(1, keepdim=True).clamp_min(1)
        return self.layers(self.norm(vector)).unflatten(-1, self.token_shape)
