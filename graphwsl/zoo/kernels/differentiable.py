"""The gradients of a convolution with pooling by torch's own operators, to be differentiated again.

The compiled loops tell torch nothing of what they do, so that a gradient of theirs is a constant to
it. These are slower, and have derivatives of every order.
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.grad import conv2d_input, conv2d_weight

from graphwsl.zoo.kernels.geometry import Geometry


def gradients(
    x: Float[Tensor, "models inputs height width batch"],
    weight: Float[Tensor, "models outputs inputs kernel kernel"],
    winner: UInt8[Tensor, "..."],
    dy: Float[Tensor, "models outputs rows columns batch"],
    g: Geometry,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of images, weights and biases.

    Args:
        x: Images, batch innermost.
        weight: Kernels.
        winner: Position of the largest value of each square, which pooling gave; empty without it.
        dy: Gradient of the output.
        g: Sizes.
    """
    models = len(dy)
    full = _images(_unpooled(dy, winner, g))
    kernels = weight.flatten(0, 1)
    size = (g.batch, models * g.inputs, g.height, g.width)
    dx = conv2d_input(size, kernels, full, g.stride, groups=models)
    dw = conv2d_weight(_images(x), kernels.shape, full, g.stride, groups=models)
    dx = dx.unflatten(1, (models, g.inputs)).movedim(0, -1)
    return dx, dw.view_as(weight), dy.sum((2, 3, 4))


def _images(x: Tensor) -> Tensor:
    """Models as groups of channels, as torch's convolutions take them: the batch comes first."""
    return x.movedim(-1, 0).flatten(1, 2)


def _unpooled(dy: Tensor, winner: Tensor, g: Geometry) -> Tensor:
    """The gradient before pooling: all of it at the largest value of each square."""
    if g.pool == 1:
        return dy
    models, outputs, rows, columns, batch = dy.shape
    parts = [torch.where(winner == number, dy, 0.0) for number in range(len(g.squares))]
    squares = torch.stack(parts).view(g.pool, g.pool, *dy.shape)
    covered = squares.permute(2, 3, 4, 0, 5, 1, 6).reshape(
        models, outputs, rows * g.pool, columns * g.pool, batch
    )
    below, right = g.full_rows - rows * g.pool, g.full_columns - columns * g.pool
    return torch.nn.functional.pad(covered, (0, 0, 0, right, 0, below))
