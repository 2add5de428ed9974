"""A Gaussian with the mean and covariance of the aligned training networks."""

import torch

from graphwsl.generators.aligned_zoo import Rows
from graphwsl.generators.baselines.material import Material


def gaussian(material: Material, count: int, generator: torch.Generator) -> Rows:
    """Draws of it: the mean, and deviations of all networks in normally distributed shares.

    So the covariance, of as many rows and columns as there are parameters, is never written down.
    Running statistics are the means of the zoo's.
    """
    zoo = material.zoo
    parameters = zoo.rows[:, zoo.is_parameter]
    mean = parameters.mean(dim=0)
    shares = torch.randn(count, len(parameters), generator=generator)
    return zoo.made_of(mean + shares @ (parameters - mean) / (len(parameters) - 1) ** 0.5)
