"""What baselines are made of."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.generators.aligned_zoo import AlignedZoo, Rows


@dataclass(frozen=True, eq=False)
class Material:
    """Training networks, and what is known of the samples.

    Attributes:
        zoo: The training networks, aligned.
        nearest: For every finite sample the training network nearest to it, shape ``(samples,)``.
    """

    zoo: AlignedZoo
    nearest: Int[Tensor, " samples"]


Baseline = Callable[[Material, int, torch.Generator], Rows]
"""Makes so many networks, drawing from the generator; fewer where there are no more."""


def drawn(material: Material, count: int, generator: torch.Generator) -> Int[Tensor, " count"]:
    """Indices of ``count`` training networks; none occurs more than once more than another."""
    networks = len(material.zoo.rows)
    rounds = [torch.randperm(networks, generator=generator) for _ in range(-(-count // networks))]
    return torch.cat(rounds)[:count]
