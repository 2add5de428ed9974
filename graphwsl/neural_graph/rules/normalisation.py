"""Batch, layer, group, instance and weight normalisation."""

from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.changes import changes_of, origin_of
from graphwsl.neural_graph.colouring import coloured_by_constant
from graphwsl.neural_graph.roles import FunctionForm, ParameterRole, RelationKind, RelationRole
from graphwsl.neural_graph.rules.reduction import normalised
from graphwsl.neural_graph.rules.registry import Call, Result, opaque, rule
from graphwsl.neural_graph.units import NodeKind
from graphwsl.neural_graph.values import Value

AFFINE = (ParameterRole.SCALE, ParameterRole.BIAS)
"""Roles of the parameters of layer and group normalisation, in the order of the arguments."""

RUNNING = (*AFFINE, ParameterRole.MEAN, ParameterRole.VARIANCE)
"""Roles of the parameters and statistics of batch normalisation, in that order."""


@rule(
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training",
    "cudnn_batch_norm",
    "batch_norm",
)
def batch_norm(builder: GraphBuilder, call: Call) -> Result:
    """Every channel by its own statistics; all four vectors belong to the normalised channel."""
    if _are_computed(call):
        return opaque(builder, call)
    x = builder.promoted(call.args[0])
    relation = RelationKind(call.name, RelationRole.IMAGE)
    units = builder.units.image_of(relation, NodeKind.FUNCTION, x.known_units)
    for role, value in zip(RUNNING, call.args[1:5], strict=False):
        units = _attached(builder, role, units, value, dims=[1])
    return call.also(builder, Value(call.tensor).with_units(units))


@rule("native_layer_norm", "layer_norm", "rms_norm", "_fused_rms_norm")
def layer_norm(builder: GraphBuilder, call: Call) -> Result:
    """The last dimensions together; scale and shift belong to the normalised unit."""
    if _are_computed(call):
        return opaque(builder, call)
    x = builder.promoted(call.args[0])
    dims = list(range(x.tensor.ndim - len(call.args[1]), x.tensor.ndim))
    units = normalised(builder, call.name, x, dims)
    for role, value in zip(AFFINE, call.args[2:4], strict=False):
        units = _attached(builder, role, units, value, dims)
    return call.also(builder, Value(call.tensor).with_units(units))


@rule("native_group_norm", "group_norm")
def group_norm(builder: GraphBuilder, call: Call) -> Result:
    """Groups of channels together."""
    if _are_computed(call):
        return opaque(builder, call)
    x, weight, bias, _, _, _, groups = call.args[:7]
    x = builder.promoted(x)
    grouped = x.rearranged(
        x.tensor.unflatten(1, (groups, -1)), lambda tensor: tensor.unflatten(1, (groups, -1))
    )
    units = normalised(builder, call.name, grouped, list(range(2, grouped.tensor.ndim)))
    units = units.flatten(1, 2)
    for role, value in zip(AFFINE, (weight, bias), strict=True):
        units = _attached(builder, role, units, value, dims=[1])
    return call.also(builder, Value(call.tensor).with_units(units))


@rule("_weight_norm_interface", "_weight_norm")
def weight_norm(builder: GraphBuilder, call: Call) -> Result:
    """A weight of a direction and a length: every element is made of entries of both."""
    direction, length = call.args[:2]
    if any(one.is_activation for one in call.values):
        return opaque(builder, call)
    shape = call.tensor.shape
    dim = int(call.args[2]) if len(call.args) > 2 else 0
    for one in direction.entries or ():
        builder.bundle(one, [other for other in range(len(shape)) if other != dim % len(shape)])
    entries = (
        *(direction.entries or ()),
        *(one.expand(shape) for one in length.entries or ()),
    )
    changes = changes_of("mul", (direction, length), shape)
    origin = origin_of(call.name, call.args)
    return call.also(builder, Value(call.tensor, entries=entries, changes=changes, origin=origin))


def _are_computed(call: Call) -> bool:
    """Whether a scale, a shift or a statistic depends on the inputs."""
    return any(one.is_activation for one in call.values if one is not call.args[0])


def _attached(
    builder: GraphBuilder,
    role: ParameterRole,
    units: Int[Tensor, "..."],
    value: object,
    dims: list[int],
) -> Int[Tensor, "..."]:
    """The units with a tensor that runs along some of their dimensions."""
    if not isinstance(value, Value):
        return units
    shape = [size if dim in dims else 1 for dim, size in enumerate(units.shape)]
    value = value.rearranged(value.tensor.reshape(shape), lambda tensor: tensor.reshape(shape))
    if value.is_weights:
        builder.attach(role, units, value)
        return units
    # No scale of its own makes the unit anew.
    builder.applied(builder.operator, units, FunctionForm.WITH_CONSTANT)
    return coloured_by_constant(builder.units, builder.operator, units, value.tensor)
