"""A small GPT: a transformer over tokens of a text, each of which sees those before it alone."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from graphwsl.zoo.architectures.activations import ACTIVATIONS
from graphwsl.zoo.architectures.architecture import SHARED, register_architecture
from graphwsl.zoo.architectures.factors import ArchitectureFactors
from graphwsl.zoo.architectures.vit import OURS, Shape, TransformerBlock

DEVIATION = 0.02
"""Standard deviation of the initial embeddings, as in GPT-2."""


class GPT(nn.Module):
    """A language model: from each token of a text, logits of the next one.

    Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, with normalisation
    before each branch and learned positions; the embedding of tokens is not tied to the head.

    Args:
        vocabulary: Number of tokens.
        length: Tokens of a text, at most.
        outputs: Numbers that it gives for each token.
        shape: The sizes of the transformer, which is causal.
    """

    def __init__(self, vocabulary: int, length: int, outputs: int, shape: Shape) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, shape.width)
        nn.init.normal_(self.tokens.weight, std=DEVIATION)
        self.positions = nn.Parameter(DEVIATION * torch.randn(1, length, shape.width))
        self.blocks = nn.Sequential(*(TransformerBlock(shape, OURS) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.head = nn.Linear(shape.width, outputs)

    def forward(self, text: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length outputs"]:
        """Logits of a batch of texts."""
        x = self.tokens(text) + self.positions[:, : text.shape[1]]
        logits: Tensor = self.head(self.norm(self.blocks(x)))
        return logits


_FACTORS = {name: SHARED[name] for name in ("width", "depth", "heads")}


@register_architecture("gpt", factors=_FACTORS, head="head")
def gpt(factors: ArchitectureFactors) -> nn.Module:
    """A small GPT; ``activation`` is that of its perceptrons, four times as wide as a token."""
    width, heads = factors.number("width", 32), factors.number("heads", 2)
    factors.require("heads", heads, width % heads == 0, f"a divisor of the width {width}")
    depth, activation = factors.number("depth", 2), ACTIVATIONS[factors.activation]
    return GPT(
        factors.number("vocabulary_size", 2, least=2),
        factors.number("sequence_length", 1),
        factors.classes,
        Shape(width, depth, heads, 4, activation, factors.dropout, causal=True),
    )
