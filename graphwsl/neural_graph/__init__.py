"""Any network as a graph of neurons and weights, exactly, and back.

:func:`neural_graph` follows the network's program with index tensors; :class:`NeuralGraph` holds
nodes, blocks of weights and the place of every parameter entry.
"""

import sys
from types import ModuleType

from torch import nn

from graphwsl.neural_graph.coverage import Coverage, TensorCoverage
from graphwsl.neural_graph.data import collate
from graphwsl.neural_graph.elements import (
    EdgeBlock,
    NodeFunction,
    NodeParameter,
    NodeRelation,
    OpaqueOperator,
)
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.neural_graph.program import ExampleInputs
from graphwsl.neural_graph.roles import (
    FunctionForm,
    FunctionKind,
    ParameterRole,
    RelationKind,
    RelationRole,
)
from graphwsl.neural_graph.rules import Call, rule
from graphwsl.neural_graph.trace import neural_graph
from graphwsl.neural_graph.units import NodeKind
from graphwsl.neural_graph.values import Value

__all__ = [
    "Call",
    "Coverage",
    "EdgeBlock",
    "FunctionForm",
    "FunctionKind",
    "NeuralGraph",
    "NodeFunction",
    "NodeKind",
    "NodeParameter",
    "NodeRelation",
    "OpaqueOperator",
    "ParameterRole",
    "RelationKind",
    "RelationRole",
    "TensorCoverage",
    "Value",
    "collate",
    "neural_graph",
    "rule",
]


class _Callable(ModuleType):
    """The package answers to ``graphwsl.neural_graph(…)`` like the function of its name."""

    def __call__(
        self, model: nn.Module, example_inputs: ExampleInputs, *, unknown: str = "opaque"
    ) -> NeuralGraph:
        return neural_graph(model, example_inputs, unknown=unknown)

    __call__.__doc__ = neural_graph.__doc__


sys.modules[__name__].__class__ = _Callable
