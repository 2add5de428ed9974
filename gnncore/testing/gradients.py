"""Derivatives against finite differences, and parameters that nothing depends on."""

import copy
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.func import functional_call
from torch_geometric.data import Data

from gnncore.testing.running import GraphFunction, Output, apply, evaluation


def assert_gradients(
    function: GraphFunction, graph: Data, *, unused_parameters: Collection[str] = ()
) -> None:
    """Derivatives by ``x``, ``edge_attr`` and all parameters agree with finite differences.

    The function is run in evaluation and double precision, whatever its own type; a copy of a
    module takes its place. Random projections of the Jacobian are compared (the fast mode of
    :func:`torch.autograd.gradcheck`), so the cost hardly grows with the number of parameters.

    Args:
        function: Layer, model or function.
        graph: A small graph: Data with ``x``, ``edge_index``, and where it applies ``edge_attr``
            and ``batch``.
        unused_parameters: Names of parameters that are known to have no influence.

    Raises:
        AssertionError: A derivative is wrong, or a parameter has none: nothing depends on it.
    """
    __tracebackhide__ = True
    module = copy.deepcopy(function).double() if isinstance(function, nn.Module) else None
    parameters: dict[str, Tensor] = {} if module is None else dict(module.named_parameters())
    names = [name for name, parameter in parameters.items() if parameter.requires_grad]
    double = graph.clone()

    def outputs(x: Tensor, edge_attr: Tensor | None, *values: Tensor) -> tuple[Tensor, ...]:
        double.x, double.edge_attr = x, edge_attr
        if module is None:
            return _tensors(apply(function, double))
        chosen = dict(zip(names, values, strict=True))

        def called(*arguments: Tensor | None) -> Tensor | tuple[Tensor, Tensor | None]:
            result: Tensor | tuple[Tensor, Tensor | None]
            result = functional_call(module, chosen, arguments)
            return result

        return _tensors(apply(called, double))

    x = _leaf(graph.x)
    edge_attr = None if graph.edge_attr is None else _leaf(graph.edge_attr)
    values = [parameters[name] for name in names]
    inputs: tuple[Any, ...] = (x, edge_attr, *values)
    with evaluation(module):
        used = {name: parameters[name] for name in names if name not in unused_parameters}
        _assert_all_reached(outputs(*inputs), used)
        try:
            gradcheck(outputs, inputs, fast_mode=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise AssertionError(f"derivatives are wrong: {reason}") from error


def _assert_all_reached(outputs: tuple[Tensor, ...], parameters: dict[str, Tensor]) -> None:
    __tracebackhide__ = True
    if not parameters:
        return
    total = torch.stack([output.sum() for output in outputs]).sum()
    if not total.requires_grad:
        raise AssertionError("the output does not depend on any parameter")
    gradients = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    unused = [name for name, value in zip(parameters, gradients, strict=True) if value is None]
    if unused:
        raise AssertionError(f"the output does not depend on parameters {', '.join(unused)}")


def _leaf(values: Tensor) -> Tensor:
    return values.detach().double().requires_grad_()


def _tensors(output: Output) -> tuple[Tensor, ...]:
    return (output.nodes,) if output.edges is None else (output.nodes, output.edges)
