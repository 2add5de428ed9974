"""Pooling, interpolation and other operators over positions, which keep the channel's unit."""

from math import prod

from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.colouring import colour_by_operands, coloured_by_constant
from graphwsl.neural_graph.roles import FunctionForm
from graphwsl.neural_graph.rules.reduction import has_constants
from graphwsl.neural_graph.rules.registry import Call, Result, opaque, rule
from graphwsl.neural_graph.units import reduced, varying_dims
from graphwsl.neural_graph.values import Value

SPATIAL = {
    **dict.fromkeys(
        (
            "adaptive_avg_pool1d",
            "avg_pool1d",
            "upsample_linear1d",
            "upsample_nearest1d",
            "_upsample_nearest_exact1d",
        ),
        1,
    ),
    **dict.fromkeys(
        (
            "_adaptive_avg_pool2d",
            "adaptive_max_pool2d",
            "avg_pool2d",
            "fractional_max_pool2d",
            "grid_sampler_2d",
            "max_pool2d_with_indices",
            "upsample_bicubic2d",
            "_upsample_bicubic2d_aa",
            "upsample_bilinear2d",
            "_upsample_bilinear2d_aa",
            "upsample_nearest2d",
            "_upsample_nearest_exact2d",
        ),
        2,
    ),
    **dict.fromkeys(
        (
            "_adaptive_avg_pool3d",
            "adaptive_max_pool3d",
            "avg_pool3d",
            "fractional_max_pool3d",
            "grid_sampler_3d",
            "max_pool3d_with_indices",
            "upsample_nearest3d",
            "_upsample_nearest_exact3d",
            "upsample_trilinear3d",
        ),
        3,
    ),
}
"""Over how many dimensions, the last ones, each operator works."""

FRACTIONAL = frozenset({"fractional_max_pool2d", "fractional_max_pool3d"})
"""Operators whose windows are drawn for every channel."""


@rule(*SPATIAL)
def over_positions(builder: GraphBuilder, call: Call) -> Result:
    """Windows, grids and interpolation over the dimensions behind the channels."""
    value = builder.promoted(call.args[0])
    builder.fix(*(one for one in call.values if one is not call.args[0]))
    shape = call.tensor.shape
    ndim = value.tensor.ndim
    spatial = list(range(ndim - SPATIAL[call.name], ndim))
    units = value.known_units
    if set(spatial) & set(varying_dims(units)):
        kept = [dim for dim in range(units.ndim) if dim not in spatial]
        varying = reduced(units, [*spatial, *(d for d in varying_dims(units) if d in kept)])
        lists = varying.permute(*kept, *spatial).flatten(len(kept))
        units = builder.units.composite(lists.flatten(0, -2)).view(
            *lists.shape[:-1], *(1,) * len(spatial)
        )
    else:
        units = reduced(units, [dim for dim in range(units.ndim) if dim not in spatial])
    if call.name in FRACTIONAL:
        units = _sampled(builder, call, units, len(spatial))
    builder.applied(call.name, units)
    if 1 in call.read:  # indices do not grow with what is found there
        builder.applied(call.name, units, FunctionForm.INDICES)
    first = Value(call.tensor, units.expand(shape))
    if isinstance(call.result, Tensor):
        return first
    return tuple(Value(one, first.units) for one in call.result)


@rule("col2im")
def fold(builder: GraphBuilder, call: Call) -> Result:
    """Sums of overlapping windows, whose elements must be those of one channel each."""
    value, _, kernel = call.args[:3]
    size = prod(kernel)
    if not value.is_activation or has_constants(value):
        return opaque(builder, call)
    units = value.known_units.unflatten(-2, (-1, size))
    if {units.ndim - 1, units.ndim - 2} & set(varying_dims(units)):
        return opaque(builder, call)
    units = units[..., :1, :1]
    builder.applied(call.name, units)
    return Value(call.result, units.expand(call.result.shape))


def _sampled(
    builder: GraphBuilder, call: Call, units: Int[Tensor, "..."], ndim: int
) -> Int[Tensor, "..."]:
    """Units of channels whose windows are positioned by numbers ``(batch, channels, ndim)``."""
    samples = call.args[3]
    leading = call.tensor.ndim - ndim
    if leading == 1:  # a single sample
        samples = samples.rearranged(samples.tensor[0], lambda some: some[0])
    shape = samples.tensor.shape
    channels = Value(samples.tensor, units.flatten(leading)[..., :1].expand(shape))
    if samples.is_constant:
        coloured = coloured_by_constant(
            builder.units, call.name, channels.known_units, samples.tensor
        )
        return coloured[..., :1].reshape(*shape[:-1], *(1,) * ndim)
    colour_by_operands(builder.units, [channels, samples], shape)
    return units
