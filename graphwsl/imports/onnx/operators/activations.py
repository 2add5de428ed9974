"""Activation functions of ONNX."""

import torch
from torch import Tensor
from torch.nn import functional

from graphwsl.imports.onnx.registry import Call, operator


def _register() -> None:
    for name, function in {
        "Mish": functional.mish,
        "Relu": torch.relu,
        "Sigmoid": torch.sigmoid,
        "Softplus": functional.softplus,
        "Softsign": functional.softsign,
        "Tanh": torch.tanh,
    }.items():
        operator(name)(lambda call, x, function=function: function(x))


_register()


@operator("LeakyRelu")
def leaky_relu(call: Call, x: Tensor) -> Tensor:
    """x, or αx where it is negative."""
    return functional.leaky_relu(x, call.attribute("alpha", 0.01))


@operator("PRelu")
def prelu(call: Call, x: Tensor, slope: Tensor) -> Tensor:
    """x, or x times a learnt slope where it is negative."""
    if slope.numel() == 1 or (x.ndim > 1 and slope.shape == (x.shape[1], *(1,) * (x.ndim - 2))):
        return functional.prelu(x, slope.reshape(-1))
    return torch.where(x < 0, slope * x, x)


@operator("Elu")
def elu(call: Call, x: Tensor) -> Tensor:
    """x, or α(eˣ - 1) where it is negative."""
    return functional.elu(x, call.attribute("alpha", 1.0))


@operator("Celu")
def celu(call: Call, x: Tensor) -> Tensor:
    """x, or α(exp(x/α) - 1) where it is negative."""
    return functional.celu(x, call.attribute("alpha", 1.0))


@operator("Selu")
def selu(call: Call, x: Tensor) -> Tensor:
    """γ times the exponential linear unit."""
    alpha, gamma = call.attribute("alpha", 1.6732632), call.attribute("gamma", 1.0507010)
    return gamma * functional.elu(x, alpha)


@operator("Gelu")
def gelu(call: Call, x: Tensor) -> Tensor:
    """x times the normal distribution function, exact or by its tanh approximation."""
    return functional.gelu(x, approximate=call.attribute("approximate", "none"))


@operator("Swish")
def swish(call: Call, x: Tensor) -> Tensor:
    """Each number times its sigmoid: x σ(αx)."""
    alpha = call.attribute("alpha", 1.0)
    return functional.silu(x) if alpha == 1 else x * torch.sigmoid(alpha * x)


@operator("HardSigmoid")
def hard_sigmoid(call: Call, x: Tensor) -> Tensor:
    """αx + β, cut off at 0 and 1."""
    return (call.attribute("alpha", 0.2) * x + call.attribute("beta", 0.5)).clamp(0, 1)


@operator("HardSwish")
def hard_swish(call: Call, x: Tensor) -> Tensor:
    """x times the hard sigmoid of slope 1/6."""
    return functional.hardswish(x)


@operator("ThresholdedRelu")
def thresholded_relu(call: Call, x: Tensor) -> Tensor:
    """x where it is above α, else 0."""
    return functional.threshold(x, call.attribute("alpha", 1.0), 0.0)


@operator("Softmax")
def softmax(call: Call, x: Tensor) -> Tensor:
    """Softmax along an axis; before version 13 over all axes from one on."""
    return _along(call, x, torch.softmax)


@operator("LogSoftmax")
def log_softmax(call: Call, x: Tensor) -> Tensor:
    """Logarithm of the softmax."""
    return _along(call, x, torch.log_softmax)


@operator("Hardmax")
def hardmax(call: Call, x: Tensor) -> Tensor:
    """1 at the first largest value, 0 elsewhere."""

    def first(x: Tensor, axis: int) -> Tensor:
        largest = (x == x.amax(axis, keepdim=True)).to(torch.int64)
        return (largest * (largest.cumsum(axis) == 1)).to(x.dtype)

    return _along(call, x, first)


def _along(call: Call, x: Tensor, function: object) -> Tensor:
    assert callable(function)
    if call.version >= 13:
        return function(x, call.attribute("axis", -1))
    axis = call.attribute("axis", 1) % x.ndim
    if axis == x.ndim - 1:
        return function(x, axis)
    return function(x.flatten(axis), axis).reshape(x.shape)
