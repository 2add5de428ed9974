"""An ONNX graph as plain records: nodes, constants, and which of its tensors are weights."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, helper, numpy_helper

from graphwsl.errors import ImportedModelError, UnsupportedModelError

STANDARD_DOMAINS = ("", "ai.onnx")
MOST_NODES = 200_000
"""Nodes of a network, its functions in place."""

_KINDS = {
    AttributeProto.FLOAT,
    AttributeProto.INT,
    AttributeProto.STRING,
    AttributeProto.FLOATS,
    AttributeProto.INTS,
    AttributeProto.STRINGS,
}


@dataclass(frozen=True, eq=False)
class Node:
    """One operator of a graph.

    Attributes:
        operator: Its name, with the domain in front where it is not the standard's.
        name: The node's own name.
        inputs: Names of the values that it reads, empty for one that is left out.
        outputs: Names of the values that it computes.
        attributes: Python values, arrays, and :class:`Graph` for branches and loops.
        version: Version of the operator set.
        proto: The node as it came.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    version: int
    proto: NodeProto

    def __str__(self) -> str:
        return f"{self.operator} node {self.name or self.outputs[0]!r}"

    @property
    def branches(self) -> list["Graph"]:
        """The graphs among the attributes."""
        return [value for value in self.attributes.values() if isinstance(value, Graph)]


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph, or a branch of one.

    Attributes:
        inputs: Names of the values that are given.
        outputs: Names of the values that are returned.
        nodes: The operators in an order in which they can run.
        tensors: Values of initialisers and Constant nodes.
        constants: Which of the tensors came from Constant nodes.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    tensors: dict[str, np.ndarray]
    constants: frozenset[str]

    def nested(self) -> Iterator["Graph"]:
        """This graph and all its branches."""
        yield self
        for node in self.nodes:
            for branch in node.branches:
                yield from branch.nested()

    @cached_property
    def last_uses(self) -> tuple[tuple[str, ...], ...]:
        """For each node, the values computed by nodes that nothing reads after it."""
        last: dict[str, int] = {}
        for index, node in enumerate(self.nodes):
            last.update(dict.fromkeys(node.outputs, index))
            read = [node.inputs]
            for branch in node.branches:
                for graph in branch.nested():
                    read += [graph.outputs, *(inner.inputs for inner in graph.nodes)]
            for names in read:
                last.update({name: index for name in names if name in last})
        done: list[list[str]] = [[] for _ in self.nodes]
        for name, index in last.items():
            if name not in self.outputs:
                done[index].append(name)
        return tuple(map(tuple, done))

    def uses(self) -> Iterator[tuple[str, Node, int]]:
        """Every use of a value, also by the branches: its name, the node, and which input it is."""
        for graph in self.nested():
            for node in graph.nodes:
                for index, name in enumerate(node.inputs):
                    yield name, node, index


def parse_model(model: ModelProto) -> Graph:
    """The records of a model.

    Raises:
        ImportedModelError: A tensor is damaged.
        UnsupportedModelError: A kind of attribute or tensor that is not supported.
    """
    versions = {opset.domain: opset.version for opset in model.opset_import}
    standard = max((versions.get(domain, 1) for domain in STANDARD_DOMAINS), default=1)
    return _parse_graph(model.graph, {**versions, **dict.fromkeys(STANDARD_DOMAINS, standard)})


def _parse_graph(proto: GraphProto, versions: dict[str, int]) -> Graph:
    if proto.sparse_initializer:
        raise UnsupportedModelError(
            f"graph {proto.name!r} has sparse initialisers; export it with dense ones"
        )
    tensors = {tensor.name: _array(tensor, tensor.name) for tensor in proto.initializer}
    if len(proto.node) > MOST_NODES:
        raise ImportedModelError(f"a graph has {len(proto.node):,} nodes, more than {MOST_NODES:,}")
    inputs = tuple(one.name for one in proto.input if one.name not in tensors)
    nodes, constants = [], set()
    for node in proto.node:
        parsed = _parse_node(node, versions)
        if parsed.operator == "Constant":
            tensors[parsed.outputs[0]] = _constant(parsed)
            constants.add(parsed.outputs[0])
        else:
            nodes.append(parsed)
    outputs = tuple(one.name for one in proto.output)
    return Graph(inputs, outputs, tuple(nodes), tensors, frozenset(constants))


def _parse_node(proto: NodeProto, versions: dict[str, int]) -> Node:
    if not proto.output:
        raise ImportedModelError(f"node {proto.name!r} of type {proto.op_type!r} computes nothing")
    standard = proto.domain in STANDARD_DOMAINS
    name = proto.op_type if standard else f"{proto.domain}.{proto.op_type}"
    attributes = {one.name: _attribute(one, versions) for one in proto.attribute}
    return Node(
        name,
        proto.name,
        tuple(proto.input),
        tuple(proto.output),
        attributes,
        versions.get(proto.domain, 1),
        proto,
    )


def _attribute(proto: AttributeProto, versions: dict[str, int]) -> Any:
    if proto.type == AttributeProto.GRAPH:
        return _parse_graph(proto.g, versions)
    if proto.type == AttributeProto.TENSOR:
        return _array(proto.t, proto.name)
    if proto.type not in _KINDS:
        raise UnsupportedModelError(
            f"attribute {proto.name!r} is of kind {proto.type}, which is not supported (sparse "
            "tensors, types, and lists of tensors or graphs)"
        )
    value = helper.get_attribute_value(proto)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, int | float):
        return value
    return [one.decode(errors="replace") if isinstance(one, bytes) else one for one in value]


def _constant(node: Node) -> np.ndarray:
    for name, kind in (
        ("value", None),
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
        ("value_string", object),
        ("value_strings", object),
    ):
        if name in node.attributes:
            return np.asarray(node.attributes[name], dtype=kind)
    raise UnsupportedModelError(f"{node}: its value is of a kind that is not supported")


def _array(tensor: onnx.TensorProto, name: str) -> np.ndarray:
    try:
        return numpy_helper.to_array(tensor)
    # Its sizes may be anything, whatever its data are.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ImportedModelError(f"tensor {name!r} is damaged: {reason}") from error
