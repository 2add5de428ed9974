"""Aligned training networks on the line between two of them, and averages of many."""

import torch

from graphwsl.generators.aligned_zoo import Rows
from graphwsl.generators.baselines.material import Material

MEMBERS = 16
"""Networks of an average; all, if there are fewer."""


def interpolation(material: Material, count: int, generator: torch.Generator) -> Rows:
    """Uniformly drawn points between two different training networks."""
    first, second = material.zoo.rows[_members(material, count, 2, generator)].unbind(1)
    share = torch.rand(count, 1, generator=generator)
    return share * first + (1 - share) * second


def average(material: Material, count: int, generator: torch.Generator) -> Rows:
    """Means of sixteen training networks each."""
    return material.zoo.rows[_members(material, count, MEMBERS, generator)].mean(dim=1)


def _members(material: Material, count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Different training networks for each of the made ones, shape ``(count, size)``."""
    networks = len(material.zoo.rows)
    return torch.rand(count, networks, generator=generator).argsort(dim=1)[:, :size]
