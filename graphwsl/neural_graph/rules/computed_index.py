"""Gathering and scattering at indices that depend on the inputs: neighbours in a graph, routing.

The indices are fixed. What they choose from must be positions of the same units.
"""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.colouring import coloured_by_constant
from graphwsl.neural_graph.roles import FunctionForm
from graphwsl.neural_graph.rules.registry import Call, Result, opaque
from graphwsl.neural_graph.units import reduced, varying_dims
from graphwsl.neural_graph.values import Value

LISTS = ("index", "_unsafe_index", "index_put", "_unsafe_index_put")
"""Operators that take a list of numbers, one tensor for each of the first dimensions."""

OF_ELEMENTS = ("gather", "take_along_dim", "scatter", "scatter_add", "scatter_reduce")
"""Operators whose numbers are given for every element by itself."""


def pick_computed(builder: GraphBuilder, call: Call) -> Result:
    """A selection that depends on the input: all that is chosen from must be of the same units."""
    value = call.args[0]
    numbers = [one for one in call.values if one is not value]
    dims = indexed_dims(call)
    if not value.is_activation or not _can_be_indexed(call, value, numbers, dims):
        return opaque(builder, call)
    builder.fix(*numbers)
    builder.applied(call.name, value.known_units)
    plain = [plain_of(argument) for argument in call.args[1:]]
    return Value(call.result, call.operator(value.known_units, *plain))


def put_computed(builder: GraphBuilder, call: Call) -> Result:
    """A sum (maximum, …) of elements by numbers that depend on the input, into a constant.

    This is how messages are gathered at the nodes of a graph.
    """
    base, source = call.args[0], _source(call)
    if source is None or not base.is_constant or not source.is_activation:
        return opaque(builder, call)
    dims = indexed_dims(call)
    numbers = [one for one in call.values if one is not base and one is not source]
    units = _without_numbers(call, source, dims)
    if units is None or not _can_be_indexed(call, source, numbers, dims):
        return opaque(builder, call)
    builder.fix(*numbers)
    builder.applied(_function(call), units)
    if bool((base.tensor != 0).any()):
        builder.applied(call.name, units, FunctionForm.WITH_CONSTANT)
    units = coloured_by_constant(
        builder.units, call.name, units.expand(call.result.shape), base.tensor
    )
    return Value(call.result, units)


def indexed_dims(call: Call) -> list[int]:
    """Dimensions along which an operator selects or writes."""
    ndim = call.args[0].tensor.ndim
    if call.name not in LISTS:
        dim = call.args[2] if call.name == "take_along_dim" else call.args[1]
        return list(range(ndim)) if dim is None else [int(dim) % max(ndim, 1)]
    dims: list[int] = []
    first = 0
    for one in call.args[1]:
        width = one.tensor.ndim if one is not None and one.tensor.dtype == torch.bool else 1
        dims += range(first, first + width) if one is not None else []
        first += width
    return dims


def plain_of(argument: Any) -> Any:
    """Tensors in place of values."""
    if isinstance(argument, Value):
        return argument.tensor
    if isinstance(argument, list | tuple):
        return [plain_of(one) for one in argument]
    return argument


def _can_be_indexed(call: Call, value: Value, numbers: list[Value], dims: list[int]) -> bool:
    """Whether all elements along ``dims`` have one unit, and all units the same numbers."""
    varying = varying_dims(value.known_units)
    if set(dims) & set(varying):
        return False
    if call.name not in OF_ELEMENTS:
        return True
    return not any(dim in _dims_of_numbers(one) for one in numbers for dim in varying)


def _dims_of_numbers(numbers: Value) -> list[int]:
    """Dimensions along which numbers differ, or would with other inputs."""
    dims = [dim for dim, step in enumerate(numbers.tensor.stride()) if step]
    dims = [dim for dim in dims if numbers.tensor.shape[dim] > 1]
    if numbers.is_constant:
        return varying_dims(numbers.tensor)
    if numbers.positions is not None:  # copies are one position
        return [dim for dim in dims if dim in varying_dims(numbers.positions)]
    return dims


def _source(call: Call) -> Value | None:
    """What is written, where the operator and its options are understood."""
    if call.name in ("index_put", "_unsafe_index_put"):
        return call.args[2] if call.args[1][0] is not None else None
    source = call.args[3] if len(call.args) > 3 else None
    return source if isinstance(source, Value) else None


def _without_numbers(call: Call, source: Value, dims: list[int]) -> Int[Tensor, "..."] | None:
    """The units of what is written, in as many dimensions as the result has."""
    units = reduced(source.known_units, varying_dims(source.known_units))
    if call.name not in LISTS:
        return units if units.ndim == call.result.ndim else None
    rest = call.result.ndim - len(dims)
    if dims != list(range(len(dims))) or source.tensor.ndim < rest:
        return None
    behind = units.shape[units.ndim - rest :]
    if units.numel() != behind.numel():
        return None
    return units.reshape(*(1,) * len(dims), *behind)


def _function(call: Call) -> str:
    if call.name == "scatter_reduce":
        return f"{call.name}.{call.args[4]}"
    if "reduce" in call.kwargs:  # a product of what is written
        return f"{call.name}.{call.kwargs['reduce']}"
    return call.name
