"""Density estimation on weights: every parameter drawn for itself."""

import torch

from graphwsl.generators.aligned_zoo import Rows
from graphwsl.generators.baselines.material import Material
from graphwsl.generators.latent.kernel_density import KernelDensity


def density(material: Material, count: int, generator: torch.Generator) -> Rows:
    """Draws of a kernel density estimate of each parameter of the aligned training networks.

    What the parameters have in common is lost: it shows how much of a network that is. Running
    statistics are the means of the zoo's.
    """
    zoo = material.zoo
    estimate = KernelDensity().fit(zoo.rows[:, zoo.is_parameter])
    return zoo.made_of(estimate.draw(count, generator))
