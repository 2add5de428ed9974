"""The registry of ONNX operators: from a name to the function that computes it with torch."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnncore.registry import Registry
from graphwsl.errors import UnsupportedModelError
from graphwsl.imports.onnx.graph import Graph, Node

Value = Tensor | np.ndarray
"""Activations and weights are tensors; shapes, indices and numbers known beforehand are arrays."""


@dataclass(frozen=True)
class Call:
    """One execution of a node.

    Attributes:
        node: What is executed.
        execute: Runs a graph that is an attribute of the node, on its inputs.
        types: Floating-point types of the file that the module has replaced by others, as
            ``module.double()`` does.
    """

    node: Node
    execute: Callable[[Graph, list[Value]], list[Value]]
    types: Mapping[torch.dtype, torch.dtype]

    @property
    def version(self) -> int:
        """Version of the operator set that gives the operator its meaning."""
        return self.node.version

    def attribute(self, name: str, default: Any = None) -> Any:
        """The value of an attribute, or ``default`` where the node has none."""
        return self.node.attributes.get(name, default)

    def run(self, branch: str, *inputs: Value) -> list[Value]:
        """What the graph in the attribute ``branch`` returns."""
        return self.execute(self.node.attributes[branch], list(inputs))

    def refuse(self, what: str) -> UnsupportedModelError:
        """The error that this node asks for something that is not supported."""
        return UnsupportedModelError(f"{self.node}: {what} is not supported")


@dataclass(frozen=True)
class Operator:
    """How an ONNX operator is computed.

    Attributes:
        function: Called with a :class:`Call` and the inputs, None for one that is left out.
        settings: Indices of the inputs that say what to do (axes, shapes, bounds) and are no data:
            they arrive as arrays, the others as tensors.
    """

    function: Callable[..., Any]
    settings: frozenset[int]


OPERATORS: Registry[Operator] = Registry("operator", UnsupportedModelError)
"""All operators by name; those of a user's own stand in place of these."""


def operator(
    *names: str, settings: Collection[int] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function for the operators of these names, in place of what was there.

    Args:
        names: As in the standard, such as ``"Conv"``; with the domain in front for others, such as
            ``"com.microsoft.Gelu"``.
        settings: Indices of the inputs that the function takes as arrays.

    >>> @operator("com.example.Twice")
    ... def twice(call, x):
    ...     return 2 * x
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            OPERATORS[name] = Operator(function, frozenset(settings))
        return function

    return register


def lookup(node: Node) -> Operator:
    """The operator of a node.

    Raises:
        UnsupportedModelError: Nothing is registered under its name.
    """
    if node.operator not in OPERATORS:
        raise UnsupportedModelError(
            f"{node}: the operator is unknown; register a function for it with "
            "@graphwsl.imports.onnx.operator"
        )
    return OPERATORS[node.operator]
