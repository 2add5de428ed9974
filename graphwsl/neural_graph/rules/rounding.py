"""Numbers that are cut to a coarser type: what is multiplied before is not multiplied behind.

Casts say so by their name, but any operator may return another type than it was given (``copy_``
into integers, a sum with ``dtype=``), so that the types themselves are looked at.
"""

from dataclasses import replace

import torch

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.changes import changes_of, origin_of
from graphwsl.neural_graph.roles import OwnOperator
from graphwsl.neural_graph.rules.registry import Call, Result
from graphwsl.neural_graph.values import Value


def is_rounded(before: torch.dtype, after: torch.dtype) -> bool:
    """Whether numbers of a type are cut to integers, truth values or floats below 16 bits."""
    if not _is_float(before):
        return False
    return not _is_float(after) or min(before.itemsize, after.itemsize) < 2


def rounded(builder: GraphBuilder, call: Call, result: Result) -> Result:
    """The result of a rule, of which no factor passes through what the operator has cut."""
    given = [one for one in call.values if not one.is_constant and _is_float(one.tensor.dtype)]
    if not given:
        return result
    if isinstance(result, Value):
        return _cut(builder, given, result)
    return tuple(
        _cut(builder, given, one) if number in call.read and isinstance(one, Value) else one
        for number, one in enumerate(result)
    )


def _cut(builder: GraphBuilder, given: list[Value], result: Value) -> Value:
    cut = [one for one in given if is_rounded(one.tensor.dtype, result.tensor.dtype)]
    if not cut:
        return result
    for one in (*cut, result):
        if one.units is not None:
            builder.applied(OwnOperator.ROUNDED, one.units)
    if not result.is_weights:
        return result
    changes = changes_of(OwnOperator.ROUNDED, (result,), result.tensor.shape)
    origin = origin_of(OwnOperator.ROUNDED, (result, result.tensor.dtype))
    return replace(result, changes=changes, origin=origin)


def _is_float(dtype: torch.dtype) -> bool:
    return dtype.is_floating_point or dtype.is_complex
