"""Which elements of a result depend on which elements of the operands, by what the weights say.

Each operator has a *linear* function of non-negative indicators: an element of its result is above
zero if the element depends on an operand whose indicator is. Applied to what varies with the
inputs, it says what varies in the result; its transpose, applied to what is read of the result,
says what is read of the operands. Inputs are taken to be finite: zero times anything is zero.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, fx

from graphwsl.neural_graph.rules.registry import is_pointwise
from graphwsl.sparsification.compaction.steps import Step, filled

Indicator = Float[Tensor, "..."]


@dataclass(eq=False)
class Operand:
    """A tensor among the arguments of an operator.

    Attributes:
        step: Where it comes from.
        indicator: What is asked of its elements; zeros for what depends on the state alone.
    """

    step: Step
    indicator: Indicator

    @property
    def active(self) -> Indicator:
        """1 for elements that are not always zero."""
        return (~self.step.is_zero).float()

    @property
    def value(self) -> Tensor:
        """The value on the example inputs."""
        return self.step.value


@dataclass(frozen=True)
class Influence:
    """A call of an operator with indicators in place of tensors.

    Attributes:
        step: The result.
        args: All arguments by position, tensors as :class:`Operand`.
        operands: All operands, those by keyword included.
    """

    step: Step
    args: tuple[Any, ...]
    operands: list[Operand]

    @property
    def on_indicators(self) -> Any:
        """The operator itself, applied to indicators."""
        args = fx.node.map_aggregate(
            self.args, lambda one: one.indicator if isinstance(one, Operand) else one
        )
        operator: Any = self.step.source.target
        return operator(*args)

    @property
    def shape(self) -> torch.Size:
        """Shape of the result."""
        return self.step.value.shape


Rule = Callable[[Influence], Indicator]
INFLUENCES: dict[str, Rule] = {}
"""By the names of operators; of all others everything depends on everything."""


def _of(*names: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        for name in names:
            INFLUENCES[name] = function
        return function

    return register


def spread(step: Step, steps: dict[fx.Node, Step], indicators: dict[fx.Node, Indicator]) -> Any:
    """The indicator of a result from those of its operands."""
    operands: dict[fx.Node, Operand] = {}

    def operand(node: fx.Node) -> Operand:
        if node not in operands:
            own = steps[node]
            indicator = indicators.get(node)
            if indicator is None:
                indicator = torch.zeros(own.value.shape, dtype=torch.float32)
            operands[node] = Operand(own, indicator)
        return operands[node]

    def argument(one: Any) -> Any:
        return operand(one) if isinstance(one, fx.Node) else one

    args: Any = fx.node.map_aggregate(step.args, argument)
    for node in step.source.all_input_nodes:
        operand(node)
    call = Influence(step, args, list(operands.values()))
    if step.name in INFLUENCES:
        return INFLUENCES[step.name](call)
    if is_pointwise(step.source.target):
        return elementwise(call)
    return everything(call)


def varying(step: Step, steps: dict[fx.Node, Step]) -> Bool[Tensor, "..."]:
    """Elements of a result that vary with the inputs."""
    indicators = {
        node: (~steps[node].constant).float()
        for node in step.source.all_input_nodes
        if not steps[node].is_static
    }
    with torch.no_grad():
        return torch.gt(spread(step, steps, indicators), 0)


def read(
    step: Step, steps: dict[fx.Node, Step], of_result: Bool[Tensor, "..."]
) -> dict[fx.Node, Bool[Tensor, "..."]]:
    """Elements of the operands that ``of_result`` depends on, by the nodes of the operands."""
    nodes = [node for node in step.source.all_input_nodes if not steps[node].is_static]
    with torch.enable_grad():
        indicators = {
            node: torch.zeros(steps[node].value.shape, dtype=torch.float32, requires_grad=True)
            for node in nodes
        }
        result = spread(step, steps, indicators)
        if not nodes or not result.requires_grad:
            return {}
        gradients = torch.autograd.grad(
            result, list(indicators.values()), of_result.float(), allow_unused=True
        )
    return {
        node: gradient > 0
        for node, gradient in zip(nodes, gradients, strict=True)
        if gradient is not None
    }


def everything(call: Influence) -> Indicator:
    """Nothing is known: every element depends on all others."""
    total = torch.zeros((), dtype=torch.float32)
    for operand in call.operands:
        total = total + operand.indicator.sum()
    return total.expand(call.shape)


def elementwise(call: Influence) -> Indicator:
    """Every element depends on those at its index."""
    total = torch.zeros(call.shape, dtype=torch.float32)
    for operand in call.operands:
        total = total + operand.indicator
    return total


@_of("mul")
def product(call: Influence) -> Indicator:
    """What is multiplied by zero does not matter."""
    first, second = call.args[:2]
    if not isinstance(first, Operand) or not isinstance(second, Operand):
        return elementwise(call)
    return first.indicator * second.active + first.active * second.indicator


@_of("clone", "alias", "detach", "_to_copy", "contiguous", "lift_fresh_copy")
def copied(call: Influence) -> Indicator:
    """Every element depends on itself."""
    return call.operands[0].indicator


@_of("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze")
def viewed(call: Influence) -> Indicator:
    """The same elements in the same order, of whichever shape."""
    return call.args[0].indicator.reshape(call.shape)


@_of(
    *("permute", "transpose", "t"),
    *("expand", "slice", "select", "flip", "roll", "repeat", "cat", "stack", "unfold"),
    *("pixel_shuffle", "pixel_unshuffle", "narrow", "diagonal", "movedim", "im2col"),
)
def rearranged(call: Influence) -> Indicator:
    """The operator itself says it."""
    return call.on_indicators


@_of("split", "split_with_sizes", "unbind", "chunk")
def parted(call: Influence) -> Indicator:
    """One part of several."""
    part: Indicator = call.on_indicators[call.step.index]
    return part


@_of("constant_pad_nd")
def padded(call: Influence) -> Indicator:
    """What is padded with depends on nothing."""
    return torch.ops.aten.constant_pad_nd(call.args[0].indicator, call.args[1], 0)


@_of("mm", "bmm")
def matrix_product(call: Influence) -> Indicator:
    """A sum of products, of which those by zero do not matter."""
    return _products(*call.args[:2])


@_of("addmm", "baddbmm")
def added_product(call: Influence) -> Indicator:
    """A sum of products and of what they are added to."""
    return call.args[0].indicator + _products(*call.args[1:3])


@_of("convolution")
def convolution(call: Influence) -> Indicator:
    """Which channels read which; positions of a channel are not told apart."""
    x, weight, bias = call.args[:3]
    groups, is_transposed = call.args[8], call.args[6]
    if not weight.step.is_static or x.value.ndim != weight.value.ndim:
        return everything(call)
    joined = (weight.value != 0).flatten(2).any(2).float()
    if is_transposed:  # (inputs, outputs of a group)
        joined = joined.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    joined = joined.unflatten(0, (groups, -1))
    channels = x.indicator.flatten(2).sum(2).unflatten(1, (groups, -1))
    sums = torch.einsum("ngi,goi->ngo", channels, joined).flatten(1)
    result = sums[(...,) + (None,) * (x.value.ndim - 2)].expand(call.shape)
    return result if bias is None or bias.step.is_static else everything(call)


@_of(
    *("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"),
    *("cudnn_batch_norm", "batch_norm"),
)
def batch_norm(call: Influence) -> Indicator:
    """A channel by its own statistics, unless its scale is zero."""
    x, weight = call.args[0], call.args[1]
    if call.step.index != 0 or not _others_are_static(call, x):
        return everything(call)
    if call.step.name != "_native_batch_norm_legit_no_training" and call.args[5] is not False:
        return everything(call)  # statistics of the batch
    if weight is None:
        return x.indicator
    scale = (weight.value != 0).float()
    return x.indicator * scale.view(-1, *(1,) * (x.value.ndim - 2))


def _others_are_static(call: Influence, x: Operand) -> bool:
    """Whether all but one operand depend on the state alone."""
    return all(one.step.is_static for one in call.operands if one is not x)


@_of("native_layer_norm", "_fused_rms_norm")
def layer_norm(call: Influence) -> Indicator:
    """The last dimensions together."""
    x = call.args[0]
    if call.step.index != 0 or not _others_are_static(call, x):
        return everything(call)
    return _along(x, [-1 - dim for dim in range(len(call.args[1]))])


@_of("native_group_norm")
def group_norm(call: Influence) -> Indicator:
    """Groups of channels together."""
    x, groups = call.args[0], call.args[6]
    if call.step.index != 0 or not _others_are_static(call, x):
        return everything(call)
    grouped = x.indicator.unflatten(1, (groups, -1)).flatten(2).sum(2)
    channels = grouped.repeat_interleave(call.shape[1] // groups, dim=1)
    return channels[(...,) + (None,) * (len(call.shape) - 2)].expand(call.shape)


@_of("_softmax", "_log_softmax", "softmax", "log_softmax", "cumsum")
def along_dimension(call: Influence) -> Indicator:
    """One dimension together."""
    return _along(call.args[0], [call.args[1]])


@_of("mean", "sum", "amax", "amin", "var", "std", "logsumexp")
def reduced(call: Influence) -> Indicator:
    """All that is reduced."""
    if len(call.args) < 2 or not isinstance(call.args[1], list | tuple | int):
        return everything(call)
    x, dims = call.args[:2]
    dims = [dims] if isinstance(dims, int) else list(dims)
    if not dims:
        return everything(call)
    return x.indicator.sum(dims).reshape(call.shape)


@_of(
    *("max_pool2d_with_indices", "avg_pool2d", "_adaptive_avg_pool2d", "avg_pool1d"),
    *("upsample_nearest2d", "upsample_bilinear2d", "max_pool3d_with_indices", "avg_pool3d"),
)
def pooled(call: Influence) -> Indicator:
    """Positions of a channel together."""
    spatial = 3 if "3d" in call.step.name else 1 if "1d" in call.step.name else 2
    if call.step.index not in (None, 0):
        return everything(call)
    channels = call.args[0].indicator.flatten(-spatial).sum(-1)
    return channels[(...,) + (None,) * spatial].expand(call.shape)


@_of("embedding")
def embedding(call: Influence) -> Indicator:
    """A coordinate that is the same for all words depends on no word."""
    table, words = call.args[:2]
    if not table.step.is_static:
        return everything(call)
    varies = (table.value != table.value[:1]).any(0).float()
    return words.indicator[..., None] * varies


@_of("index", "index_select", "gather")
def chosen(call: Influence) -> Indicator:
    """Elements at indices that depend on the state alone."""
    x, *others = call.operands
    if not all(one.step.is_static for one in others):
        return everything(call)
    args = (x.indicator, *filled(call.step.args[1:], {o.step.node: o.value for o in others}))
    result: Indicator = call.step.source.target(*args)  # type: ignore[operator]
    return result


def _products(first: Operand, second: Operand) -> Indicator:
    return first.indicator @ second.active + first.active @ second.indicator


def _along(x: Operand, dims: list[int]) -> Indicator:
    return x.indicator.sum(dims, keepdim=True).expand(x.value.shape)
