"""Populations whose weights are Gaussian, of which everything is known, and trained ones."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy

from graphwsl.errors import GeneratorError
from graphwsl.populations import Population
from graphwsl.populations.population import Function
from graphwsl.populations.unflattening import unflat
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


def trained_population(count: int, epochs: int = 60) -> tuple[Population, Tensor, Tensor]:
    """Networks that were trained to tell which half of four numbers is larger, and their data."""
    known: dict[str, Scalar] = {**FACTORS, "activation": "relu"}
    function = Function.of(build("mlp", known).eval(), example_inputs(known), "mlp")
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(200, 1, 2, 2, generator=generator)
    labels = (inputs.flatten(1) @ torch.tensor([1.0, 1.0, -1.0, -1.0]) > 0).long()
    size = function.architecture.num_entries
    rows = (0.5 * torch.randn(count, size, generator=generator)).requires_grad_()
    optimiser = torch.optim.Adam([rows], lr=0.05)
    for _ in range(epochs):
        state = unflat(rows, function.architecture)
        outputs = vmap(lambda own: functional_call(function.module, own, (inputs,)))(state)
        loss = cross_entropy(outputs.flatten(0, 1), labels.repeat(count), reduction="sum")
        optimiser.zero_grad()
        (loss / len(labels)).backward()
        optimiser.step()
    checkpoints = [Checkpoint(f"{n:04d}", 1, dict(known), {}) for n in range(count)]
    return Population.alike(checkpoints, [*rows.detach()], function), inputs, labels


def refusal(call: object) -> str:
    """The one line in which a call is refused."""
    assert callable(call)
    with pytest.raises(GeneratorError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)
