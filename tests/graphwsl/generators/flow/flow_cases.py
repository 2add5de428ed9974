"""Populations whose weights are Gaussian, of which everything is known."""

import torch

from graphwsl.populations import Population
from graphwsl.populations.population import Function
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.checkpoint import Checkpoint, Scalar
from graphwsl.zoo.inputs import example_inputs

FACTORS: dict[str, Scalar] = {
    "architecture": "mlp", "in_channels": 1, "image_size": 2, "width": 5, "depth": 1,
    "out_channels": 2,
}  # fmt: skip


def gaussian_population(count: int, **factors: Scalar) -> Population:
    """Networks whose units are drawn independently: 7 numbers of known mean and covariance."""
    known: dict[str, Scalar] = {**FACTORS, **factors}
    function = Function.of(build("mlp", known).eval(), example_inputs(known), "mlp")
    generator = torch.Generator().manual_seed(1)
    size = function.architecture.num_entries
    root = 1 + torch.rand(size, generator=generator)
    drawn = torch.randn(count, size, generator=generator) * root + root / 2
    checkpoints = [Checkpoint(f"{n:04d}", 1, dict(known), {}) for n in range(count)]
    return Population.alike(checkpoints, [*drawn], function)
