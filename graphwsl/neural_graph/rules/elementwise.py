"""Operators that work element by element: activations, sums, gates, biases, scales."""

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.changes import changes_of, foreign_statistics, origin_of, with_coupled
from graphwsl.neural_graph.colouring import colour_by_operands, coloured_by_constant
from graphwsl.neural_graph.roles import FunctionForm, ParameterRole
from graphwsl.neural_graph.rules.registry import Call, Result, rule
from graphwsl.neural_graph.units import NOTHING, NodeKind, reduced, varying_dims
from graphwsl.neural_graph.values import Value

KINDS = {
    "add": NodeKind.SUM,
    "sub": NodeKind.SUM,
    "rsub": NodeKind.SUM,
    "mul": NodeKind.PRODUCT,
}
ROLES = {
    "add": ParameterRole.BIAS,
    "sub": ParameterRole.BIAS,
    "rsub": ParameterRole.BIAS,
    "mul": ParameterRole.SCALE,
    "div": ParameterRole.SCALE,
}
COMMUTATIVE = frozenset({"add", "mul"})


def pointwise(builder: GraphBuilder, call: Call) -> Result:
    """The rule of every operator that PyTorch tags as pointwise.

    A function of one activation keeps its units; a function of two makes a unit of every pair.
    Parameters belong to the unit that they are combined with; constants that differ from unit to
    unit colour the units.
    """
    shape = call.tensor.shape
    values = [value for value in call.values if value.tensor.numel()]
    activations = [value for value in values if value.is_activation]
    weights = [value for value in values if value.is_weights]
    if not activations:
        entries = tuple(one.expand(shape) for value in weights for one in (value.entries or ()))
        changes = changes_of(call.name, call.args, shape)
        builder.keep(*foreign_statistics(call.args, shape))
        coupled = () if entries else tuple(p for one in weights for p in one.coupled)
        entries = with_coupled(entries, weights)
        origin = origin_of(call.name, (*call.args, *call.kwargs.values()))
        return call.also(
            builder,
            Value(call.tensor, None, entries, changes, coupled=coupled, origin=origin),
        )
    if call.name == "mul" and any(v.is_constant and not bool(v.tensor.any()) for v in values):
        return Value(call.tensor)  # the first state of a recurrent cell
    units = _aligned(activations[0].units, shape)
    for value in weights:
        if _is_stretched(activations[0].tensor.shape, value, shape) or bool(
            (reduced(units, varying_dims(units)) == NOTHING).any()
        ):
            # An outer product, or elements of no unit: parameters have units of their own.
            activations.append(builder.promoted(value))
        else:
            builder.attach(_role(call, value), units, value)
    kind = KINDS.get(call.name, NodeKind.FUNCTION)
    colour_by_operands(builder.units, activations, shape)
    for value in activations[1:]:
        units = builder.units.function_of(
            call.name, kind, units, _aligned(value.known_units, shape)
        )
        units = _combined_with_constants(builder, call, units, value)
    positions = None
    if len(activations) == 1:
        builder.applied(call.name, units, form_of(call))
        if all(one.is_activation or one.tensor.numel() == 1 for one in values):
            positions = activations[0].positions
    for value in values:
        if value.is_constant:
            units = coloured_by_constant(builder.units, call.name, units, value.tensor)
    if isinstance(call.result, Tensor):
        return Value(call.tensor, units.expand(shape), positions=positions)
    return tuple(Value(one, units.expand(shape), positions=positions) for one in call.result)


@rule("_prelu_kernel", "hardswish")
def untagged(builder: GraphBuilder, call: Call) -> Result:
    """Operators that work element by element although PyTorch does not say so."""
    return pointwise(builder, call)


@rule("log_sigmoid_forward")
def of_first(builder: GraphBuilder, call: Call) -> Result:
    """A function of its first argument; the other result is for the backward pass."""
    return pointwise(builder, replace(call, args=call.args[:1], kwargs={}))


@rule("rrelu_with_noise_functional")
def random_slope(builder: GraphBuilder, call: Call) -> Result:
    """Randomised leaky ReLU: each negative element is multiplied with a slope drawn for it."""
    value, noise, _, _, is_drawn = call.args[:5]
    slopes = (builder.drawn(noise.tensor),) if is_drawn else ()
    return pointwise(builder, replace(call, args=(value, *slopes), kwargs={}))


@rule("glu")
def gate(builder: GraphBuilder, call: Call) -> Result:
    """A gated linear unit: one half of the channels times the sigmoid of the other half."""
    value, dim = call.args
    value = builder.promoted(value)
    halves = [Value(part, None) for part in value.tensor.chunk(2, dim)]
    first, second = value.known_units.chunk(2, dim)
    colour_by_operands(
        builder.units,
        [half.with_units(some) for half, some in zip(halves, (first, second), strict=True)],
        call.tensor.shape,
    )
    builder.applied("sigmoid", second)
    units = builder.units.function_of("mul", NodeKind.PRODUCT, first, second)
    return Value(call.tensor, units)


def form_of(call: Call) -> FunctionForm:
    """Whether the operator also takes parameters or constants, and which comes first."""
    first, *others = call.args[:2]
    if not _is_activation(first) and call.name not in COMMUTATIVE:
        is_weights = _is_weights(first)
        return FunctionForm.OF_WEIGHTS if is_weights else FunctionForm.OF_CONSTANT
    others = [one for one in (first, *others) if not _is_activation(one)]
    if call.name not in ROLES or not others:
        return FunctionForm.PLAIN
    return FunctionForm.WITH_WEIGHTS if _is_weights(others[0]) else FunctionForm.WITH_CONSTANT


def _is_activation(argument: object) -> bool:
    return isinstance(argument, Value) and argument.is_activation


def _is_weights(argument: object) -> bool:
    return isinstance(argument, Value) and argument.is_weights


def _role(call: Call, value: Value) -> ParameterRole:
    """What parameters are to the unit that they are combined with; a dividend is no scale."""
    if call.name == "div" and call.args[0] is value:
        return ParameterRole.OTHER
    return ROLES.get(call.name, ParameterRole.OTHER)


def _aligned(units: Int[Tensor, "..."] | None, shape: torch.Size) -> Int[Tensor, "..."]:
    assert units is not None
    return units.expand(shape)


def _combined_with_constants(
    builder: GraphBuilder, call: Call, units: Int[Tensor, "..."], value: Value
) -> Int[Tensor, "..."]:
    """Elements without a unit are constants, which are combined with units of the other operand."""
    for one in (call.args[0], value):
        if not isinstance(one, Value) or one.units is None:
            continue
        nothing = _aligned(one.units, call.tensor.shape) == NOTHING
        constants = torch.where(nothing, one.tensor.double(), 0.0)
        # A sum with zero is the other operand; other functions of zero are functions of it.
        if bool(constants.any()) or (call.name not in KINDS and bool(nothing.any())):
            is_first = one is call.args[0] and call.name not in COMMUTATIVE
            form = FunctionForm.OF_CONSTANT if is_first else FunctionForm.WITH_CONSTANT
            builder.applied(call.name, units[nothing & (units != NOTHING)], form)
            units = coloured_by_constant(builder.units, call.name, units, constants)
    return units


def _is_stretched(own: torch.Size, weights: Value, shape: torch.Size) -> bool:
    """Whether parameters differ along a dimension along which the activation is repeated to fit."""
    own = torch.Size([*(1,) * (len(shape) - len(own)), *own])
    return any(
        own[dim] < shape[dim]
        for entries in weights.entries or ()
        for dim in varying_dims(entries.expand(shape))
    )
