"""The smaller program: its operators, its state, and what joins results that keep other parts."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, fx, nn

from graphwsl.sparsification.compaction.liveness import Steps
from graphwsl.sparsification.compaction.masks import Masks, closure, full, is_full, product, sizes
from graphwsl.sparsification.compaction.steps import SAMPLES, Step

TRANSPOSED = ("t", "transpose", "permute")
"""Operators that put dimensions into another order."""
RESHAPED = ("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze")
"""Operators that leave the order of elements as it is."""


class NotUniformError(Exception):
    """What is left out of a result cannot be put back where another operator asks for it.

    Attributes:
        node: The result.
    """

    def __init__(self, node: fx.Node) -> None:
        super().__init__(str(node))
        self.node = node


def left_out(x: Tensor, dim: int, order: Int[Tensor, " kept"], each: int) -> Tensor:
    """Some indices of a dimension.

    Args:
        x: Any tensor.
        dim: The dimension.
        order: The indices; of every sample if there is an ``each``.
        each: How many indices of the dimension a sample has; 0 where samples play no role.
    """
    if not each:
        return x.index_select(dim, order)
    return x.unflatten(dim, (-1, each)).index_select(dim + 1, order).flatten(dim, dim + 1)


def put_back(x: Tensor, dim: int, fill: Tensor, order: Int[Tensor, " all"], each: int) -> Tensor:
    """What was left out of a dimension, put back.

    Args:
        x: Any tensor.
        dim: The dimension.
        fill: What was left out, of size 1 in dimensions along which it is the same.
        order: Where each index is among those of ``x``, then those of ``fill``.
        each: As in :func:`left_out`.
    """
    if each:
        x, dim = x.unflatten(dim, (-1, each)), dim + 1
    shape = [fill.shape[d] if d == dim else size for d, size in enumerate(x.shape)]
    x = torch.cat([x, fill.expand(shape)], dim).index_select(dim, order)
    return x.flatten(dim - 1, dim) if each else x


class Writer:
    """Writes the smaller program.

    Args:
        steps: All results of the former program.
        kept: What is kept of each that depends on the inputs.
        names: Names of the tensors of the state, by their nodes.
        parameters: Which names are parameters.
        frozen: Which of these no training moves.
        numbers: Numbers among the arguments that depend on the samples.
        undivided: Tensors of the state that are stored once, and parts of them taken.
    """

    def __init__(
        self,
        steps: Steps,
        kept: Mapping[fx.Node, Masks],
        names: Mapping[fx.Node, str],
        parameters: frozenset[str],
        frozen: frozenset[str],
        numbers: Mapping[fx.Node, Mapping[int, int]],
        undivided: frozenset[fx.Node] = frozenset(),
    ) -> None:
        self.steps, self.kept, self.names = steps, kept, names
        self.parameters, self.frozen, self.numbers = parameters, frozen, numbers
        self.graph = fx.Graph()
        self.state: dict[str, Tensor] = {}
        self.written: dict[fx.Node, fx.Node] = {}
        self._stored: dict[tuple[Any, ...], fx.Node] = {}
        self._brought: dict[tuple[Any, ...], fx.Node] = {}
        self._made_of: dict[fx.Node, frozenset[str]] = {}
        self._samples: dict[int, fx.Node] = {}
        self.batch: fx.Node | None = None
        self.undivided = undivided
        self.parts: dict[fx.Node, dict[tuple[bytes, ...], int]] = {}

    def call(self, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        """Write a call."""
        return self.graph.call_function(target, args, kwargs)

    def like(self, step: Step, operands: Mapping[fx.Node, fx.Node | None]) -> fx.Node:
        """Write the operator of a step with other operands, all else as it was."""
        node, place = step.source, -1
        numbers = self.numbers.get(node, {})

        def argument(one: Any) -> Any:
            nonlocal place
            place += 1
            if isinstance(one, fx.Node):
                return operands[one]
            return self.number(numbers[place]) if place in numbers else one

        args, kwargs = fx.node.map_aggregate((node.args, node.kwargs), argument)
        assert callable(node.target)
        called = self.call(node.target, *args, **kwargs)
        return called if step.index is None else self.call(operator.getitem, called, step.index)

    def number(self, factor: int) -> fx.Node:
        """A multiple of the number of samples."""
        assert self.batch is not None
        if factor not in self._samples:
            self._samples[factor] = self.call(operator.mul, self.batch, factor)
        return self._samples[factor]

    def shape(self, step: Step, masks: Masks) -> list[Any]:
        """The shape of what is kept of a result."""
        return [
            self.number(size // SAMPLES[0]) if each else size
            for size, each in zip(sizes(masks), step.batched, strict=True)
        ]

    def whole(self, node: fx.Node) -> fx.Node:
        """All of a result."""
        return self.bring(node, full(self.steps[node].value.shape))

    def bring(self, node: fx.Node, masks: Masks) -> fx.Node:
        """A result of which other elements are kept than it has.

        Raises:
            NotUniformError: It would have to be put together from what differs between samples.
        """
        if self.steps[node].is_static:
            return self.static(node, masks)
        key = (node, *(mask.numpy().tobytes() for mask in masks))
        if key not in self._brought:
            self._brought[key] = self._bring(node, masks)
        return self._brought[key]

    def static(self, node: fx.Node, masks: Masks) -> fx.Node:
        """What depends on the state alone, or a part of it, which is then stored as such."""
        step = self.steps[node]
        if is_full(masks):
            if node.op != "call_function":
                self._note(node, masks, step.value)
                return self.store(self._name(node), step.value, node)
            nodes = {one: self.whole(one) for one in step.source.all_input_nodes}
            return self._once(("whole", node), lambda: self.like(step, nodes))
        inner = self._inner_masks(step, masks)
        if inner is not None:
            node_before = step.source.all_input_nodes[0]
            brought = self.static(node_before, inner)
            if step.name in TRANSPOSED:
                return self._once(
                    ("like", node, brought), lambda: self.like(step, {node_before: brought})
                )
            make = torch.ops.aten.expand.default if step.name == "expand" else torch.reshape
            return self._once(
                ("shaped", node, brought), lambda: self.call(make, brought, sizes(masks))
            )
        source_size = sum(one.numel() for one in self._sources(node))
        if node in self.undivided or int(product(masks).sum()) > source_size:
            part = self.whole(node)
            for dim, mask in enumerate(masks):
                if not mask.all():
                    part = self._without(part, dim, mask.nonzero().flatten(), 0)
            return part
        value = step.value
        for dim, mask in enumerate(masks):
            value = value[(slice(None),) * dim + (mask,)]
        self._note(node, masks, value)
        return self.store(self._name(node), value, node)

    def _note(self, node: fx.Node, masks: Masks, value: Tensor) -> None:
        """Keep in mind how large a part of the state is that is stored."""
        self.parts.setdefault(node, {})[tuple(m.numpy().tobytes() for m in masks)] = value.numel()

    @property
    def multiplied(self) -> frozenset[fx.Node]:
        """Tensors of the state whose parts together are more than they."""
        return frozenset(
            node
            for node, parts in self.parts.items()
            if sum(parts.values()) > self.steps[node].value.numel() and len(parts) > 1
        )

    def _inner_masks(self, step: Step, masks: Masks) -> Masks | None:
        """What a part of a rearranged tensor is of the tensor; None if it is no part of one."""
        if len(step.source.all_input_nodes) != 1 or step.index is not None:
            return None
        inner = self.steps[step.source.all_input_nodes[0]].value
        if step.name in TRANSPOSED:
            found = [masks[0]] * inner.ndim
            for dim, of in enumerate(order_of(step)):
                found[of] = masks[dim]
            return tuple(found)
        if step.name == "expand":
            return broadcast(masks, inner.shape)
        if step.name in RESHAPED:
            elements = product(masks).reshape(inner.shape)
            before = closure(elements, (0,) * inner.ndim)
            return before if torch.equal(product(before), elements) else None
        return None

    def _sources(self, node: fx.Node) -> list[Tensor]:
        """The tensors of the state that something is made of."""
        if node.op != "call_function":
            return [self.steps[node].value]
        nodes = self.steps[node].source.all_input_nodes
        return [one for inner in nodes for one in self._sources(inner)]

    def store(self, name: str, value: Tensor, origin: fx.Node | None = None) -> fx.Node:
        """A tensor of the state, under this name if it is free.

        Args:
            name: The name.
            value: The tensor.
            origin: The former node that it is a part of; a parameter if that is made of any,
                which training moves if it moves any of them.
        """
        value = value.detach().clone()
        key = (
            name,
            tuple(value.shape),
            value.dtype,
            value.reshape(-1).view(torch.uint8).numpy().tobytes(),
        )

        def make() -> fx.Node:
            free, count = name, 2
            while free in self.state:
                free, count = f"{name}_{count}", count + 1
            made_of = frozenset() if origin is None else self._parameters_of(origin)
            moves = not made_of <= self.frozen
            self.state[free] = nn.Parameter(value, moves) if made_of else value
            return self.graph.get_attr(free)

        return self._once(key, make)

    @property
    def numbers_stored(self) -> int:
        """How many numbers the state has."""
        return sum(tensor.numel() for tensor in self.state.values())

    def module(self) -> fx.GraphModule:
        """The program as a module, with its state under the former names."""
        self.graph.lint()
        return fx.GraphModule(self.state, self.graph, "Compacted")

    def _once(self, key: tuple[Any, ...], make: Any) -> fx.Node:
        if key not in self._stored:
            self._stored[key] = make()
        return self._stored[key]

    def _bring(self, node: fx.Node, want: Masks) -> fx.Node:
        step, x = self.steps[node], self.written[node]
        have = list(self.kept[node])
        for dim, mask in enumerate(want):
            if not bool((mask & ~have[dim]).any()) and not torch.equal(mask, have[dim]):
                each = step.batched[dim]
                order, count = _places(mask, have[dim], each)
                x = self._without(x, dim, order, count)
                have[dim] = mask
        for dim, mask in enumerate(want):
            missing = mask & ~have[dim]
            if bool(missing.any()):
                each = step.batched[dim]
                fill, is_known = step.value, step.constant
                for d, some in enumerate([*want[:dim], missing, *have[dim + 1 :]]):
                    chosen = (slice(None),) * d + (some,)
                    fill, is_known = fill[chosen], is_known[chosen]
                fill = fill.masked_fill(~is_known, 0)
                where = torch.cat([_numbers(have[dim], each), _numbers(missing, each)])
                order = torch.argsort(where)
                order = order[torch.isin(where[order], _numbers(mask, each))]
                fill = _uniform(step, fill, is_known, dim)
                count = int(_each(have[dim], each).sum()) if each else 0
                index = self._indices(order)
                x = self.call(put_back, x, dim, self.store("constants.value", fill), index, count)
                have[dim] = mask
        return x

    def _without(self, x: fx.Node, dim: int, order: Int[Tensor, " kept"], each: int) -> fx.Node:
        first, count = int(order[0]) if len(order) else 0, len(order)
        if not each and torch.equal(order, torch.arange(first, first + count)):
            return self.call(torch.narrow, x, dim, first, count)
        return self.call(left_out, x, dim, self._indices(order), each)

    def _indices(self, order: Int[Tensor, " some"]) -> fx.Node:
        return self.store("constants.index", order)

    def _name(self, node: fx.Node) -> str:
        if node in self.names:
            return self.names[node]
        return "constants.tensor" if node.op == "get_attr" else "constants.folded"

    def _parameters_of(self, node: fx.Node) -> frozenset[str]:
        """The parameters that a tensor is made of; none for whole numbers worked out of some."""
        if node in self.names:
            return self.parameters & {self.names[node]}
        if node not in self._made_of:
            step = self.steps[node]
            before = step.source.all_input_nodes if step.value.is_floating_point() else []
            self._made_of[node] = frozenset().union(*map(self._parameters_of, before))
        return self._made_of[node]


def order_of(step: Step) -> Sequence[int]:
    """Which dimension of its operand each dimension of a transposed tensor is."""
    marks = torch.empty(tuple(range(2, 2 + step.value.ndim)))
    target: Any = step.source.target
    return [size - 2 for size in target(marks, *step.source.args[1:]).shape]


def broadcast(masks: Masks, shape: torch.Size) -> Masks:
    """Masks of an operand that is broadcast to a result."""
    own = masks[len(masks) - len(shape) :]
    return tuple(
        torch.ones(1, dtype=torch.bool) if size == 1 else mask
        for size, mask in zip(shape, own, strict=True)
    )


def _each(mask: Tensor, each: int) -> Tensor:
    return mask[:each] if each else mask


def _numbers(mask: Tensor, each: int) -> Tensor:
    return _each(mask, each).nonzero().flatten()


def _places(mask: Tensor, have: Tensor, each: int) -> tuple[Tensor, int]:
    """Where the kept indices are among those that there are, and how many of those a sample has."""
    mask, have = _each(mask, each), _each(have, each)
    return mask[have].nonzero().flatten(), int(have.sum()) if each else 0


def _uniform(step: Step, fill: Tensor, is_known: Tensor, dim: int) -> Tensor:
    """What is put back, of size 1 where it is the same, of one sample.

    Elements that are not known are not read, so that they may be anything.
    """
    if not fill.numel():
        return fill
    each = step.batched[dim]
    others = [other for other in range(fill.ndim) if other != dim]
    batched = {other for other in others if step.batched[other]}
    if each:
        fill, is_known = (one.unflatten(dim, (SAMPLES[0], -1)) for one in (fill, is_known))
        others = [other + (other > dim) for other in others] + [dim]
        batched = {other + (other > dim) for other in batched} | {dim}
    for other in others:
        index = is_known.long().argmax(other, keepdim=True)
        first = fill.gather(other, index)
        if bool(((fill == first) | ~is_known).all()):
            fill, is_known = first, is_known.any(other, keepdim=True)
        elif other in batched:
            raise NotUniformError(step.node)
    return fill
