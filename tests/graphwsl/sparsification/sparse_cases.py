"""Networks of which parts are dead, and what they compute."""

from typing import Any

import torch
from torch import Tensor, nn

from graphwsl.neural_graph.outputs import output_tensors


def with_dead_parts(model: nn.Module, share: float, seed: int = 0) -> nn.Module:
    """Zeros in place of whole rows of weights, and of a third as many columns; biases stay."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.ndim < 2 or not tensor.is_floating_point():
                continue
            for dim, dead in ((0, share), (1, share / 3)):
                drawn = torch.rand(tensor.shape[dim], generator=generator) >= dead
                tensor.mul_(drawn.view(-1, *(1,) * (tensor.ndim - 1 - dim)).to(tensor.dtype))
    return model


def drawn_like(inputs: tuple[Tensor, ...], seed: int = 0) -> tuple[Tensor, ...]:
    """Inputs of the same shapes with random numbers, whole numbers as they are."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(one.shape, generator=generator, dtype=one.dtype)
        if one.is_floating_point()
        else one
        for one in inputs
    )


def largest_difference(first: Any, second: Any) -> float:
    """Between the outputs of two networks, relative to the largest output."""
    pairs = list(zip(output_tensors(first), output_tensors(second), strict=True))
    largest = 0.0
    for one, other in pairs:
        assert one.shape == other.shape
        one, other = one.detach().double(), other.detach().double()
        assert torch.equal(one.isfinite(), other.isfinite())
        difference = (one - other)[one.isfinite()].abs()
        scale = float(one[one.isfinite()].abs().max()) if len(difference) else 0.0
        largest = max(
            largest, float(difference.max()) / max(scale, 1e-12) if len(difference) else 0
        )
    return largest


def sizes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of the parameters by name."""
    return {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
