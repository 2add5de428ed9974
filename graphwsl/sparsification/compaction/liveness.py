"""What of every result must be computed: what is read, and not known beforehand.

Forwards it is found what varies with the inputs, backwards what the outputs depend on. A result
keeps the smallest product of indices that holds all elements that are both; each operator may ask
for more of its result, which it cannot leave out.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, fx

from graphwsl.neural_graph.program import Program
from graphwsl.sparsification.compaction.influence import read, varying
from graphwsl.sparsification.compaction.masks import Masks, closure, full, product
from graphwsl.sparsification.compaction.steps import (
    Step,
    arguments_of,
    batched_dims,
    name_of,
    values_of,
)

Steps = dict[fx.Node, Step]
Close = Callable[[Step, Masks], Masks]
"""The masks that an operator keeps of its result if it is asked for some."""


def steps_of(
    program: Program, other: Program | None, numbers: dict[fx.Node, dict[int, int]]
) -> Steps:
    """All results of a program, in its order, with what is known of their elements.

    Args:
        program: The program.
        other: The same for another number of samples; None if it holds for one number alone.
        numbers: Numbers among its arguments that depend on the samples.
    """
    values = values_of(program)
    if other is None:
        others = values
        sizes = {node: _zeros(value) for node, value in values.items()}
    else:
        others = dict(zip(values, values_of(other).values(), strict=True))
        sizes = {node: batched_dims(value, others[node]) for node, value in values.items()}
    steps: Steps = {}
    static: set[fx.Node] = set()
    state = len(program.state)
    for number, node in enumerate(values):
        args_static = all(one in static for one in node.all_input_nodes)
        is_static = args_static and not numbers.get(node) and node.op != "placeholder"
        is_static |= node.op == "placeholder" and number < state
        if is_static and not _any(sizes[node]):
            static.add(node)
        source = node.args[0] if _is_pick(node) else node
        assert isinstance(source, fx.Node)
        value, batched = values[node], sizes[node]
        if not isinstance(value, Tensor):
            # Of several results the nodes that pick one are the steps.
            continue
        called = source.op == "call_function"
        step = Step(
            node=node,
            source=source,
            name=name_of(source) if called else "",
            args=arguments_of(source) if called else (),
            value=value.detach(),
            constant=torch.zeros(value.shape, dtype=torch.bool),
            is_static=node in static,
            batched=batched,
        )
        if called and not step.is_static:
            if all(steps[one].is_static for one in source.all_input_nodes):
                step.constant = step.value == 0  # made for every sample, from no input
            else:
                step.constant = ~varying(step, steps)
            step.constant &= _same_for_all(step.value, others[node], step.batched)
        steps[node] = step
    return steps


def kept_masks(
    steps: Steps, outputs: list[fx.Node], close: Close, whole: frozenset[fx.Node] = frozenset()
) -> dict[fx.Node, Masks]:
    """What is kept of every result that depends on the inputs.

    Args:
        steps: All results.
        outputs: Those that the network returns.
        close: What operators keep besides.
        whole: Results of which everything is kept.
    """
    wanted: dict[fx.Node, Bool[Tensor, "..."]] = {
        node: torch.ones(steps[node].value.shape, dtype=torch.bool) for node in outputs
    }
    kept: dict[fx.Node, Masks] = {}
    for node, step in reversed(steps.items()):
        if step.is_static or node not in wanted:
            continue
        if node in outputs or node in whole or node.op == "placeholder":
            masks = full(step.value.shape)
        else:
            masks = close(step, closure(wanted[node] & ~step.constant, step.batched))
        kept[node] = masks
        if node.op != "call_function":
            continue
        # Even what is known beforehand is computed if it is kept.
        for operand, elements in read(step, steps, wanted[node] & product(masks)).items():
            before = wanted.get(operand)
            wanted[operand] = elements if before is None else before | elements
    return kept


def _same_for_all(value: Tensor, other: Tensor, batched: tuple[int, ...]) -> Bool[Tensor, "..."]:
    """Elements that are the same for another number of samples, by those of the first sample."""
    own, its = value, other.detach()
    for dim, factor in enumerate(batched):
        if factor:
            own, its = own.narrow(dim, 0, factor), its.narrow(dim, 0, factor)
    same = own.isclose(its, rtol=1e-4, atol=1e-12, equal_nan=True)
    repeats = [value.shape[dim] // factor if factor else 1 for dim, factor in enumerate(batched)]
    return same.repeat(repeats) if repeats else same


def _is_pick(node: fx.Node) -> bool:
    return node.op == "call_function" and not hasattr(node.target, "_schema")


def _zeros(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_zeros(one) for one in value]
    return (0,) * value.ndim if isinstance(value, Tensor) else ()


def _any(sizes: Any) -> bool:
    return any(_any(one) if isinstance(one, list | tuple) else one for one in sizes)
