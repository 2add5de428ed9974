"""How operators are written for a part of their result: which part they can leave out, and how.

A rule has two halves: ``close`` gives the masks that the operator keeps if it is asked for some,
``write`` writes it. An operator without a rule is computed as a whole from whole operands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from graphwsl.neural_graph.rules.registry import is_pointwise
from graphwsl.sparsification.compaction.liveness import Steps
from graphwsl.sparsification.compaction.masks import Masks, closure, equal, full, joined, product
from graphwsl.sparsification.compaction.steps import Step
from graphwsl.sparsification.compaction.writing import (
    RESHAPED,
    TRANSPOSED,
    Writer,
    broadcast,
    order_of,
)


@dataclass(frozen=True)
class Rule:
    """How an operator is made smaller.

    Attributes:
        close: The masks that it keeps, from those that are asked for.
        write: Writes it; its result has what is kept.
        applies: Whether it holds for a call.
    """

    close: Callable[[Step, Masks, Steps], Masks]
    write: Callable[[Writer, Step, Masks], fx.Node]
    applies: Callable[[Step, Steps], bool] = lambda step, steps: True


def rule_of(step: Step, steps: Steps) -> Rule:
    """The rule for a call."""
    rule = RULES.get(step.name)
    if rule is None and is_pointwise(step.source.target):
        rule = POINTWISE
    return rule if rule is not None and rule.applies(step, steps) else WHOLE


def _unchanged(step: Step, masks: Masks, steps: Steps) -> Masks:
    return masks


def _whole(step: Step, masks: Masks, steps: Steps) -> Masks:
    return full(step.value.shape)


def _write_whole(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    return writer.like(step, {one: writer.whole(one) for one in step.source.all_input_nodes})


WHOLE = Rule(_whole, _write_whole)
"""For operators of which nothing is known."""


def with_whole(masks: Masks, dims: list[int], shape: torch.Size) -> Masks:
    """Masks that keep all of some dimensions."""
    dims = [dim % len(shape) for dim in dims]
    return tuple(
        torch.ones(shape[dim], dtype=torch.bool) if dim in dims else mask
        for dim, mask in enumerate(masks)
    )


# Element by element.


def _write_pointwise(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    operands = {}
    for node in step.source.all_input_nodes:
        shape = writer.steps[node].value.shape
        operands[node] = writer.bring(node, broadcast(masks, shape))
    return writer.like(step, operands)


POINTWISE = Rule(_unchanged, _write_pointwise)


# Other shapes of the same elements in the same order.


def _before_view(step: Step, masks: Masks, steps: Steps) -> tuple[Masks, Masks]:
    """What a view keeps of its operand and of its result."""
    x = steps[step.args[0]]
    while True:
        before = closure(product(masks).reshape(x.value.shape), x.batched)
        after = closure(product(before).reshape(step.value.shape), step.batched)
        after = joined(after, masks)
        if equal(after, masks):
            return before, after
        masks = after


def _close_view(step: Step, masks: Masks, steps: Steps) -> Masks:
    return _before_view(step, masks, steps)[1]


def _write_view(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    before, after = _before_view(step, masks, writer.steps)
    assert equal(masks, after)
    x = writer.bring(step.args[0], before)
    return writer.call(torch.reshape, x, writer.shape(step, masks))


def _keeps_elements(step: Step, steps: Steps) -> bool:
    x = step.args[0]
    return not steps[x].is_static and steps[x].value.numel() == step.value.numel() > 0


VIEW = Rule(_close_view, _write_view, _keeps_elements)


# Dimensions in another order.


def _write_permute(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    x = step.args[0]
    before = [masks[0]] * step.value.ndim
    for dim, of in enumerate(order_of(step)):
        before[of] = masks[dim]
    return writer.like(step, {x: writer.bring(x, tuple(before))})


PERMUTE = Rule(_unchanged, _write_permute)


# Dimensions that are repeated.


def _write_expand(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    x = step.args[0]
    before = writer.bring(x, broadcast(masks, writer.steps[x].value.shape))
    return writer.call(torch.ops.aten.expand.default, before, writer.shape(step, masks))


EXPAND = Rule(_unchanged, _write_expand)


# Parts of a dimension.


def _part(step: Step, size: int) -> Tensor:
    """The indices of the dimension that a part has; one for a dimension that goes."""
    target: Any = step.source.target
    arguments = [0 if place == _dim_place(step) else one for place, one in enumerate(step.args[1:])]
    found = target(torch.arange(size), *arguments)
    found = found if step.index is None else found[step.index]
    return torch.as_tensor(found).reshape(-1)


def _dim_place(step: Step) -> int:
    """Where among its further arguments an operator has the dimension."""
    return 1 if step.name in ("split", "split_with_sizes", "chunk") else 0


def _part_dim(step: Step, x: Step) -> int:
    return int(step.args[1 + _dim_place(step)]) % x.value.ndim


def _write_part(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    x = writer.steps[step.args[0]]
    dim = _part_dim(step, x)
    size = x.value.shape[dim]
    indices = _part(step, size)
    before = list(masks)
    goes = step.value.ndim < x.value.ndim
    if goes:
        before.insert(dim, torch.isin(torch.arange(size), indices))
    else:
        before[dim] = torch.isin(torch.arange(size), indices[masks[dim]])
    brought = writer.bring(x.node, tuple(before))
    return writer.call(torch.select, brought, dim, 0) if goes else brought


def _is_no_part_of_samples(step: Step, steps: Steps) -> bool:
    x = steps[step.args[0]]
    return not x.batched[_part_dim(step, x)]


PART = Rule(_unchanged, _write_part, _is_no_part_of_samples)


# One after the other.


def _write_cat(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    dim = step.args[1] % step.value.ndim
    lengths = [writer.steps[one].value.shape[dim] for one in step.args[0]]
    parts = []
    for node, own in zip(step.args[0], masks[dim].split(lengths), strict=True):
        if bool(own.any()):
            parts.append(writer.bring(node, (*masks[:dim], own, *masks[dim + 1 :])))
    return parts[0] if len(parts) == 1 else writer.call(torch.cat, parts, dim)


def _are_alike(step: Step, steps: Steps) -> bool:
    dims = {steps[one].value.ndim for one in step.args[0]}
    return dims == {step.value.ndim} and not step.batched[step.args[1] % step.value.ndim]


CAT = Rule(_unchanged, _write_cat, _are_alike)


# Some dimensions as a whole, the others element by element.


def _write_first(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    """The first operand as the result, all others as they are."""
    x = step.args[0]
    others = {one: writer.whole(one) for one in step.source.all_input_nodes if one is not x}
    before = with_whole(masks, _together(step), writer.steps[x].value.shape)
    return writer.like(step, {**others, x: writer.bring(x, before)})


def _together(step: Step) -> list[int]:
    """Dimensions that an operator looks at as a whole."""
    if step.name in ("native_layer_norm", "_fused_rms_norm"):
        return [-1 - dim for dim in range(len(step.args[1]))]
    if step.name == "native_group_norm":
        return list(range(1, step.value.ndim))
    if step.name == "constant_pad_nd":
        return [-1 - dim // 2 for dim, pad in enumerate(step.args[1]) if pad]
    if step.name in SPATIAL:
        return [-1 - dim for dim in range(SPATIAL[step.name])]
    return [int(step.args[1])]


def _close_together(step: Step, masks: Masks, steps: Steps) -> Masks:
    return with_whole(masks, _together(step), step.value.shape)


def _picks_first(step: Step, steps: Steps) -> bool:
    others = [one for one in step.source.all_input_nodes if one is not step.args[0]]
    is_first = step.index in (None, 0) and not steps[step.args[0]].is_static
    return is_first and all(steps[one].is_static for one in others)


SPATIAL = {
    "max_pool2d_with_indices": 2,
    "avg_pool1d": 1,
    "avg_pool2d": 2,
    "_adaptive_avg_pool2d": 2,
    "upsample_nearest2d": 2,
    "upsample_bilinear2d": 2,
    "max_pool3d_with_indices": 3,
    "avg_pool3d": 3,
}
"""Over how many of the last dimensions each operator works."""

TOGETHER = Rule(_close_together, _write_first, _picks_first)


def _write_reduction(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    x = writer.steps[step.args[0]]
    dims = _reduced_dims(step, x)
    rest = iter(
        masks
        if len(masks) < x.value.ndim
        else [mask for dim, mask in enumerate(masks) if dim not in dims]
    )
    before = [
        torch.ones(size, dtype=torch.bool) if dim in dims else next(rest)
        for dim, size in enumerate(x.value.shape)
    ]
    return writer.like(step, {x.node: writer.bring(x.node, tuple(before))})


def _reduced_dims(step: Step, x: Step) -> set[int]:
    dims = step.args[1]
    return {dim % x.value.ndim for dim in ([dims] if isinstance(dims, int) else dims)}


def _reduces_dims(step: Step, steps: Steps) -> bool:
    is_one = len(step.source.all_input_nodes) == 1 and step.index is None
    return (
        is_one
        and len(step.args) > 1
        and isinstance(step.args[1], int | list)
        and step.args[1] != []
    )


REDUCTION = Rule(_unchanged, _write_reduction, _reduces_dims)


# Channels, each with numbers of its own.


def _write_batch_norm(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    x, *vectors = step.args[:5]
    operands = {x: writer.bring(x, masks)}
    operands |= {one: writer.static(one, masks[1:2]) for one in vectors if one is not None}
    return writer.like(step, operands)


def _is_evaluation(step: Step, steps: Steps) -> bool:
    is_known = step.name == "_native_batch_norm_legit_no_training" or step.args[5] is False
    return is_known and _picks_first(step, steps)


BATCH_NORM = Rule(_unchanged, _write_batch_norm, _is_evaluation)


def _write_embedding(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    table, words = step.args[:2]
    rows = torch.ones(len(writer.steps[table].value), dtype=torch.bool)
    operands = {table: writer.static(table, (rows, masks[-1]))}
    return writer.like(step, {**operands, words: writer.bring(words, masks[:-1])})


def _has_own_table(step: Step, steps: Steps) -> bool:
    return steps[step.args[0]].is_static and not steps[step.args[1]].is_static


EMBEDDING = Rule(_unchanged, _write_embedding, _has_own_table)

RULES: dict[str, Rule] = {
    **dict.fromkeys(("clone", "alias", "detach", "_to_copy", "contiguous"), POINTWISE),
    **dict.fromkeys(RESHAPED, VIEW),
    **dict.fromkeys(TRANSPOSED, PERMUTE),
    "expand": EXPAND,
    **dict.fromkeys(
        ("slice", "select", "split", "split_with_sizes", "chunk", "unbind", "narrow"), PART
    ),
    "cat": CAT,
    **dict.fromkeys(
        (
            *("native_layer_norm", "_fused_rms_norm", "native_group_norm", "constant_pad_nd"),
            *("_softmax", "_log_softmax", "softmax", "log_softmax", "cumsum", *SPATIAL),
        ),
        TOGETHER,
    ),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "var", "std", "logsumexp"), REDUCTION),
    **dict.fromkeys(
        (
            *("native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm"),
            *("_native_batch_norm_legit_no_training", "batch_norm"),
        ),
        BATCH_NORM,
    ),
    "embedding": EMBEDDING,
}
"""By the names of operators; :mod:`graphwsl.sparsification.compaction.products` adds its own."""
