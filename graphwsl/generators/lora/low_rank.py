"""Low-rank adapters: linear layers to which the product of two thin matrices is added.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021).
"""

import copy
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.errors import GeneratorError

FIRST, SECOND = ".lora_A.weight", ".lora_B.weight"
"""Endings of the names of the two matrices, as ``peft`` has them."""

Pair = tuple[Float[Tensor, "..."], Float[Tensor, "..."]]
"""The matrices A ``(…, rank, inputs)`` and B ``(…, outputs, rank)`` of a layer, whose weight
becomes ``W + scaling * B @ A``; before them the dimensions of networks."""
Pairs = dict[str, Pair]
"""The pair of each adapted layer, by the layer's path in the base network."""


class LowRankLinear(nn.Module):
    """A linear layer that stays as it is, and a low-rank path beside it.

    Args:
        base_layer: The layer.
        rank: Width of the path.
        scaling: What the path's output is multiplied with.
    """

    def __init__(self, base_layer: nn.Linear, rank: int, scaling: float) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.lora_A = nn.Linear(base_layer.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, base_layer.out_features, bias=False)
        self.scaling = scaling

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """The layer's output plus that of the path.

        Args:
            x: What the layer takes.
        """
        return self.base_layer(x) + self.scaling * self.lora_B(self.lora_A(x))


def adapted(
    base: nn.Module,
    rank: int = 8,
    alpha: float | None = None,
    layers: Sequence[str] | None = None,
    seed: int = 0,
) -> nn.Module:
    """A copy of a network with adapters, which compute nothing yet: A is drawn, B is zero.

    Args:
        base: The network.
        rank: Rank of every adapter.
        alpha: Adapters are scaled by ``alpha / rank``; twice the rank by default.
        layers: Paths of the linear layers to adapt, or one path; all by default.
        seed: Seed of A, drawn as ``peft`` draws it.

    Raises:
        GeneratorError: A path is not that of a linear layer, or there are none, or a layer, or the
            block that holds it, is at several places; the network has adapters already; the rank is
            beyond all layers.
    """
    arguments.instance("base", base, nn.Module, "a torch.nn.Module", "give the base network")
    arguments.whole("rank", rank, 1)
    arguments.whole("seed", seed, 0)
    alpha = 2.0 * rank if alpha is None else alpha
    arguments.positive("alpha", alpha)
    there = [name for name, part in base.named_modules() if isinstance(part, LowRankLinear)]
    if there:
        raise GeneratorError(
            f"the network has adapters already, as of {there[0]!r}; give its base, or train these "
            "by train_adapters"
        )
    # Layers under all their names: two names of one are two places.
    linear = {
        name: part
        for name, part in base.named_modules(remove_duplicate=False)
        if type(part) is nn.Linear and name
    }
    if isinstance(layers, str):
        layers = [layers]
    if layers is not None:
        arguments.listed("layers", layers, str, "a path", "give those of linear layers")
    chosen = list(linear if layers is None else dict.fromkeys(layers))
    for name in chosen:
        if name not in linear:
            raise GeneratorError(
                f"no linear layer {name!r} to adapt; choose among {', '.join(linear) or 'none'}"
            )
    if not chosen:
        raise GeneratorError(
            "there is no linear layer to adapt; give a network with torch.nn.Linear"
        )
    for name in chosen:
        places = [other for other, part in linear.items() if part is linear[name]]
        if len(places) > 1:
            raise GeneratorError(
                f"linear layer {name!r} is at {len(places)} places of the network "
                f"({', '.join(places)}), which would have adapters each; leave it out of layers, "
                "or give each place its own"
            )
    # More than the smaller size adds nothing, but one rank is given for layers of all sizes.
    largest = max(size for name in chosen for size in linear[name].weight.shape)
    if rank > largest:
        raise GeneratorError(
            f"rank must be at most {largest}, the largest size of a layer to adapt, got {rank}"
        )
    network = copy.deepcopy(base)
    generator = torch.Generator().manual_seed(seed)
    for name in chosen:
        parent, _, last = name.rpartition(".")
        path = LowRankLinear(network.get_submodule(name), rank, alpha / rank)  # type: ignore[arg-type]
        nn.init.kaiming_uniform_(path.lora_A.weight, a=math.sqrt(5), generator=generator)
        nn.init.zeros_(path.lora_B.weight)
        setattr(network.get_submodule(parent), last, path)
    return network


def low_rank_layers(network: nn.Module) -> dict[str, LowRankLinear]:
    """The adapted layers of a network, by their paths.

    Args:
        network: The network.

    Raises:
        GeneratorError: There are none.
    """
    arguments.instance("network", network, nn.Module, "a torch.nn.Module", "give adapted(base)")
    found = {n: part for n, part in network.named_modules() if isinstance(part, LowRankLinear)}
    if not found:
        raise GeneratorError("the network has no adapters; make some by adapted(base, rank=…)")
    return found
