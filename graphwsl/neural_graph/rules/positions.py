"""Pooling, interpolation and other operators over positions, which keep the channel's unit."""

from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.rules.registry import Call, Result, rule
from graphwsl.neural_graph.units import reduced, varying_dims
from graphwsl.neural_graph.values import Value


@rule(
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d",
    "_upsample_bilinear2d_aa",
    "_upsample_bicubic2d_aa",
    "adaptive_avg_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "col2im",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "grid_sampler_2d",
    "grid_sampler_3d",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
    "upsample_bicubic2d",
    "upsample_bilinear2d",
    "upsample_linear1d",
    "upsample_nearest1d",
    "upsample_nearest2d",
    "upsample_nearest3d",
    "upsample_trilinear3d",
    "_upsample_nearest_exact1d",
    "_upsample_nearest_exact2d",
    "_upsample_nearest_exact3d",
)
def over_positions(builder: GraphBuilder, call: Call) -> Result:
    """Windows, grids and interpolation over the dimensions behind the channels."""
    value = builder.promoted(call.args[0])
    builder.set_aside(*(one for one in call.values if one is not call.args[0]))
    shape = call.tensor.shape
    spatial = _spatial_dims(call, value.tensor)
    units = value.known_units
    if set(spatial) & set(varying_dims(units)):
        kept = [dim for dim in range(units.ndim) if dim not in spatial]
        places = reduced(units, [*spatial, *(d for d in varying_dims(units) if d in kept)])
        lists = places.permute(*kept, *spatial).flatten(len(kept))
        units = builder.units.composite(lists.flatten(0, -2)).view(
            *lists.shape[:-1], *(1,) * len(spatial)
        )
    else:
        units = reduced(units, [dim for dim in range(units.ndim) if dim not in spatial])
    builder.applied(call.name, units)
    first = Value(call.tensor, units.expand(shape))
    if isinstance(call.result, Tensor):
        return first
    return tuple(Value(one, first.units) for one in call.result)


def _spatial_dims(call: Call, tensor: Tensor) -> list[int]:
    """The number at the end of the operator's name counts them, but for a few."""
    if call.name == "col2im":
        return [tensor.ndim - 1]
    count = next(int(letter) for letter in call.name if letter in "123")
    return list(range(tensor.ndim - count, tensor.ndim))
