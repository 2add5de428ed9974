"""Reductions: over positions they keep the unit, over units they make one of the set."""

from dataclasses import replace
from math import prod
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.changes import changes_of, labels_of, origin_of
from graphwsl.neural_graph.roles import FunctionForm
from graphwsl.neural_graph.rules.registry import Call, Result, opaque, rule
from graphwsl.neural_graph.units import NOTHING, NodeKind, reduced, varying_dims
from graphwsl.neural_graph.values import Value

ONLY_INDICES = frozenset({"argmax", "argmin"})
"""Operators that return the index at which they found something."""

VALUES_AND_INDICES = frozenset({"max", "min", "median"})
"""Operators that return that index with the value."""


@rule(
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "linalg_vector_norm",
    "logsumexp",
    "max",
    "mean",
    "median",
    "min",
    "norm",
    "prod",
    "std",
    "sum",
    "var",
    "var_mean",
)
def reduce(builder: GraphBuilder, call: Call) -> Result:
    """Mean, sum, maximum, norm … over some or all dimensions."""
    value = call.args[0]
    further = [one for one in call.values if one is not value]
    if further:  # the element-wise maximum of two
        from graphwsl.neural_graph.rules.elementwise import pointwise

        return pointwise(builder, call)
    dims = reduced_dims(call, value.tensor)
    if not value.is_activation:
        if (labels := labels_of(value)) is not None and not returns_indices(call):
            for entries in value.entries or ():
                builder.bundle(entries, dims)
            reduced_labels = _first_labels(call, labels, dims)
            origin = origin_of(call.name, call.args)
            return _all(call, Value(call.tensor, entries=(), changes=reduced_labels, origin=origin))
        value = builder.promoted(value)
    is_mixed = bool(set(dims) & set(varying_dims(value.known_units)))
    if is_mixed and returns_indices(call) and not builder.is_fixed(value):
        return opaque(builder, call)
    builder.applied(call.name, value.known_units)
    units = aggregated(builder, call.name, value, dims)
    units = units.reshape(_kept(value.tensor, dims, keep=call.tensor.ndim == value.tensor.ndim))
    return _all(call, Value(call.tensor, units.expand(call.tensor.shape)))


def returns_indices(call: Call) -> bool:
    """Whether a result that is read says where something is, not what."""
    if isinstance(call.result, Tensor):
        return call.name in ONLY_INDICES
    return call.name in VALUES_AND_INDICES and 1 in call.read


def _all(call: Call, first: Value) -> Result:
    """Several results (values and indices, variance and mean) have the same units."""
    if isinstance(call.result, Tensor):
        return first
    return tuple(replace(first, tensor=one) for one in call.result)


def _first_labels(call: Call, labels: Int[Tensor, "..."], dims: list[int]) -> Int[Tensor, "..."]:
    """The label of the first of the elements that are reduced to one."""
    first = reduced(labels, [dim for dim in range(labels.ndim) if dim not in dims])
    keep = call.tensor.ndim == labels.ndim
    return first.reshape(_kept(labels, dims, keep=keep)).expand(call.tensor.shape)


def _kept(tensor: Tensor, dims: list[int], keep: bool) -> list[int]:
    if keep:
        return [1 if dim in dims else size for dim, size in enumerate(tensor.shape)]
    return [size for dim, size in enumerate(tensor.shape) if dim not in dims]


def reduced_dims(call: Call, tensor: Tensor) -> list[int]:
    """The dimensions that an operator reduces, by its schema: all if it names none."""
    names = [argument.name for argument in call.operator._schema.arguments]
    given: Any = None
    for name, argument in [*zip(names, call.args, strict=False), *call.kwargs.items()]:
        if name == "dim":
            given = argument
    if given is None or given == []:
        return list(range(tensor.ndim))
    dims = given if isinstance(given, list | tuple) else [given]
    return [int(dim) % max(tensor.ndim, 1) for dim in dims]


def aggregated(
    builder: GraphBuilder, operator: str, value: Value, dims: list[int]
) -> Int[Tensor, "..."]:
    """Units of a function of all elements along ``dims``, which remain with size 1."""
    units = units_among_constants(builder, operator, value, dims)
    varying = varying_dims(units)
    if not set(varying) & set(dims):
        return reduced(units, [dim for dim in range(units.ndim) if dim not in dims])
    small = reduced(units, varying)
    kept = [dim for dim in range(units.ndim) if dim not in dims]
    members = small.permute(*kept, *dims).reshape(prod(small.shape[dim] for dim in kept), -1)
    sets = builder.units.aggregate(operator, members)
    shape = [small.shape[dim] if dim in kept else 1 for dim in range(units.ndim)]
    return sets.view(shape).expand(
        [units.shape[dim] if dim in kept else 1 for dim in range(units.ndim)]
    )


def has_constants(value: Value) -> bool:
    """Whether constants other than zero stand among the units of an activation."""
    units = value.known_units
    nothing = reduced(units, varying_dims(units)) == NOTHING
    return bool(nothing.any()) and bool((value.tensor[units == NOTHING] != 0).any())


def units_among_constants(
    builder: GraphBuilder, operator: str, value: Value, dims: list[int]
) -> Int[Tensor, "..."]:
    """The units of what is put together along ``dims``: constants among them take no factor."""
    units = value.known_units
    if has_constants(value):
        builder.applied(operator, units[units != NOTHING], FunctionForm.WITH_CONSTANT)
        constants = torch.where(units == NOTHING, value.tensor.double(), 0.0)
        if (set(varying_dims(constants)) & set(varying_dims(units))) - set(dims):
            builder.fix(value)
    return units


@rule("_softmax", "_log_softmax", "_safe_softmax", "softmax", "log_softmax")
def softmax(builder: GraphBuilder, call: Call) -> Result:
    """Each element follows from itself and from the sum over all."""
    value, dim = call.args[:2]
    if not value.is_activation:
        if len(value.entries or ()) != 1:
            return opaque(builder, call)
        for entries in value.entries:
            builder.bundle(entries, [dim % max(value.tensor.ndim, 1)])
        changes = changes_of(call.name, (value,), value.tensor.shape)
        origin = origin_of(call.name, call.args)
        return Value(call.result, entries=value.entries, changes=changes, origin=origin)
    return Value(call.result, normalised(builder, call.name, value, [dim % value.tensor.ndim]))


def normalised(
    builder: GraphBuilder, operator: str, value: Value, dims: list[int]
) -> Int[Tensor, "..."]:
    """Units of a function of an element and of all elements along ``dims``."""
    units = value.known_units
    sets = aggregated(builder, operator, value, dims)
    if not set(varying_dims(units)) & set(dims):
        builder.applied(operator, units)
        return units
    # More than one unit in the set: the result is a unit of its own even where it is the first.
    return builder.units.function_of(operator, NodeKind.FUNCTION, units, sets.expand(units.shape))


@rule("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin", "sort", "argsort", "topk")
def along(builder: GraphBuilder, call: Call) -> Result:
    """Functions of all elements along a dimension: the units must be the same there."""
    value, *_rest = call.args
    dim = -1
    names = [argument.name for argument in call.operator._schema.arguments]
    for name, argument in [*zip(names, call.args, strict=False), *call.kwargs.items()]:
        if name == "dim":
            dim = int(argument)
    dim %= max(value.tensor.ndim, 1)
    units = builder.promoted(value).known_units if value.is_activation else None
    if units is None or dim in varying_dims(units) or has_constants(value):
        return opaque(builder, call)
    shape = call.tensor.shape
    units = units.narrow(dim, 0, 1) if value.tensor.ndim else units
    builder.applied(call.name, units)
    return _all(call, Value(call.tensor, units.expand(shape)))


@rule("_fft_r2c", "_fft_c2c", "_fft_c2r")
def fourier(builder: GraphBuilder, call: Call) -> Result:
    """Fourier transforms along positions."""
    value = call.args[0]
    dims = [int(dim) % value.tensor.ndim for dim in call.args[1]]
    if not value.is_activation or set(dims) & set(varying_dims(value.known_units)):
        return opaque(builder, call)
    units = reduced(value.known_units, [d for d in range(value.known_units.ndim) if d not in dims])
    builder.applied(call.name, units)
    return Value(call.result, units.expand(call.result.shape))
