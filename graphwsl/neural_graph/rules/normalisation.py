"""Batch, layer, group, instance and weight normalisation."""

from typing import Any

from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.changes import changes_of
from graphwsl.neural_graph.rules.reduction import normalised
from graphwsl.neural_graph.rules.registry import Call, Result, rule
from graphwsl.neural_graph.units import NodeKind
from graphwsl.neural_graph.values import Value


@rule(
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training",
    "cudnn_batch_norm",
    "batch_norm",
)
def batch_norm(builder: GraphBuilder, call: Call) -> Result:
    """Every channel by its own statistics; all four vectors belong to the normalised channel."""
    x = builder.promoted(call.args[0])
    units = builder.units.image_of("batch_norm", NodeKind.FUNCTION, x.known_units)
    for role, value in zip(("scale", "bias", "mean", "variance"), call.args[1:5], strict=False):
        _attach(builder, role, units, value, dim=1)
    return call.also(Value(call.tensor).with_units(units))


@rule("native_layer_norm", "layer_norm", "rms_norm", "_fused_rms_norm")
def layer_norm(builder: GraphBuilder, call: Call) -> Result:
    """The last dimensions together; scale and shift belong to the normalised unit."""
    x = builder.promoted(call.args[0])
    dims = list(range(x.tensor.ndim - len(call.args[1]), x.tensor.ndim))
    units = normalised(builder, call.name, x.known_units, dims)
    for role, value in zip(("scale", "bias"), call.args[2:4], strict=False):
        if isinstance(value, Value):
            builder.attach(role, units, value)
    return call.also(Value(call.tensor).with_units(units))


@rule("native_group_norm", "group_norm")
def group_norm(builder: GraphBuilder, call: Call) -> Result:
    """Groups of channels together."""
    x, weight, bias, _, _, _, groups = call.args[:7]
    x = builder.promoted(x)
    grouped = x.known_units.unflatten(1, (groups, -1))
    units = normalised(builder, "group_norm", grouped, list(range(2, grouped.ndim)))
    units = units.flatten(1, 2)
    for role, value in (("scale", weight), ("bias", bias)):
        _attach(builder, role, units, value, dim=1)
    return call.also(Value(call.tensor).with_units(units))


@rule("_weight_norm_interface", "_weight_norm")
def weight_norm(builder: GraphBuilder, call: Call) -> Result:
    """A weight of a direction and a length: entries of both stand at every place."""
    direction, length = call.args[:2]
    shape = call.tensor.shape
    entries = (
        *(direction.entries or ()),
        *(one.expand(shape) for one in length.entries or ()),
    )
    changes = changes_of("mul", (direction, length), shape)
    return call.also(Value(call.tensor, entries=entries, changes=changes))


def _attach(
    builder: GraphBuilder, role: str, units: Int[Tensor, "..."], value: Any, dim: int
) -> None:
    """A vector whose places are those of a dimension of the units."""
    if isinstance(value, Value) and value.is_weights:
        shape = [1] * units.ndim
        shape[dim] = -1
        builder.attach(
            role, units, value.rearranged(value.tensor.view(shape), lambda t: t.view(shape))
        )
