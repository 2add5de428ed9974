"""From a program to the neural graph: every operator is followed by its rule."""

from collections.abc import Callable
from operator import getitem
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor, fx, nn
from torch._ops import HigherOrderOperator

from graphwsl import arguments
from graphwsl.errors import GraphwslError, UnsupportedModelError
from graphwsl.neural_graph.assembly import assemble
from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.completion import complete
from graphwsl.neural_graph.graph import NeuralGraph, is_weights
from graphwsl.neural_graph.modules import module_of
from graphwsl.neural_graph.program import ExampleInputs, Program, trace_program
from graphwsl.neural_graph.rules import RULES
from graphwsl.neural_graph.rules.elementwise import pointwise
from graphwsl.neural_graph.rules.index import MOVING
from graphwsl.neural_graph.rules.registry import (
    Call,
    Result,
    is_pointwise,
    is_random,
    looked_at,
    opaque,
)
from graphwsl.neural_graph.rules.rounding import rounded
from graphwsl.neural_graph.units import NodeKind
from graphwsl.neural_graph.values import Value

MODES = ("rounding_mode",)
"""Keywords that make another function of an operator."""


def neural_graph(
    model: nn.Module, example_inputs: ExampleInputs, *, unknown: str = "opaque"
) -> NeuralGraph:
    """The graph of any network: neurons and channels are nodes, weights are edges.

    The network runs once on ``example_inputs``; then its operators are followed with index tensors
    that say, for every element of every activation, to which unit it belongs. Operators that
    rearrange elements act on the index tensors as they are; those that mix units have a rule
    (:mod:`graphwsl.neural_graph.rules`).

    Args:
        model: The network; it is left as it was.
        example_inputs: A tensor, the positional arguments, or a mapping of keyword arguments.
        unknown: What to do with an operator without a rule: ``"opaque"`` makes a node of it and
            lists the entries that it reads, ``"raise"`` refuses.

    Raises:
        InvalidArgumentError: ``model`` is no module.
        UnsupportedModelError: The network does not run on the inputs, or, with
            ``unknown="raise"``, has an operator without a rule.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> graph = neural_graph(model, torch.zeros(1, 3))
    >>> [tuple(block.entries.shape) for block in graph.blocks]
    [(1, 4, 3, 1), (1, 2, 4, 1)]
    """
    arguments.instance(
        "model",
        model,
        nn.Module,
        "a torch.nn.Module",
        "weights alone do not say what is done with them: load them into their network, and give "
        "that",
    )
    if not isinstance(unknown, str) or unknown not in ("opaque", "raise"):
        given = arguments.described(unknown)
        raise UnsupportedModelError(f'unknown must be "opaque" or "raise", got {given}')
    program = trace_program(model, example_inputs)
    strict = unknown == "raise"
    with torch.no_grad(), torch.random.fork_rng(devices=[]):  # operators that draw draw again
        channels = torch.arange(sum(tensor.numel() for tensor in program.inputs))
        builder, outputs, offsets = follow(program, channels, strict=strict)
        # Only now is it known which elements of an input are positions of one channel.
        while builder.units.input_channels:
            channels = _merged(channels, builder.units.input_channels)
            builder, outputs, offsets = follow(program, channels, strict=strict)
    complete(program, builder, offsets)
    return assemble(program, builder, outputs, offsets)


def follow(
    program: Program, channels: Int[Tensor, " elements"], *, strict: bool = False
) -> tuple[GraphBuilder, list[Value], dict[str, int]]:
    """Follow a program operator by operator.

    Args:
        program: The program.
        channels: The unit to which each element of the inputs belongs.
        strict: Refuse operators without a rule.

    Returns:
        What the rules wrote down, the values that the network returns, and where each tensor of
        the state starts in the flattened state.
    """
    builder = GraphBuilder(strict=strict)
    nodes = list(program.graph_module.graph.nodes)
    offsets, placeholders = _placeholders(program, builder, channels)
    last_use = {used: node for node in nodes for used in node.all_input_nodes}
    values: dict[fx.Node, Any] = {}
    outputs: list[Value] = []
    for number, node in enumerate(nodes):
        builder.units.call = number
        if node.op == "placeholder":
            values[node] = next(placeholders)
        elif node.op == "get_attr":
            values[node] = Value(getattr(program.graph_module, str(node.target)))
        elif node.op == "output":
            outputs = [value for value in _filled(node.args[0], values) if isinstance(value, Value)]
        else:
            values[node] = _named(_called, builder, node, values, strict)
        for used in node.all_input_nodes:
            if last_use[used] is node:
                del values[used]
    for value in outputs:
        if value.units is not None:
            builder.units.pin(value.units[value.units >= 0])
        elif value.is_weights:
            builder.keep(*(value.entries or ()))
            if not value.entries and value.changes is not None:
                builder.keep(value.changes)
    builder.settle(sum(tensor.numel() for tensor in program.state.values()))
    return builder, outputs, offsets


def _merged(
    channels: Int[Tensor, " elements"], groups: list[Int[Tensor, " members"]]
) -> Int[Tensor, " elements"]:
    """Channels, those of a group as one."""
    count = int(channels.max()) + 1
    first = torch.cat([members[:1].expand(len(members)) for members in groups]).numpy()
    second = torch.cat(groups).numpy()
    adjacency = coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    _, labels = connected_components(adjacency, directed=False)
    return torch.from_numpy(labels).long()[channels]


def _placeholders(
    program: Program, builder: GraphBuilder, channels: Int[Tensor, " elements"]
) -> tuple[dict[str, int], Any]:
    offsets: dict[str, int] = {}
    values = []
    start = 0
    for name, tensor in program.state.items():
        offsets[name] = start
        entries = torch.arange(start, start + tensor.numel()).view(tensor.shape)
        start += tensor.numel()
        values.append(Value(tensor, entries=(entries,)) if is_weights(tensor) else Value(tensor))
    if len(channels):
        builder.units.pin(builder.units.new(int(channels.max()) + 1, NodeKind.INPUT))
    builder.units.inputs = len(builder.units)
    parts = channels.split([tensor.numel() for tensor in program.inputs])
    for tensor, units in zip(program.inputs, parts, strict=True):
        builder.inputs.append(units.view(tensor.shape))
        values.append(Value(tensor, builder.inputs[-1]))
    return offsets, iter(values)


def _named(call: Callable[..., Any], builder: GraphBuilder, node: fx.Node, *others: Any) -> Any:
    """Call what may fail on an operator; then say on which, and in which module."""
    try:
        return call(builder, node, *others)
    except GraphwslError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UnsupportedModelError(
            f"the operator {node.target}{module_of(node)}, cannot be followed: "
            f"{type(error).__name__}: {reason}"
        ) from error


def _called(builder: GraphBuilder, node: fx.Node, values: dict[fx.Node, Any], strict: bool) -> Any:
    args, kwargs = _filled(node.args, values), _filled(node.kwargs, values)
    if isinstance(node.target, HigherOrderOperator):
        raise UnsupportedModelError(
            f"the operator {node.target}{module_of(node)}, holds programs of its own, which are "
            "not followed; write the branch, loop or attention without it"
        )
    if not hasattr(node.target, "_schema"):  # operator.getitem and the like
        assert callable(node.target)
        return node.target(*args, **kwargs)
    operator: Any = node.target
    tensors = list(_tensors(args))
    if operator._schema.is_mutable:
        # The operand as it was is still to be looked at by the rule.
        tensors[0] = tensors[0].clone()
    result = operator(*tensors, **_tensors(kwargs))
    completed = _complete(operator, args, kwargs)
    call = Call(operator, _name(operator, kwargs), completed, kwargs, result, _read(node))
    if any(value.is_activation for value in looked_at(call)):
        builder.looked_at.append(module_of(node).removeprefix(", in "))
    if not isinstance(result, Tensor | list | tuple):  # the network looks at a value
        builder.look_at(*call.values)
        return result
    if all(value.is_constant for value in call.values):
        return _independent(result, builder.drawn if is_random(operator) else Value)
    builder.operator = call.name
    value = rounded(builder, call, _ruled(builder, call, module_of(node), strict))
    value = builder.versions.noted(node, value, moves=call.name in MOVING)
    if operator._schema.is_mutable and isinstance(node.args[0], fx.Node):
        # Functional programs have in-place operators on fresh values only.
        values[node.args[0]] = value
        builder.versions.renew(node.args[0], node)
    return value


def _ruled(builder: GraphBuilder, call: Call, module: str, strict: bool) -> Result:
    if _reads_no_element(call):
        return opaque(builder, call)
    if call.name in RULES:
        return RULES[call.name](builder, call)
    if is_pointwise(call.operator) and not is_random(call.operator):
        return pointwise(builder, call)
    if strict:
        raise UnsupportedModelError(
            f"no rule for the operator {call.operator}{module}; register one with "
            '@graphwsl.neural_graph.rule, or trace with unknown="opaque"'
        )
    return opaque(builder, call)


def _reads_no_element(call: Call) -> bool:
    """Whether weights read no element, as those of an expert that no token is sent to."""
    is_empty = isinstance(call.result, Tensor) and not call.result.numel()
    if not is_empty or not any(value.is_activation for value in call.values):
        return False
    return is_pointwise(call.operator) or any(value.is_weights for value in call.values)


def _read(node: fx.Node) -> frozenset[int]:
    """Which of several results something reads."""
    return frozenset(
        int(user.args[1])
        for user in node.users
        if user.target is getitem and user.users and isinstance(user.args[1], int)
    )


def _name(operator: Any, kwargs: dict[str, Any]) -> str:
    name = str(operator._schema.name.split("::")[-1])
    if not name.startswith("__"):
        name = name.rstrip("_")
    modes = [kwargs[keyword] for keyword in MODES if kwargs.get(keyword) is not None]
    return ".".join([name, *modes])


def _complete(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """All arguments by position, defaults included."""
    complete = list(args)
    for argument in operator._schema.arguments[len(args) :]:
        if argument.kwarg_only:
            break
        complete.append(kwargs.get(argument.name, argument.default_value))
    return tuple(complete)


def _filled(argument: Any, values: dict[fx.Node, Any]) -> Any:
    return fx.node.map_aggregate(
        argument, lambda one: values[one] if isinstance(one, fx.Node) else one
    )


def _tensors(argument: Any) -> Any:
    return fx.node.map_aggregate(
        argument, lambda one: one.tensor if isinstance(one, Value) else one
    )


def _independent(result: Any, known: Callable[[Tensor], Value]) -> Any:
    """Results that depend neither on the inputs nor on the weights."""
    if isinstance(result, Tensor):
        return known(result)
    if isinstance(result, list | tuple):
        return tuple(_independent(one, known) for one in result)
    return result
