"""Any network as a graph of neurons and weights, exactly, and back.

:func:`neural_graph` follows the network's program with index tensors; :class:`NeuralGraph` holds
nodes, blocks of weights and the place of every parameter entry.
"""

from graphwsl.neural_graph.coverage import Coverage, TensorCoverage
from graphwsl.neural_graph.data import collate
from graphwsl.neural_graph.graph import (
    EdgeBlock,
    NeuralGraph,
    NodeParameter,
    NodeRelation,
    OpaqueOperator,
)
from graphwsl.neural_graph.rules import Call, rule
from graphwsl.neural_graph.trace import neural_graph
from graphwsl.neural_graph.units import NodeKind
from graphwsl.neural_graph.values import Value

__all__ = [
    "Call",
    "Coverage",
    "EdgeBlock",
    "NeuralGraph",
    "NodeKind",
    "NodeParameter",
    "NodeRelation",
    "OpaqueOperator",
    "TensorCoverage",
    "Value",
    "collate",
    "neural_graph",
    "rule",
]
