"""Operators that only move elements: what they do to values they do to units and entries."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.changes import origin_of
from graphwsl.neural_graph.colouring import (
    colour_by_concatenated,
    colour_by_operands,
    coloured_by_constant,
)
from graphwsl.neural_graph.roles import FunctionForm, OwnOperator
from graphwsl.neural_graph.rules.computed_index import pick_computed, plain_of, put_computed
from graphwsl.neural_graph.rules.elementwise import pointwise
from graphwsl.neural_graph.rules.moves import note_moves, note_written
from graphwsl.neural_graph.rules.reduction import has_constants
from graphwsl.neural_graph.rules.registry import Call, Result, opaque, rule
from graphwsl.neural_graph.units import NOTHING, varying_dims
from graphwsl.neural_graph.values import MOVED, Value, mixed, nothing_like

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

PICKERS = ("index", "_unsafe_index", "index_select", "gather", "take_along_dim")

VIEWS = ("view", "_unsafe_view", "_reshape_alias", "_reshape_copy", "reshape", "view_as")


MOVING = frozenset({*MOVERS, *PICKERS, *VIEWS}) - {"_to_copy"}
"""Operators that say by :data:`~graphwsl.neural_graph.values.MOVED` whether they move units."""


@rule(*MOVERS, *VIEWS)
def move(builder: GraphBuilder, call: Call) -> Result:
    """View, permute, slice, split …: the same operator on the index tensors."""
    value, *rest = call.args
    if call.name in ("_to_copy", "clone", "lift_fresh_copy", "contiguous"):
        return replace(value, tensor=call.result)
    if call.name == "as_strided" and not _is_whole(value.tensor):
        return opaque(builder, call)
    if call.name == "view" and isinstance(rest[0], torch.dtype):
        return value if rest[0] == value.tensor.dtype else opaque(builder, call)
    if call.name in VIEWS:  # index tensors are repeated along some dimensions: no views of those
        return _mapped(value, call.result, lambda tensor: tensor.reshape(call.result.shape))

    def operator(tensor: Tensor) -> Any:
        if call.name == "as_strided":
            tensor = _laid_out(tensor, value.tensor)
        return call.operator(tensor, *rest, **call.kwargs)

    if call.name not in KEEPERS:
        value = _moved(builder, value, operator)
    return _mapped(value, call.result, operator)


def _moved(builder: GraphBuilder, value: Value, operator: Callable[[Tensor], Any]) -> Value:
    """A value of which is known whether an operator moves its units."""
    if value.units is not None and note_moves(builder, value.units, operator):
        return replace(value, origin=MOVED)
    return value


def _is_whole(tensor: Tensor) -> bool:
    """Whether a tensor's memory is its elements, each once, in whatever order."""
    reach = 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    memory = tensor.untyped_storage().nbytes()
    return reach == tensor.numel() and memory == reach * tensor.element_size()


def _laid_out(numbers: Int[Tensor, "..."], like: Tensor) -> Int[Tensor, "..."]:
    """Numbers that lie in memory as another tensor does, for strides are counted there."""
    laid_out = torch.empty_strided(like.shape, like.stride(), dtype=numbers.dtype)
    return laid_out.copy_(numbers)


def _mapped(value: Value, result: Any, operator: Any) -> Result:
    if isinstance(result, Tensor):
        return value.copied(result, operator)
    units = None if value.units is None else operator(value.units)
    entries = None if value.entries is None else [operator(one) for one in value.entries]
    changes = None if value.changes is None else operator(value.changes)
    positions = None if value.positions is None else operator(value.positions)
    return tuple(
        Value(
            one,
            None if units is None else units[i],
            None if entries is None else tuple(part[i] for part in entries),
            None if changes is None else changes[i],
            None if positions is None else positions[i],
            origin=value.origin,
        )
        for i, one in enumerate(result)
    )


@rule("cat", "stack", "_unsafe_cat")
def join(builder: GraphBuilder, call: Call) -> Result:
    """Concatenations; weights among activations serve as activations."""
    values, dim = call.args
    values = _with_units(builder, list(values))
    colour_by_concatenated(builder.units, values, None if call.name == "stack" else dim)
    if call.name == "stack" or any(_varies_elsewhere(value, dim) for value in values):
        note_written(builder, values)
    values = _coloured_by_constants(builder, values, dim, is_new=call.name == "stack")
    return joined(builder, values, call.result, lambda parts: call.operator(parts, dim))


def _with_units(builder: GraphBuilder, values: list[Value]) -> list[Value]:
    """Weights among activations, as the activations that they serve as."""
    if not any(one.is_activation for one in values):
        return values
    return [builder.promoted(one) if one.is_weights else one for one in values]


def _coloured_by_constants(
    builder: GraphBuilder, values: list[Value], dim: int, is_new: bool
) -> list[Value]:
    """Units coloured by the constants that are concatenated with them."""
    for constant in [value for value in values if value.is_constant and value.tensor.any()]:
        numbers = constant.tensor
        if not is_new:
            lists = numbers.movedim(dim, -1)
            _, marks = lists.flatten(0, -2).unique(dim=0, return_inverse=True)
            numbers = marks.view(lists.shape[:-1]).unsqueeze(dim)
        values = [
            value.with_units(
                coloured_by_constant(
                    builder.units, OwnOperator.CONCATENATED, value.known_units, numbers
                )
            )
            if value.is_activation and value.tensor.ndim == constant.tensor.ndim
            else value
            for value in values
        ]
    return values


def joined(builder: GraphBuilder, values: list[Value], result: Tensor, operator: Any) -> Value:
    """One operator on several values, whose units (or entries) go together."""
    if any(value.is_activation for value in values):
        values = [builder.promoted(value) for value in values]
        builder.versions.colour_joined(builder.units, values, operator)
        units = operator([value.known_units for value in values])
        if has_constants(Value(result, units)):
            # What is constant at some indices takes no factor.
            builder.applied(builder.operator, units[units != NOTHING], FunctionForm.WITH_CONSTANT)
        return Value(result, units)
    count = max(len(value.entries or ()) for value in values)
    parts = [
        [value.entries[i] if value.entries and i < len(value.entries) else None for value in values]
        for i in range(count)
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
    weights = [value for value in values if value.is_weights]
    if len({value.origin for value in weights}) > 1:
        # The labels of statistics do not say how they were computed.
        builder.look_at(*(value for value in weights if not value.entries))
    changes = _joined_changes(values, operator)
    origin = weights[0].origin if changes is None else origin_of(builder.operator, tuple(values))
    return Value(result, entries=entries, changes=changes, origin=origin)


def _joined_changes(values: list[Value], operator: Any) -> Int[Tensor, "..."] | None:
    """Constants among weights count as changes, unless they are zero; so do other expressions."""
    several = len({value.origin for value in values if value.is_weights}) > 1
    changes = [_concatenated_changes(value, several) for value in values]
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


def _concatenated_changes(value: Value, several: bool) -> Int[Tensor, "..."] | None:
    if value.is_constant and bool(value.tensor.any()):
        return mixed(value.tensor.unique(return_inverse=True)[1] + origin_of("", (value,)))
    if several and value.entries:
        origins = torch.full((1,) * value.tensor.ndim, value.origin).expand(value.tensor.shape)
        return origins if value.changes is None else mixed(value.changes + mixed(origins))
    return value.changes


def _varies_elsewhere(value: Value, dim: int) -> bool:
    """Whether units differ along another dimension: then ``dim`` may be one of positions."""
    if value.units is None:
        return False
    return bool(set(varying_dims(value.units)) - {dim % value.tensor.ndim})


@rule("constant_pad_nd")
def pad(builder: GraphBuilder, call: Call) -> Result:
    """Padding belongs to no unit."""
    value, widths, fill = call.args[:3]
    note_written(builder, [value])
    if fill and value.is_activation:
        builder.applied(call.name, value.known_units, FunctionForm.WITH_CONSTANT)
    if fill and not value.is_activation:
        return opaque(builder, call)
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

    value = _moved(builder, value, operator)
    return value.rearranged(call.result, operator)


@rule("tril", "triu")
def triangle(builder: GraphBuilder, call: Call) -> Result:
    """The other triangle becomes zero and belongs to nothing."""
    value, *rest = call.args

    def operator(tensor: Tensor) -> Tensor:
        return call.operator(tensor + 1, *rest) - 1

    value = _moved(builder, value, operator)
    return value.rearranged(call.result, operator)


@rule("slice_scatter", "select_scatter", "copy", "as_strided_scatter", "diagonal_scatter")
def write(builder: GraphBuilder, call: Call) -> Result:
    """Some elements are replaced by those of another value."""
    base, source, *rest = call.args

    def operator(parts: list[Tensor]) -> Tensor:
        return call.operator(parts[0].contiguous(), parts[1], *rest, **call.kwargs)

    return _written(builder, call, base, source, operator)


def _written(
    builder: GraphBuilder,
    call: Call,
    base: Value,
    source: Value,
    operator: Callable[[list[Tensor]], Tensor],
) -> Result:
    """The same positions of all units are replaced, or nothing is known."""
    ones = [torch.zeros_like(base.tensor).bool(), torch.ones_like(source.tensor).bool()]
    if _hides_constants(base, source) or not _is_block(operator(ones)):
        return opaque(builder, call)
    base, source = _with_units(builder, [base, source])
    note_written(builder, [base, source])
    if base.tensor.ndim == source.tensor.ndim:
        sizes = zip(base.tensor.shape, source.tensor.shape, strict=True)
        shorter = [dim for dim, (one, other) in enumerate(sizes) if one != other]
        colour_by_concatenated(builder.units, [base, source], shorter[0] if shorter else None)
    return joined(builder, [base, source], call.result, operator)


def _is_block(mask: Bool[Tensor, "..."]) -> bool:
    """Whether what is chosen is the same along every dimension, wherever anything is."""
    block = torch.ones_like(mask)
    for dim in range(mask.ndim):
        others = [other for other in range(mask.ndim) if other != dim]
        block &= mask.any(dim=others, keepdim=True) if others else mask
    return torch.equal(block, mask)


def _hides_constants(*values: Value) -> bool:
    """Whether constants that are not all alike are put among units."""
    is_among = any(value.is_activation for value in values)
    return is_among and any(
        value.is_constant and bool(varying_dims(value.tensor)) for value in values
    )


@rule(*PICKERS)
def pick(builder: GraphBuilder, call: Call) -> Result:
    """Selection by constant numbers; by computed ones, from elements of the same units."""
    value, *rest = call.args
    chosen = [one for one in call.values if one is not value]
    if any(one.is_activation for one in chosen):
        return pick_computed(builder, call)
    builder.look_at(*chosen)  # numbers that weights have decided
    if value.is_constant:
        return Value(call.result)
    plain = [plain_of(argument) for argument in rest]

    def operator(tensor: Tensor) -> Tensor:
        return call.operator(tensor, *plain)

    value = _moved(builder, value, operator)
    return value.copied(call.result, operator)


@rule(
    "index_put",
    "_unsafe_index_put",
    "index_add",
    "index_copy",
    "scatter",
    "scatter_add",
    "scatter_reduce",
)
def put(builder: GraphBuilder, call: Call) -> Result:
    """Replacement at constant indices; sums at computed ones."""
    base, where, source, *options = call.args
    is_sum = bool(options and options[0])
    picks = where if isinstance(where, list | tuple) else [where]
    computed = any(isinstance(one, Value) and not one.is_constant for one in picks)
    if computed or is_sum or call.name not in ("index_put", "_unsafe_index_put"):
        return put_computed(builder, call)
    indices = [plain_of(one) for one in picks]

    def operator(parts: list[Tensor]) -> Tensor:
        return torch.index_put(parts[0].contiguous(), indices, parts[1].contiguous())

    return _written(builder, call, base, source, operator)


@rule("where")
def choose(builder: GraphBuilder, call: Call) -> Result:
    """A choice: by a constant mask each element keeps its unit, else it is a function of all."""
    mask, first, second = call.args
    if not mask.is_constant:
        return pointwise(builder, call)
    values = [one if isinstance(one, Value) else None for one in (first, second)]
    if values[0] is None or values[1] is None or any(v.is_constant for v in values if v):
        return pointwise(builder, call)

    first, second = _with_units(builder, [first, second])

    def operator(parts: list[Tensor]) -> Tensor:
        return torch.where(mask.tensor, parts[0], parts[1])

    result = joined(builder, [first, second], call.result, operator)
    if result.units is None:
        return result
    note_written(builder, [first, second])
    colour_by_operands(
        builder.units, [one for one in (first, second) if one.is_activation], call.result.shape
    )
    return result.with_units(
        coloured_by_constant(builder.units, "where", result.units, mask.tensor)
    )
