"""The nearest training network in place of each sample: all that a copying generator can give."""

import torch

from graphwsl.generators.aligned_zoo import Rows
from graphwsl.generators.baselines.material import Material


def retrieval(material: Material, count: int, generator: torch.Generator) -> Rows:
    """The training networks nearest to the first finite samples."""
    return material.zoo.rows[material.nearest[:count]]
