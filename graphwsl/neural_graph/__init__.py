"""Any network as a graph of neurons and weights, exactly, and back.

:func:`neural_graph` follows the network's program with index tensors; :class:`NeuralGraph` holds
nodes, blocks of weights and where every parameter entry belongs.
"""

from gnncore.lazy import callable_package
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

callable_package(__name__, neural_graph)
