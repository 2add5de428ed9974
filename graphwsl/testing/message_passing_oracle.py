"""A slow truth for neural graphs: the network's output by passing messages over its graph.

Nothing is read from the module: weights, sources and targets are those of the graph's blocks;
biases, scales and running statistics those of its nodes; which nodes add up is said by its
relations. The traced program gives the order of the steps and their geometry (strides, padding,
which function), no numbers.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx

from graphwsl import arguments
from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.neural_graph.roles import ParameterRole
from graphwsl.symmetries.element import require_graph
from graphwsl.testing import messages, node_functions
from graphwsl.testing.signal import Signal
from graphwsl.testing.step import FromState, Step

MOVERS = frozenset(
    [
        "alias",
        "channel_shuffle",
        "clone",
        "detach",
        "expand",
        "flip",
        "permute",
        "pixel_shuffle",
        "roll",
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "t",
        "transpose",
        "unbind",
        "unsqueeze",
    ]
)
"""Operators that move values, the nodes with them."""

VIEWS = frozenset(["_unsafe_view", "view"])
"""Movers that need a contiguous tensor."""

POSITIONS = frozenset(
    [
        "_adaptive_avg_pool2d",
        "_adaptive_avg_pool3d",
        "adaptive_avg_pool1d",
        "adaptive_max_pool2d",
        "avg_pool1d",
        "avg_pool2d",
        "avg_pool3d",
        "max_pool2d_with_indices",
        "max_pool3d_with_indices",
        "upsample_bilinear2d",
        "upsample_nearest1d",
        "upsample_nearest2d",
    ]
)

FUNCTIONS: dict[str, Callable[[Step], Signal]] = {
    "_native_batch_norm_legit_no_training": node_functions.batch_norm,
    "_prelu_kernel": node_functions.pointwise,
    "amax": node_functions.reduction,
    "hardswish": node_functions.pointwise,
    "mean": node_functions.reduction,
    "native_batch_norm": node_functions.batch_norm,
    "native_group_norm": node_functions.group_norm,
    "native_layer_norm": node_functions.layer_norm,
    **dict.fromkeys(POSITIONS, node_functions.over_positions),
}


def message_passing(
    graph: NeuralGraph, *inputs: Float[Tensor, "..."]
) -> list[Float[Tensor, "..."]]:
    """The outputs of a feed-forward network, computed on its graph in double precision.

    Linear layers, convolutions (of any dimension, grouped, dilated, transposed), batch, layer and
    group normalisation, pooling, activations, sums, products, concatenations and rearrangements.

    Args:
        graph: The network's graph.
        inputs: Inputs of the shapes of the example, floating-point.

    Returns:
        All tensors that the network returns.

    Raises:
        UnsupportedModelError: The network does something else, whose operator is named.
    """
    require_graph(graph)
    arguments.listed("inputs", inputs, Tensor, "a tensor", "give inputs of the example's shapes")
    flat = graph.flat()
    program = graph.program.graph_module.graph
    given = iter([*(FromState() for _ in graph.program.state), *_signals(graph, inputs)])
    values: dict[fx.Node, Any] = {}
    for call, node in enumerate(program.nodes):
        args = fx.node.map_aggregate(node.args, lambda arg: values.get(arg, arg))  # type: ignore[arg-type]
        assert isinstance(args, tuple)
        if node.op == "placeholder":
            values[node] = next(given)
        elif node.op == "output":
            return [_output(value) for value in args[0]]
        elif node.target is operator.getitem:
            values[node] = args[0][args[1]]
        elif node.op == "get_attr":
            values[node] = getattr(graph.program.graph_module, str(node.target))
        else:
            name = node.target._schema.name.split("::")[-1].rstrip("_")
            step = Step(graph, flat, call, name, _with(node.target, node.kwargs), args)
            values[node] = _stepped(step, node)
    raise AssertionError("a program ends with its output")


def _signals(graph: NeuralGraph, inputs: tuple[Tensor, ...]) -> list[Signal]:
    shapes = [tuple(nodes.shape) for nodes in graph.inputs]
    if [tuple(tensor.shape) for tensor in inputs] != shapes:
        raise UnsupportedModelError(
            f"inputs of shapes {[tuple(tensor.shape) for tensor in inputs]} were given; the graph "
            f"was traced with {shapes}"
        )
    return [
        Signal(tensor.double(), nodes) for tensor, nodes in zip(inputs, graph.inputs, strict=True)
    ]


def _output(value: Any) -> Float[Tensor, "..."]:
    if not isinstance(value, Signal):
        raise UnsupportedModelError("message passing cannot return what no signal reaches")
    return value.values


def _with(target: Any, kwargs: dict[str, Any]) -> Callable[..., Any]:
    return lambda *args: target(*args, **kwargs)


def _stepped(step: Step, node: fx.Node) -> Any:
    leaves = _leaves(step.args)
    signals = [one for one in leaves if isinstance(one, Signal)]
    try:
        if not signals:
            is_constant = not any(isinstance(one, FromState) for one in leaves)
            return step.operator(*step.args) if is_constant else _parameters(step)
        if step.name in MOVERS | VIEWS:
            return _moved(step, signals[0])
        if step.name in FUNCTIONS:
            result = FUNCTIONS[step.name](step)
            # Of several results, the others are statistics or indices.
            return result if len(node.target._schema.returns) == 1 else (result, None, None)  # type: ignore[union-attr]
        if step.name in ("cat", "stack"):
            return _joined(step, signals)
        if step.name == "constant_pad_nd":
            x, widths, *fill = step.args
            return Signal(
                torch.constant_pad_nd(x.values, widths, *fill),
                torch.constant_pad_nd(x.nodes, widths, -1),
            )
        weighted = _weighted(step)
        if weighted is not None:
            return weighted
        if torch.Tag.pointwise in getattr(node.target, "tags", ()):
            return node_functions.pointwise(step)
    except ValueError as error:
        if isinstance(error, UnsupportedModelError):
            raise
        raise step.unsupported(str(error)) from error
    raise step.unsupported("nothing is known of this operator")


def _weighted(step: Step) -> Signal | None:
    """A layer of weights and its bias."""
    if step.name == "convolution":
        x, weight, bias = step.args[:3]
        layer = messages.convolution
    elif step.name == "addmm":
        bias, x, weight = step.args
        layer = messages.linear
    elif step.name == "mm":
        x, weight = step.args
        bias, layer = None, messages.linear
    else:
        return None
    if not isinstance(x, Signal) or not isinstance(weight, FromState):
        raise step.unsupported("it multiplies two signals")
    result = layer(step, x)
    if bias is None:
        return result
    if not isinstance(bias, FromState):
        raise step.unsupported("its bias is a signal")
    return Signal(result.values + step.parameter(ParameterRole.BIAS, result.nodes), result.nodes)


def _parameters(step: Step) -> FromState:
    """Parameters in another arrangement are the same parameters; computed ones are not."""
    if step.name not in MOVERS | VIEWS:
        raise step.unsupported("it computes weights from weights")
    return FromState()


def _moved(step: Step, signal: Signal) -> Any:
    values, nodes = signal.values, signal.nodes
    if step.name in VIEWS:
        values, nodes = values.contiguous(), nodes.contiguous()
    values, nodes = (step.operator(one, *step.args[1:]) for one in (values, nodes))
    if isinstance(values, Tensor):
        return Signal(values, nodes)
    return [Signal(*pair) for pair in zip(values, nodes, strict=True)]


def _joined(step: Step, signals: list[Signal]) -> Signal:
    parts, *rest = step.args
    if len(signals) != len(parts):
        raise step.unsupported("it joins a signal and something else")
    return Signal(
        step.operator([one.values for one in signals], *rest),
        step.operator([one.nodes for one in signals], *rest),
    )


def _leaves(argument: Any) -> list[Any]:
    if isinstance(argument, list | tuple):
        return [leaf for one in argument for leaf in _leaves(one)]
    return [argument]
