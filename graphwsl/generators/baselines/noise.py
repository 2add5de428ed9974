"""Training networks with noise: near copies, whose accuracy any generator has to beat.

Zeng et al., "Generative Modeling of Weights: Generalization or Memorization?" (2025), add noise of
deviation 0.02 and 0.04 to weights of about 0.2.
"""

import torch

from graphwsl.generators.aligned_zoo import Rows
from graphwsl.generators.baselines.material import Material, drawn

SMALL, LARGE = 0.1, 0.2
"""Deviation of the noise, in deviations of the layer's weights."""


def small_noise(material: Material, count: int, generator: torch.Generator) -> Rows:
    """Training networks with noise of a tenth of each layer's deviation."""
    return _noisy(material, count, generator, SMALL)


def large_noise(material: Material, count: int, generator: torch.Generator) -> Rows:
    """Training networks with noise of a fifth of each layer's deviation."""
    return _noisy(material, count, generator, LARGE)


def _noisy(material: Material, count: int, generator: torch.Generator, level: float) -> Rows:
    rows = material.zoo.rows[drawn(material, count, generator)]
    return rows + level * material.zoo.deviation * torch.randn(rows.shape, generator=generator)
