"""Normalisation layers, as in evaluation."""

import torch
from torch import Tensor
from torch.nn import functional

from graphwsl.imports.onnx.registry import Call, operator


@operator("BatchNormalization")
def batch_norm(
    call: Call, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    """Normalisation by running statistics."""
    if call.attribute("training_mode", 0):
        raise call.refuse("training_mode")
    epsilon = call.attribute("epsilon", 1e-5)
    return functional.batch_norm(x, mean, variance, scale, bias, training=False, eps=epsilon)


@operator("InstanceNormalization")
def instance_norm(call: Call, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Normalisation of each channel of each example."""
    return functional.instance_norm(x, weight=scale, bias=bias, eps=call.attribute("epsilon", 1e-5))


@operator("LayerNormalization")
def layer_norm(call: Call, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """Normalisation over all axes from one on."""
    if len([name for name in call.node.outputs if name]) > 1:
        raise call.refuse("the output of the statistics")
    shape = x.shape[call.attribute("axis", -1) :]
    bias = bias if bias is None else bias.expand(shape)
    return functional.layer_norm(
        x, shape, scale.expand(shape), bias, call.attribute("epsilon", 1e-5)
    )


@operator("RMSNormalization")
def rms_norm(call: Call, x: Tensor, scale: Tensor) -> Tensor:
    """Division by the root mean square over all axes from one on."""
    shape = x.shape[call.attribute("axis", -1) :]
    return functional.rms_norm(x, shape, scale.expand(shape), call.attribute("epsilon", 1e-5))


@operator("GroupNormalization")
def group_norm(call: Call, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Normalisation of groups of channels; before version 21 with one scale for each group."""
    groups = call.attribute("num_groups")
    if call.version < 21:
        size = x.shape[1] // groups
        scale, bias = scale.repeat_interleave(size), bias.repeat_interleave(size)
    return functional.group_norm(x, groups, scale, bias, call.attribute("epsilon", 1e-5))


@operator("LpNormalization")
def lp_norm(call: Call, x: Tensor) -> Tensor:
    """Division by the norm along an axis; zeros stay zeros."""
    norm = x.norm(call.attribute("p", 2), dim=call.attribute("axis", -1), keepdim=True)
    return x / norm.clamp(min=torch.finfo(x.dtype).tiny)


@operator("MeanVarianceNormalization")
def mean_variance_norm(call: Call, x: Tensor) -> Tensor:
    """Difference to the mean in standard deviations, over given axes."""
    axes = tuple(call.attribute("axes", [0, 2, 3]))
    deviation = x - x.mean(axes, keepdim=True)
    return deviation / (deviation.square().mean(axes, keepdim=True).sqrt() + 1e-9)


@operator("LRN")
def local_response_norm(call: Call, x: Tensor) -> Tensor:
    """Normalisation across neighbouring channels."""
    size = call.attribute("size")
    before = (size - 1) // 2
    squares = functional.pad(x.square().flatten(2).transpose(1, 2), (before, size - 1 - before))
    sums = squares.unfold(-1, size, 1).sum(-1).transpose(1, 2).reshape(x.shape)
    alpha, beta = call.attribute("alpha", 1e-4), call.attribute("beta", 0.75)
    return x / torch.pow(call.attribute("bias", 1.0) + alpha / size * sums, beta)
