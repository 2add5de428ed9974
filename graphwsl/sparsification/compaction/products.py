"""Weighted sums without what is not read, or known beforehand.

A source that is read but constant goes too: what it adds to each sum is added to the bias. Where a
convolution pads its input with zeros, that is no longer a constant at the border: then all such
sources together become one further channel of ones, whose weights are the sum of theirs.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, fx
from torch.nn import functional

from graphwsl.sparsification.compaction.liveness import Steps
from graphwsl.sparsification.compaction.masks import Masks, full
from graphwsl.sparsification.compaction.rules import RULES, Rule, with_whole
from graphwsl.sparsification.compaction.steps import Step
from graphwsl.sparsification.compaction.writing import Writer

WORTH = 0.25
"""Share of the sources that must be unread by one sum to be left out for it, though others read
them: choosing the rest takes time."""


@dataclass(frozen=True)
class Sources:
    """What a sum reads of an operand.

    Attributes:
        read: Sources that remain.
        constants: What the others are; 0 for those that are not read.
    """

    read: Bool[Tensor, " sources"]
    constants: Float[Tensor, " sources"]

    @property
    def are_added(self) -> bool:
        """Whether what is left out adds anything."""
        return bool((self.constants != 0).any())


def sources_of(
    writer: Writer,
    x: Step,
    dim: int,
    is_read: Bool[Tensor, " sources"],
    *,
    only_zeros: bool = False,
) -> Sources:
    """Which sources along a dimension a sum goes on to read.

    Args:
        writer: Knows what is there of the operand.
        x: The operand.
        dim: The dimension that is summed over.
        is_read: Sources with a weight other than zero.
        only_zeros: Whether constants other than zero cannot be left out.
    """
    have = torch.ones_like(is_read) if x.is_static else writer.kept[x.node][dim]
    constants = torch.zeros(len(is_read), dtype=torch.float64)
    read = have & is_read
    if (have & ~is_read).sum() < WORTH * have.sum():
        read = have.clone()
    for source in (is_read & ~have).nonzero().flatten().tolist():
        values = x.value.select(dim, source)
        if not values.numel():  # without samples or positions nothing is added
            continue
        first = values.reshape(-1)[0]
        is_known = bool(x.constant.select(dim, source).all()) and bool((values == first).all())
        if is_known and (not only_zeros or first == 0):
            constants[source] = float(first)
        else:
            read[source] = True
    if len(read) and not read.any():
        read[int(have.long().argmax())] = True
    return Sources(read, constants)


# Matrices.


def _weights(step: Step) -> tuple[fx.Node | None, fx.Node, fx.Node]:
    """Bias, operand and weights."""
    if step.name == "addmm":
        return step.args[0], step.args[1], step.args[2]
    return None, step.args[0], step.args[1]


def _is_layer(step: Step, steps: Steps) -> bool:
    bias, x, weight = _weights(step)
    is_plain = all(step.source.kwargs.get(name, 1) == 1 for name in ("beta", "alpha"))
    is_known = steps[weight].is_static and (bias is None or steps[bias].is_static)
    is_vector = bias is None or steps[bias].value.ndim == 1
    return is_plain and is_known and is_vector and not steps[x].is_static


def _write_layer(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    bias, x, weight = _weights(step)
    values = writer.steps[weight].value
    targets = masks[1]
    sources = sources_of(writer, writer.steps[x], 1, (values[:, targets] != 0).any(1))
    brought = writer.bring(x, (masks[0], sources.read))
    added = None
    if sources.are_added:
        added = (sources.constants @ values[:, targets].double()).to(values.dtype)
    own_bias = _bias(writer, bias, weight, targets, added)
    if writer.steps[weight].name in ("t", "transpose", "permute"):
        inner = writer.steps[weight].source.args[0]
        if isinstance(inner, fx.Node) and writer.steps[inner].value.ndim == 2:
            own = writer.static(inner, (targets, sources.read))
            return writer.call(functional.linear, brought, own, own_bias)
    own = writer.static(weight, (sources.read, targets))
    if own_bias is None:
        return writer.call(torch.mm, brought, own)
    return writer.call(torch.addmm, own_bias, brought, own)


def _bias(
    writer: Writer,
    bias: fx.Node | None,
    weight: fx.Node,
    targets: Tensor,
    added: Tensor | None,
) -> fx.Node | None:
    """The bias of what is kept, with what is added to it."""
    if added is None:
        return None if bias is None else writer.static(bias, (targets,))
    origin = bias if bias is not None else weight
    value = (
        added if bias is None else added + writer.steps[bias].value.expand(targets.shape)[targets]
    )
    name = writer.names.get(bias) if bias is not None else None
    return writer.store(name or f"{_module(writer, weight)}bias", value, origin)


def _module(writer: Writer, weight: fx.Node) -> str:
    """Where a weight belongs, with a point."""
    while weight not in writer.names:
        inner = weight.all_input_nodes
        if not inner:
            return "constants."
        weight = inner[0]
    return writer.names[weight].rpartition(".")[0] + "." * ("." in writer.names[weight])


def _unchanged(step: Step, masks: Masks, steps: Steps) -> Masks:
    return masks


LAYER = Rule(_unchanged, _write_layer, _is_layer)


# Products of activations.


def _write_product(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    first, second = (writer.steps[one] for one in step.args[:2])
    *batch, rows, columns = masks
    inner = [
        torch.ones(x.value.shape[dim], dtype=torch.bool)
        if x.is_static
        else writer.kept[x.node][dim]
        for x, dim in ((first, first.value.ndim - 1), (second, second.value.ndim - 2))
    ]
    flat = ~first.is_zero.flatten(0, -2), ~second.is_zero.transpose(-1, -2).flatten(0, -2)
    # What is zero in one of them adds nothing, whatever it is in the other.
    needed = flat[0].any(0) & flat[1].any(0)
    terms = (inner[0] & inner[1]) | needed
    operands = {
        first.node: writer.bring(first.node, (*batch, rows, terms)),
        second.node: writer.bring(second.node, (*batch, terms, columns)),
    }
    return writer.like(step, operands)


def _differ(step: Step, steps: Steps) -> bool:
    return step.args[0] is not step.args[1]


PRODUCT = Rule(_unchanged, _write_product, _differ)


# Convolutions.


def _close_convolution(step: Step, masks: Masks, steps: Steps) -> Masks:
    """Channels; those of groups in equal numbers."""
    masks = with_whole(masks, list(range(2, step.value.ndim)), step.value.shape)
    groups = step.args[8]
    if groups == 1:
        return masks
    channels = masks[1].view(groups, -1)
    count = int(channels.sum(1).max())
    filled_up = torch.stack([_with(own, torch.ones_like(own), count) for own in channels])
    filled_up[~channels.any(1)] = False
    return (masks[0], filled_up.flatten(), *masks[2:])


def _is_convolution(step: Step, steps: Steps) -> bool:
    x, weight, bias = step.args[:3]
    is_known = steps[weight].is_static and (bias is None or steps[bias].is_static)
    same_dims = steps[x].value.ndim == steps[weight].value.ndim
    # With groups, the weights of a transposed convolution have another order.
    is_known = is_known and not steps[x].is_static
    return is_known and same_dims and not (step.args[6] and step.args[8] > 1)


def _write_convolution(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    if step.args[8] > 1:
        return _write_grouped(writer, step, masks)
    x, weight, bias = step.args[:3]
    padding, is_transposed = step.args[4], step.args[6]
    values, targets = writer.steps[weight].value, masks[1]
    if is_transposed:
        values = values.transpose(0, 1)
    is_read = (values[targets] != 0).flatten(2).any(2).any(0)
    own = writer.steps[x]
    sources = sources_of(writer, own, 1, is_read, only_zeros=is_transposed)
    brought = writer.bring(x, _before(masks[0], sources.read, own))
    sums = torch.einsum("s,ts...->t...", sources.constants, values[targets].double())
    added = None
    if sources.are_added and any(padding):
        kernel = torch.cat([values[targets][:, sources.read], sums[:, None].to(values.dtype)], 1)
        stored = writer.store(writer.names.get(weight, "constants.folded"), kernel, weight)
        pads = [0, 0] * (own.value.ndim - 2) + [0, 1]
        brought = writer.call(functional.pad, brought, pads, "constant", 1.0)
    else:
        part = (sources.read, targets) if is_transposed else (targets, sources.read)
        stored = writer.static(weight, (*part, *full(values.shape[2:])))
        added = sums.flatten(1).sum(1).to(values.dtype) if sources.are_added else None
    own_bias = _bias(writer, bias, weight, targets, added)
    return writer.call(
        torch.ops.aten.convolution.default, brought, stored, own_bias, *step.args[3:]
    )


def _write_grouped(writer: Writer, step: Step, masks: Masks) -> fx.Node:
    x, weight, bias = step.args[:3]
    groups, values = step.args[8], writer.steps[weight].value
    own = writer.steps[x]
    each = values.shape[1]
    of_group = values.unflatten(0, (groups, -1)).flatten(3)
    targets = masks[1].view(groups, -1)
    chosen = targets.any(1).nonzero().flatten()
    is_read = torch.zeros(groups, each, dtype=torch.bool)
    for group in chosen.tolist():
        is_read[group] = (of_group[group][targets[group]] != 0).any(2).any(0)
    sources = sources_of(writer, own, 1, is_read.flatten(), only_zeros=any(step.args[4]))
    read, constants = sources.read.view(groups, -1), sources.constants.view(groups, -1)
    read[~targets.any(1)] = False
    count = max(1, int(read.sum(1).max()))
    have = writer.kept[x][1].view(groups, -1)
    for group in chosen.tolist():
        # First what is there, last what is in the bias already, which is taken out of it again.
        is_free = have[group] & (constants[group] == 0)
        read[group] = _with(_with(read[group], is_free, count), constants[group] == 0, count)
        read[group] = _with(read[group], torch.ones_like(read[group]), count)
    constants = constants.masked_fill(read, 0.0)
    brought = writer.bring(x, _before(masks[0], read.flatten(), own))
    kernels, sums = [], []
    for group in chosen.tolist():
        rows = values.unflatten(0, (groups, -1))[group][targets[group]]
        kernels.append(rows[:, read[group]])
        sums.append(torch.einsum("s,tsk->t", constants[group], rows.flatten(2).double()))
    kernel, added = torch.cat(kernels), torch.cat(sums).to(values.dtype)
    stored = writer.store(writer.names.get(weight, "constants.folded"), kernel, weight)
    own_bias = _bias(writer, bias, weight, masks[1], added if bool(added.any()) else None)
    others = (*step.args[3:8], len(chosen))
    return writer.call(torch.ops.aten.convolution.default, brought, stored, own_bias, *others)


def _before(samples: Tensor, channels: Tensor, x: Step) -> Masks:
    return (samples, channels, *full(x.value.shape[2:]))


def _with(
    mask: Bool[Tensor, " some"], candidates: Bool[Tensor, " some"], count: int
) -> Bool[Tensor, " some"]:
    """A mask with the first further candidates, until it has so many."""
    missing: Int[Tensor, " indices"] = (candidates & ~mask).nonzero().flatten()
    mask = mask.clone()
    mask[missing[: max(0, count - int(mask.sum()))]] = True
    return mask


CONVOLUTION = Rule(_close_convolution, _write_convolution, _is_convolution)

RULES.update({"mm": LAYER, "addmm": LAYER, "bmm": PRODUCT, "convolution": CONVOLUTION})
