"""Operators that only move elements: what they do to values they do to units and entries."""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.differences import told_apart
from graphwsl.neural_graph.meeting import meet, meet_beside
from graphwsl.neural_graph.rules.elementwise import pointwise
from graphwsl.neural_graph.rules.places import note_moves, note_placed
from graphwsl.neural_graph.rules.registry import Call, Result, rule
from graphwsl.neural_graph.units import varying_dims
from graphwsl.neural_graph.values import Value, nothing_like

MOVERS = (
    "_to_copy",
    "alias",
    "as_strided",
    "clone",
    "contiguous",
    "detach",
    "diagonal",
    "expand",
    "flip",
    "lift",
    "lift_fresh",
    "lift_fresh_copy",
    "narrow",
    "permute",
    "pixel_shuffle",
    "pixel_unshuffle",
    "channel_shuffle",
    "repeat",
    "roll",
    "rot90",
    "select",
    "slice",
    "split",
    "split_with_sizes",
    "squeeze",
    "t",
    "transpose",
    "unbind",
    "unfold",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "unsqueeze",
)


KEEPERS = frozenset({"alias", "detach", "lift", "lift_fresh", "squeeze", "unsqueeze"})
"""Movers that leave the order of the elements as it is."""

VIEWS = ("view", "_unsafe_view", "_reshape_alias", "_reshape_copy", "reshape", "view_as")


@rule(*MOVERS, *VIEWS)
def move(builder: GraphBuilder, call: Call) -> Result:
    """View, permute, slice, split …: the same operator on the index tensors."""
    value, *rest = call.args
    if call.name in ("_to_copy", "clone", "lift_fresh_copy", "contiguous"):
        return replace(value, tensor=call.result)
    if call.name in VIEWS:  # index tensors are repeated along some dimensions: no views of those
        return _mapped(value, call.result, lambda tensor: tensor.reshape(call.result.shape))

    def operator(tensor: Tensor) -> Any:
        return call.operator(tensor, *rest, **call.kwargs)

    if value.units is not None and call.name not in KEEPERS:
        note_moves(builder, value.units, operator)
    return _mapped(value, call.result, operator)


def _mapped(value: Value, result: Any, operator: Any) -> Result:
    if isinstance(result, Tensor):
        return value.copied(result, operator)
    units = None if value.units is None else operator(value.units)
    entries = None if value.entries is None else [operator(one) for one in value.entries]
    changes = None if value.changes is None else operator(value.changes)
    places = None if value.places is None else operator(value.places)
    return tuple(
        Value(
            one,
            None if units is None else units[i],
            None if entries is None else tuple(part[i] for part in entries),
            None if changes is None else changes[i],
            None if places is None else places[i],
        )
        for i, one in enumerate(result)
    )


@rule("cat", "stack", "_unsafe_cat")
def join(builder: GraphBuilder, call: Call) -> Result:
    """Concatenations; weights beside activations serve as activations."""
    values, dim = call.args
    meet_beside(builder.units, values, None if call.name == "stack" else dim)
    if call.name == "stack" or any(_varies_besides(value, dim) for value in values):
        note_placed(builder, list(values))
    return joined(builder, list(values), call.result, lambda parts: call.operator(parts, dim))


def joined(builder: GraphBuilder, values: list[Value], result: Tensor, operator: Any) -> Value:
    """One operator on several values, whose units (or entries) go together."""
    if any(value.is_activation for value in values):
        values = [builder.promoted(value) for value in values]
        return Value(result, operator([value.known_units for value in values]))
    places = max(len(value.entries or ()) for value in values)
    parts = [
        [value.entries[i] if value.entries and i < len(value.entries) else None for value in values]
        for i in range(places)
    ]
    entries = tuple(
        operator(
            [
                nothing_like(value.tensor) if one is None else one
                for one, value in zip(part, values, strict=True)
            ]
        )
        for part in parts
    )
    return Value(result, entries=entries, changes=_joined_changes(values, operator))


def _joined_changes(values: list[Value], operator: Any) -> Int[Tensor, "..."] | None:
    """Constants beside weights count as changes, unless they are zero."""
    changes = [
        value.tensor.unique(return_inverse=True)[1] + 1
        if value.is_constant and bool(value.tensor.any())
        else value.changes
        for value in values
    ]
    if all(one is None for one in changes):
        return None
    return operator(
        [
            torch.zeros((1,) * value.tensor.ndim, dtype=torch.int64).expand(value.tensor.shape)
            if one is None
            else one
            for one, value in zip(changes, values, strict=True)
        ]
    )


def _varies_besides(value: Value, dim: int) -> bool:
    """Whether units differ along another dimension: then ``dim`` may be one of positions."""
    if value.units is None:
        return False
    return bool(set(varying_dims(value.units)) - {dim % value.tensor.ndim})


@rule("constant_pad_nd")
def pad(builder: GraphBuilder, call: Call) -> Result:
    """Padding belongs to no unit."""
    value, widths, *_ = call.args
    note_placed(builder, [value])
    return value.rearranged(call.result, lambda tensor: torch.constant_pad_nd(tensor, widths, -1))


@rule(
    "reflection_pad1d",
    "reflection_pad2d",
    "reflection_pad3d",
    "replication_pad1d",
    "replication_pad2d",
    "replication_pad3d",
    "im2col",
)
def move_floats(builder: GraphBuilder, call: Call) -> Result:
    """Movers that PyTorch has for floating-point numbers only; integers below 2⁵³ are exact."""
    value, *rest = call.args

    def operator(tensor: Tensor) -> Tensor:
        # One is added for the padding of im2col, which must come out as nothing.
        return call.operator((tensor + 1).double(), *rest, **call.kwargs).long() - 1

    if value.units is not None:
        note_moves(builder, value.units, operator)
    return value.rearranged(call.result, operator)


@rule("tril", "triu")
def triangle(builder: GraphBuilder, call: Call) -> Result:
    """The other triangle becomes zero and belongs to nothing."""
    value, *rest = call.args

    def operator(tensor: Tensor) -> Tensor:
        return call.operator(tensor + 1, *rest) - 1

    if value.units is not None:
        note_moves(builder, value.units, operator)
    return value.rearranged(call.result, operator)


@rule("slice_scatter", "select_scatter", "copy", "as_strided_scatter", "diagonal_scatter")
def place(builder: GraphBuilder, call: Call) -> Result:
    """Some elements are replaced by those of another value."""
    base, source, *rest = call.args
    note_placed(builder, [base, source])
    return joined(
        builder,
        [base, source],
        call.result,
        lambda parts: call.operator(parts[0].contiguous(), parts[1], *rest, **call.kwargs),
    )


@rule("index", "_unsafe_index", "index_select", "gather", "take_along_dim")
def pick(builder: GraphBuilder, call: Call) -> Result:
    """Selection by constant numbers; by computed ones, from places that are all alike."""
    value, *rest = call.args
    if not isinstance(value, Value):
        return Value(call.result)
    chosen = [one for one in call.values if one is not value]
    if not any(one.is_activation for one in chosen):
        plain = [_plain(argument) for argument in rest]

        def operator(tensor: Tensor) -> Tensor:
            return call.operator(tensor, *plain)

        if value.units is not None:
            note_moves(builder, value.units, operator)
        return value.copied(call.result, operator)
    return pick_computed(builder, call)


@rule("index_put", "_unsafe_index_put", "scatter", "masked_scatter", "scatter_add", "index_add")
def put(builder: GraphBuilder, call: Call) -> Result:
    """Replacement at constant places."""
    base, where, source, *_ = call.args
    picks = where if isinstance(where, list | tuple) else [where]
    computed = any(isinstance(one, Value) and not one.is_constant for one in picks)
    if computed or call.name not in ("index_put", "_unsafe_index_put"):
        return Value(call.result).with_units(builder.hide(*call.values))
    places = [_plain(one) for one in picks]
    note_placed(builder, [base, source])
    return joined(
        builder,
        [base, source],
        call.result,
        lambda parts: torch.index_put(parts[0].contiguous(), places, parts[1].contiguous()),
    )


def pick_computed(builder: GraphBuilder, call: Call) -> Result:
    """A selection that depends on the input: the chosen places must belong to the same units."""
    value = builder.promoted(call.args[0])
    if call.name in ("index", "_unsafe_index"):
        dims = [dim for dim, one in enumerate(call.args[1]) if one is not None]
    else:
        dims = [int(call.args[1]) % value.tensor.ndim]
    if set(dims) & set(varying_dims(value.known_units)):
        return Value(call.result).with_units(builder.hide(*call.values))
    plain = [_plain(argument) for argument in call.args[1:]]
    return Value(call.result, call.operator(value.known_units, *plain))


def _plain(argument: Any) -> Any:
    if isinstance(argument, Value):
        return argument.tensor
    if isinstance(argument, list | tuple):
        return [_plain(one) for one in argument]
    return argument


@rule("where")
def choose(builder: GraphBuilder, call: Call) -> Result:
    """A choice: by a constant mask each element keeps its unit, else it is a function of all."""
    mask, first, second = call.args
    if not mask.is_constant:
        return pointwise(builder, call)
    values = [one if isinstance(one, Value) else None for one in (first, second)]
    if values[0] is None or values[1] is None or any(v.is_constant for v in values if v):
        return pointwise(builder, call)

    def operator(parts: list[Tensor]) -> Tensor:
        return torch.where(mask.tensor, parts[0], parts[1])

    result = joined(builder, [first, second], call.result, operator)
    if result.units is None:
        return result
    note_placed(builder, [first, second])
    meet(builder.units, [one for one in (first, second) if one.is_activation], call.result.shape)
    return result.with_units(told_apart(builder.units, "where", result.units, mask.tensor))
