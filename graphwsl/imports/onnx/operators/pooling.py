"""Pooling over windows and over whole feature maps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from graphwsl.imports.onnx.operators.windows import Window, window
from graphwsl.imports.onnx.registry import Call, operator

MAX_POOL: dict[int, Callable[..., Any]] = {
    1: functional.max_pool1d,
    2: functional.max_pool2d,
    3: functional.max_pool3d,
}
AVERAGE_POOL: dict[int, Callable[..., Any]] = {
    1: functional.avg_pool1d,
    2: functional.avg_pool2d,
    3: functional.avg_pool3d,
}


@operator("MaxPool")
def max_pool(call: Call, x: Tensor) -> Tensor:
    """Largest value of each window."""
    over, padding = _window(call, x)
    if len([name for name in call.node.outputs if name]) > 1:
        raise call.refuse("the output of indices")
    if padding is None:
        x, padding = over.pad(x, -torch.inf), (0,) * len(over.size)
    result: Tensor = MAX_POOL[len(over.size)](
        x,
        over.size,
        over.stride,
        padding,
        over.dilation,
        ceil_mode=bool(call.attribute("ceil_mode", 0)),
    )
    return result


@operator("AveragePool")
def average_pool(call: Call, x: Tensor) -> Tensor:
    """Mean of each window, with or without the padding."""
    over, padding = _window(call, x)
    if any(n != 1 for n in over.dilation):
        raise call.refuse("dilation")
    ceil_mode = bool(call.attribute("ceil_mode", 0))
    counted = bool(call.attribute("count_include_pad", 0))
    pool = AVERAGE_POOL[len(over.size)]
    if padding is not None:
        result: Tensor = pool(x, over.size, over.stride, padding, ceil_mode, counted)
        return result
    mean: Tensor = pool(over.pad(x), over.size, over.stride, ceil_mode=ceil_mode)
    if counted:
        return mean
    inside = over.pad(torch.ones_like(x[:1, :1]))
    share: Tensor = pool(inside, over.size, over.stride, ceil_mode=ceil_mode)
    return mean / share


@operator("GlobalAveragePool")
def global_average_pool(call: Call, x: Tensor) -> Tensor:
    """Mean of each channel."""
    return x.mean(tuple(range(2, x.ndim)), keepdim=True)


@operator("GlobalMaxPool")
def global_max_pool(call: Call, x: Tensor) -> Tensor:
    """Largest value of each channel."""
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)


def _window(call: Call, x: Tensor) -> tuple[Window, tuple[int, ...] | None]:
    """The window, and its padding if torch can do it."""
    over = window(call, call.attribute("kernel_shape"), x.shape[2:])
    if len(over.size) not in MAX_POOL:
        raise call.refuse(f"pooling in {len(over.size)} dimensions")
    fits = over.is_symmetric and all(
        pad <= size // 2 for pad, size in zip(over.before, over.size, strict=True)
    )
    return over, over.before if fits else None
