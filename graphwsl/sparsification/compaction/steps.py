"""A program as steps with the values of the example: what they read, and what depends on the batch.

Programs are traced with two numbers of samples. Whatever number differs between them is a multiple
of the number of samples; all else is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import getitem
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, fx

from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph.modules import module_of
from graphwsl.neural_graph.program import Program
from graphwsl.neural_graph.rules.registry import is_random

SAMPLES = (5, 7)
"""Numbers of samples that are traced: primes that hardly ever divide a number of heads."""

DYNAMIC = (torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output)


class BatchDependentError(Exception):
    """The program depends on the number of samples in a way that is not understood."""


@dataclass(eq=False)
class Step:
    """One result of an operator, an input, or a tensor of the state.

    Attributes:
        node: Where it is in the program; of several results the node that picks one.
        source: The node of the operator, the same but for several results.
        name: Name of the operator without namespace and overload; empty for inputs and state.
        args: Its arguments, those left out filled with their defaults.
        value: What it is on the example inputs.
        constant: Elements that are the same whatever the inputs, by what the weights say.
        is_static: Whether it depends on nothing but the state.
        batched: For every dimension how many of its elements there are a sample; 0 where their
            number does not depend on the samples.
    """

    node: fx.Node
    source: fx.Node
    name: str
    args: tuple[Any, ...]
    value: Tensor
    constant: Bool[Tensor, "..."]
    is_static: bool
    batched: tuple[int, ...]

    @property
    def index(self) -> int | None:
        """Which of several results it is."""
        return None if self.node is self.source else int(self.node.args[1])  # type: ignore[arg-type]

    @property
    def is_zero(self) -> Bool[Tensor, "..."]:
        """Elements that are zero whatever the inputs."""
        known = self.constant | self.is_static
        return known & (self.value == 0)


def values_of(program: Program) -> dict[fx.Node, Any]:
    """The value of every node on the example inputs.

    Raises:
        UnsupportedModelError: The program goes on by what the inputs are, draws numbers, or
            writes into tensors.
    """
    values: dict[fx.Node, Any] = {}
    of_inputs: set[fx.Node] = set()
    given = iter([*program.state.values(), *program.inputs])
    for node in program.graph_module.graph.nodes:
        if not of_inputs.isdisjoint(node.all_input_nodes):
            of_inputs.add(node)
        if node.op == "placeholder":
            if len(values) >= len(program.state):
                of_inputs.add(node)
            values[node] = next(given)
        elif node.op == "get_attr":
            values[node] = getattr(program.graph_module, str(node.target))
        elif node.op == "call_function":
            _require_understood(node, node in of_inputs)
            args, kwargs = filled(node.args, values), filled(node.kwargs, values)
            values[node] = node.target(*args, **kwargs)
    return values


def filled(argument: Any, values: Mapping[fx.Node, Any]) -> Any:
    """Arguments with values in place of nodes."""
    return fx.node.map_aggregate(
        argument, lambda one: values[one] if isinstance(one, fx.Node) else one
    )


def varying_numbers(first: Program, second: Program) -> dict[fx.Node, dict[int, int]]:
    """Numbers among the arguments of ``first`` that depend on the samples, and by what factor.

    They are keyed by their place among all leaves of the arguments, see :func:`leaves_of`.

    Raises:
        BatchDependentError: The programs differ by more than that.
    """
    nodes, others = (list(one.graph_module.graph.nodes) for one in (first, second))
    if len(nodes) != len(others):
        raise BatchDependentError
    number = {node: index for index, node in enumerate(nodes)}
    other_number = {node: index for index, node in enumerate(others)}
    found: dict[fx.Node, dict[int, int]] = {}
    for node, other in zip(nodes, others, strict=True):
        ours, theirs = leaves_of(node), leaves_of(other)
        if (node.op, len(ours)) != (other.op, len(theirs)):
            raise BatchDependentError
        if node.op == "get_attr":
            own = getattr(first.graph_module, str(node.target))
            its = getattr(second.graph_module, str(other.target))
            if not isinstance(own, Tensor) or own.shape != its.shape or not torch.equal(own, its):
                raise BatchDependentError
        elif node.op == "call_function" and node.target is not other.target:
            raise BatchDependentError
        for place, (own, its) in enumerate(zip(ours, theirs, strict=True)):
            if isinstance(own, fx.Node):
                if not isinstance(its, fx.Node) or number[own] != other_number[its]:
                    raise BatchDependentError
            elif type(own) is not type(its):
                raise BatchDependentError
            elif own != its and own == own:
                factor = multiple(own, its)
                if isinstance(own, bool) or not isinstance(own, int) or factor is None:
                    raise BatchDependentError
                found.setdefault(node, {})[place] = factor
    return found


def multiple(own: int, its: int) -> int | None:
    """By what a number is a multiple of the samples, in both programs."""
    factor, rest = divmod(own, SAMPLES[0])
    return factor if not rest and its == factor * SAMPLES[1] else None


def leaves_of(node: fx.Node) -> list[Any]:
    """All arguments of a node, those in lists included, in order."""
    found: list[Any] = []
    fx.node.map_aggregate((node.args, node.kwargs), found.append)
    return found


def batched_dims(value: Any, other: Any) -> Any:
    """For every dimension how many elements there are a sample, or 0; nested as results are.

    Raises:
        BatchDependentError: A size is no multiple of the samples and yet depends on them.
    """
    if isinstance(value, list | tuple):
        return [batched_dims(*pair) for pair in zip(value, other, strict=True)]
    if not isinstance(value, Tensor):
        return ()
    if value.ndim != other.ndim:
        raise BatchDependentError
    factors = []
    for own, its in zip(value.shape, other.shape, strict=True):
        factor = 0 if own == its else multiple(own, its)
        if factor is None:
            raise BatchDependentError
        factors.append(factor)
    return tuple(factors)


def arguments_of(node: fx.Node) -> tuple[Any, ...]:
    """All arguments by position, defaults included."""
    complete = list(node.args)
    schema = node.target._schema  # type: ignore[union-attr]
    for argument in schema.arguments[len(complete) :]:
        if argument.kwarg_only:
            break
        complete.append(node.kwargs.get(argument.name, argument.default_value))
    return tuple(complete)


def name_of(node: fx.Node) -> str:
    """Name of an operator without namespace and overload."""
    return str(node.target._schema.name.split("::")[-1])  # type: ignore[union-attr]


def _require_understood(node: fx.Node, of_inputs: bool) -> None:
    if node.target is getitem:
        return
    where = f"the operator {node.target}{module_of(node)},"
    if not hasattr(node.target, "_schema"):
        raise UnsupportedModelError(f"{where} holds programs of its own and cannot be compacted")
    tags: Sequence[Any] = getattr(node.target, "tags", ())
    indices = node.args[1] if len(node.args) > 1 else None
    # What is looked at of weights and positions alone is the same whatever the inputs.
    if of_inputs and any(tag in tags for tag in DYNAMIC) and not isinstance(indices, list):
        raise UnsupportedModelError(
            f"{where} goes on by what the inputs are, and what is never read on the example may be "
            "read on others; compact a network without such a branch"
        )
    if is_random(node.target):
        raise UnsupportedModelError(
            f"{where} draws random numbers in evaluation mode; a network that does cannot be "
            "compacted"
        )
    if node.target._schema.is_mutable:
        raise UnsupportedModelError(
            f"{where} writes into a tensor; write a new one, so that it can be compacted"
        )
