"""Convolution with pooling, and the linear layer, of a population, differentiable by torch."""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import ZooError
from graphwsl.zoo.kernels.arguments import require_floats
from graphwsl.zoo.kernels.backward import input_kernel, unpool_kernel, weight_kernel
from graphwsl.zoo.kernels.differentiable import gradients
from graphwsl.zoo.kernels.forward import forward_kernel
from graphwsl.zoo.kernels.geometry import Geometry

BATCH_MULTIPLE = 16
"""The number of images must be a multiple of this; give the surplus no weight in the loss."""


def convolution(
    x: Float[Tensor, "models inputs height width batch"],
    weight: Float[Tensor, "models outputs inputs kernel kernel"],
    bias: Float[Tensor, "models outputs"],
    *,
    stride: int = 1,
    pool: int = 1,
) -> Float[Tensor, "models outputs rows columns batch"]:
    """Every model's convolution of its own images, without padding, then its maximum over squares.

    As ``max_pool2d(conv2d(x, weight, bias, stride), pool)`` of each model. Where ``x`` is expanded
    from one model, all models read the same memory. Gradients are compiled too; those that are to
    be differentiated again (``create_graph=True``) are torch's own, and slower.

    Args:
        x: Images, batch innermost; the batch is a multiple of 16.
        weight: Kernels.
        bias: One a channel.
        stride: Stride of the convolution.
        pool: Rows and columns of a square; 1 pools nothing.

    Raises:
        ZooError: Other numbers than those of single precision on the CPU, a batch that is no
            multiple of 16, or shapes that do not fit together.
    """
    require_floats(x, weight, bias)
    models, inputs, height, width, batch = x.shape
    kernel = weight.shape[-1]
    fits = weight.shape == (models, len(bias[0]), inputs, kernel, kernel) and len(bias) == models
    if not fits or batch % BATCH_MULTIPLE or min(height, width) < kernel + stride * (pool - 1):
        raise ZooError(
            f"a convolution of images {tuple(x.shape)} with kernels {tuple(weight.shape)} and "
            f"biases {tuple(bias.shape)}, stride {stride} and pool {pool} cannot be computed; the "
            f"batch is last and a multiple of {BATCH_MULTIPLE}"
        )
    apply: Any = _Convolution.apply  # which has no types
    return apply(x, weight, bias, stride, pool)


def linear(
    x: Float[Tensor, "models inputs batch"],
    weight: Float[Tensor, "models outputs inputs"],
    bias: Float[Tensor, "models outputs"],
) -> Float[Tensor, "models outputs batch"]:
    """Every model's linear layer of its own inputs: a convolution of 1 × 1 images."""
    y = convolution(x[:, :, None, None], weight[:, :, :, None, None], bias)
    return y[:, :, 0, 0]


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, pool: int
    ) -> Tensor:
        models, inputs, height, width, batch = x.shape
        outputs, kernel = weight.shape[1], weight.shape[-1]
        shared = models > 1 and x.stride(0) == 0
        g = Geometry(inputs, outputs, height, width, kernel, stride, pool, batch, shared)
        y = x.new_empty(models, outputs, g.rows, g.columns, batch)
        winner = torch.empty(y.shape if pool > 1 else 0, dtype=torch.uint8)
        # Copies must live until the loops have read them: these take addresses.
        images, kernels, biases = _once(x, g), weight.contiguous(), bias.contiguous()
        forward_kernel(g)(models, *_addresses(images, kernels, biases, y, winner))
        # As they were given: only these have a history, which second derivatives need.
        ctx.save_for_backward(x, weight, winner)
        ctx.geometry = g
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, winner = ctx.saved_tensors
        g: Geometry = ctx.geometry
        if torch.is_grad_enabled():
            return *gradients(x, weight, winner, dy, g), None, None
        dy, models = dy.contiguous(), len(dy)
        images, kernels = _once(x, g), weight.contiguous()
        dw = torch.empty_like(kernels)
        weight_kernel(g)(models, *_addresses(images, dy, winner, dw))
        db = dy.sum((2, 3, 4))
        if not ctx.needs_input_grad[0]:
            return None, dw, db, None, None
        full = dy
        if g.pool > 1:
            exact = g.rows * g.pool == g.full_rows and g.columns * g.pool == g.full_columns
            make = dy.new_empty if exact else dy.new_zeros
            full = make(models, g.outputs, g.full_rows, g.full_columns, g.batch)
            unpool_kernel(g)(models, *_addresses(dy, winner, full))
        turned = kernels.permute(0, 1, 3, 4, 2).contiguous()
        dx = dy.new_empty(models, g.inputs, g.height, g.width, g.batch)
        input_kernel(replace(g, shared=False))(models, *_addresses(full, turned, dx))
        return dx, dw, db, None, None


def _once(x: Tensor, g: Geometry) -> Tensor:
    """Images as the loops read them, those that all models share once."""
    return (x[:1] if g.shared else x).contiguous()


def _addresses(*tensors: Tensor) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]
