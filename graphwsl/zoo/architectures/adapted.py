"""Perceptrons with low-rank adapters, which are what fine-tuning makes anew and trains.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021). Pretrained are networks
without adapters (``head_rank = 0``); with ``frozen = true`` their children train adapters alone.
"""

import math
from collections.abc import Callable
from itertools import pairwise

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from graphwsl.zoo.architectures.activations import ACTIVATIONS
from graphwsl.zoo.architectures.architecture import SHARED, register_architecture
from graphwsl.zoo.architectures.factors import ArchitectureFactors


class LowRankPath(nn.Module):
    """The product of two thin matrices, which computes nothing at first: B is zero.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        rank: Channels between.
    """

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.lora_A = nn.Linear(inputs, rank, bias=False)
        self.lora_B = nn.Linear(rank, outputs, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Twice the product: adapters are scaled by 2, which is α = 2 r.

        Args:
            x: What the adapted layer takes.
        """
        return 2 * self.lora_B(self.lora_A(x))


class AdaptedPerceptron(nn.Module):
    """A perceptron, and a low-rank path beside each of its layers.

    Args:
        sizes: Neurons of inputs, of every hidden layer and of outputs.
        rank: Rank of every path; 0 for none.
        activation: Activation of hidden layers.
    """

    def __init__(self, sizes: list[int], rank: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        pairs = list(pairwise(sizes))
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairs)
        self.adapters = nn.ModuleList(LowRankPath(*pair, rank) for pair in pairs if rank)
        self.activation = activation()

    def forward(self, x: Shaped[Tensor, "batch *sample"]) -> Float[Tensor, "batch outputs"]:
        """Logits of a batch."""
        x = x.flatten(1)
        for number, layer in enumerate(self.layers):
            made = layer(x)
            if len(self.adapters):
                made = made + self.adapters[number](x)
            x = self.activation(made) if number < len(self.layers) - 1 else made
        return x


@register_architecture(
    "adapted_mlp",
    factors={"width": SHARED["width"], "depth": SHARED["depth"], "head_rank": int},
    head="adapters",
)
def adapted_mlp(factors: ArchitectureFactors) -> nn.Module:
    """``depth`` hidden layers of ``width`` neurons, with adapters of rank ``head_rank``."""
    hidden = [factors.number("width", 32)] * factors.number("depth", 2)
    rank = factors.number("head_rank", 4, least=0)
    sizes = [factors.inputs, *hidden, factors.classes]
    return AdaptedPerceptron(sizes, rank, ACTIVATIONS[factors.activation])
