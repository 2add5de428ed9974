"""Arithmetic, comparison and logic, element by element."""

from collections.abc import Callable
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from graphwsl.imports.onnx.registry import Call, operator
from graphwsl.imports.onnx.values import to_dtype

UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "IsNaN": torch.isnan,
    "Log": torch.log,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Reciprocal": torch.reciprocal,
    "Round": torch.round,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
}

BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add,
    "And": torch.logical_and,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Mul": torch.mul,
    "Or": torch.logical_or,
    "Sub": torch.sub,
    "Xor": torch.logical_xor,
}


def _register() -> None:
    for name, unary in UNARY.items():
        operator(name)(lambda call, x, function=unary: function(x))
    for name, binary in BINARY.items():
        operator(name)(lambda call, a, b, function=binary: function(*_aligned(call, a, b)))


_register()


def _aligned(call: Call, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Operands as they broadcast; before version 7 ``b`` starts at the attribute ``axis``."""
    axis = call.attribute("axis")
    if axis is None or not call.attribute("broadcast", 0):
        return a, b
    missing = a.ndim - axis % a.ndim - b.ndim
    return a, b.reshape(*b.shape, *(1,) * missing)


@operator("Div")
def div(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Quotient; of integers, rounded towards zero."""
    a, b = _aligned(call, a, b)
    if a.is_floating_point():
        return a / b
    return torch.div(a, b, rounding_mode="trunc")


@operator("Mod")
def mod(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Remainder with the sign of the divisor, or of the dividend with ``fmod``."""
    return torch.fmod(a, b) if call.attribute("fmod", 0) else torch.remainder(a, b)


@operator("Pow")
def power(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Power, of the type of the base."""
    a, b = _aligned(call, a, b)
    return torch.pow(a, b).to(a.dtype)


@operator("Sum")
def total(call: Call, *inputs: Tensor) -> Tensor:
    """Sum of the inputs."""
    return reduce(torch.add, inputs)


@operator("Mean")
def mean(call: Call, *inputs: Tensor) -> Tensor:
    """Mean of the inputs."""
    return reduce(torch.add, inputs) / len(inputs)


@operator("Max")
def largest(call: Call, *inputs: Tensor) -> Tensor:
    """Largest of the inputs."""
    return reduce(torch.maximum, inputs)


@operator("Min")
def smallest(call: Call, *inputs: Tensor) -> Tensor:
    """Smallest of the inputs."""
    return reduce(torch.minimum, inputs)


@operator("Where")
def where(call: Call, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``a`` where the condition holds, else ``b``."""
    return torch.where(condition, a, b)


@operator("Clip", settings=(1, 2))
def clip(
    call: Call, x: Tensor, low: np.ndarray | None = None, high: np.ndarray | None = None
) -> Tensor:
    """Values between two bounds."""
    bounds = [
        call.attribute(name) if bound is None else bound.item()
        for name, bound in (("min", low), ("max", high))
    ]
    return x if bounds == [None, None] else x.clamp(*bounds)


@operator("IsInf")
def isinf(call: Call, x: Tensor) -> Tensor:
    """Where values are infinite, of the signs that are asked for."""
    found = torch.zeros_like(x, dtype=torch.bool)
    if call.attribute("detect_positive", 1):
        found = found | torch.isposinf(x)
    if call.attribute("detect_negative", 1):
        found = found | torch.isneginf(x)
    return found


@operator("Cast")
def cast(call: Call, x: Tensor) -> Tensor:
    """Values as another type."""
    dtype = to_dtype(call.attribute("to"))
    return x.to(call.types.get(dtype, dtype))


@operator("CastLike")
def cast_like(call: Call, x: Tensor, like: Tensor) -> Tensor:
    """Values as the type of another tensor."""
    return x.to(like.dtype)


@operator("Identity")
def identity(call: Call, x: Tensor) -> Tensor:
    """Values as they are."""
    return x


@operator("Dropout", settings=(1, 2))
def dropout(
    call: Call, x: Tensor, ratio: np.ndarray | None = None, training: np.ndarray | None = None
) -> tuple[Tensor, Tensor]:
    """Values as they are, and a mask of ones: networks run as in evaluation."""
    return x, torch.ones_like(x, dtype=torch.bool)
