"""From integers to numbers and back."""

import torch
from torch import Tensor

from graphwsl.imports.onnx.registry import Call, operator


@operator("DequantizeLinear")
def dequantize(call: Call, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """(x - zero) · scale, for the whole tensor or for each slice of an axis."""
    scale = _along(call, x, scale)
    values = x.to(scale.dtype)
    return (values if zero is None else values - _along(call, x, zero).to(scale.dtype)) * scale


@operator("QuantizeLinear")
def quantize(call: Call, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """round(x / scale) + zero, cut off at the limits of the type."""
    kind = torch.uint8 if zero is None else zero.dtype
    limits = torch.iinfo(kind)
    rounded = torch.round(x / _along(call, x, scale))
    shifted = rounded if zero is None else rounded + _along(call, x, zero).to(x.dtype)
    return shifted.clamp(limits.min, limits.max).to(kind)


def _along(call: Call, x: Tensor, values: Tensor) -> Tensor:
    if call.attribute("block_size", 0):
        raise call.refuse("block_size")
    if values.ndim == 0 or values.numel() == 1:
        return values.reshape(())
    axis = call.attribute("axis", 1) % x.ndim
    return values.reshape(-1, *(1,) * (x.ndim - axis - 1))
