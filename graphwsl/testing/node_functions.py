"""What nodes do with what they have received: activations, normalisation, pooling, sums."""

from typing import Any

import torch
from torch import Tensor

from graphwsl.neural_graph.roles import ParameterRole, RelationRole
from graphwsl.testing.signal import Signal
from graphwsl.testing.step import FromState, Step

ROLES = {
    "add": ParameterRole.BIAS,
    "mul": ParameterRole.SCALE,
    "_prelu_kernel": ParameterRole.OTHER,
}
"""What the parameters of an operator are to its nodes."""


def pointwise(step: Step) -> Signal:
    """A function of a node's values alone, of two nodes, or of a node and its parameter."""
    signals = [one for one in step.args if isinstance(one, Signal)]
    if any(isinstance(one, FromState) for one in step.args):
        return _with_parameter(step, signals)
    values = step.operator(*(one.values if isinstance(one, Signal) else one for one in step.args))
    if len(signals) == 1:
        # Constants that differ between nodes make nodes of their own.
        nodes = step.successors(RelationRole.CONSTANT, signals[0].nodes)
        return Signal(signals[0].values, nodes).with_values(values)
    if len(signals) == 2:
        return Signal(values, step.pairs(*signals))
    raise step.unsupported(f"it takes {len(signals)} signals")


def _with_parameter(step: Step, signals: list[Signal]) -> Signal:
    role = ROLES.get(step.name)
    if role is None or len(signals) != 1:
        raise step.unsupported("no node parameter is known for it")
    parameter = step.parameter(role, signals[0].nodes)
    return Signal(step.operator(signals[0].values, parameter), signals[0].nodes)


def batch_norm(step: Step) -> Signal:
    """(x - mean) / sqrt(variance + ε) · scale + bias, all four of the normalised node."""
    x, weight, bias, mean, variance, *rest = step.args
    if not isinstance(mean, FromState) or not isinstance(variance, FromState):
        raise step.unsupported("it has no running statistics")
    nodes = step.successors(RelationRole.IMAGE, x.nodes)
    centred = x.values - step.parameter(ParameterRole.MEAN, nodes)
    values = centred / (step.parameter(ParameterRole.VARIANCE, nodes) + rest[-1]).sqrt()
    return _affine(step, Signal(values, nodes), weight, bias)


def layer_norm(step: Step) -> Signal:
    """The last dimensions together."""
    x, shape, weight, bias, epsilon = step.args
    dims = list(range(x.values.ndim - len(shape), x.values.ndim))
    return _affine(step, _normalised(step, x, dims, epsilon), weight, bias)


def group_norm(step: Step) -> Signal:
    """Groups of channels together."""
    x, weight, bias, _, _, _, groups, epsilon = step.args
    grouped = x.moved(lambda tensor: tensor.unflatten(1, (groups, -1)))
    dims = list(range(2, grouped.values.ndim))
    result = _normalised(step, grouped, dims, epsilon)
    return _affine(step, result.moved(lambda tensor: tensor.flatten(1, 2)), weight, bias)


def _normalised(step: Step, x: Signal, dims: list[int], epsilon: float) -> Signal:
    variance, mean = torch.var_mean(x.values, dims, correction=0, keepdim=True)
    nodes = step.successors(RelationRole.FIRST, x.nodes)
    return Signal((x.values - mean) / (variance + epsilon).sqrt(), nodes)


def _affine(step: Step, x: Signal, weight: Any, bias: Any) -> Signal:
    values = x.values
    if weight is not None:
        values = values * step.parameter(ParameterRole.SCALE, x.nodes)
    if bias is not None:
        values = values + step.parameter(ParameterRole.BIAS, x.nodes)
    return Signal(values, x.nodes)


def over_positions(step: Step) -> Signal:
    """Pooling, resizing and means over the positions of a node."""
    x, *rest = step.args
    values = step.operator(x.values, *rest)
    values = values if isinstance(values, Tensor) else values[0]
    if values.ndim != x.values.ndim:
        raise step.unsupported("the dimensions it drops are not kept")
    return x.with_values(values)


def reduction(step: Step) -> Signal:
    """The mean or maximum over positions."""
    x, dims, *keep = step.args
    kept = x.with_values(step.operator(x.values, dims, True))
    if keep and keep[0]:
        return kept
    dropped = sorted((dim % x.values.ndim for dim in dims), reverse=True)
    for dim in dropped:
        kept = kept.moved(lambda tensor, dim=dim: tensor.squeeze(dim))
    return kept
