"""What a neural graph is made of: weights, parameters of nodes, relations, functions."""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.roles import FunctionKind, ParameterRole, RelationKind


@dataclass(frozen=True)
class EdgeBlock:
    """The weights of a layer: every source of a group with every target of the group.

    Attributes:
        operator: Name of the ATen operator that multiplies with the weights.
        sources: Nodes that the weights read, shape ``(groups, sources)``; -1 for constant zeros.
            A node that a weight matrix reads at several positions (a flattened feature map) is
            there several times.
        targets: Nodes that the weighted sums make, shape ``(groups, targets)``.
        tags: Which of its positions each source stands for, counted by node, shape
            ``(groups, sources)``: the pixel in a flattened feature map.
        entries: Indices of the weights in the flattened state, shape
            ``(groups, targets, sources, kernel)``; -1 where there is no weight.
        kernel: Shape of the kernel, whose positions the last dimension of ``entries`` lists.
        layer: Number of the layer that the targets form.
        is_linear: Whether a multiple of the entries makes the same multiple of the weights, which
            are else a function of them.
    """

    operator: str
    sources: Int[Tensor, "groups sources"]
    targets: Int[Tensor, "groups targets"]
    tags: Int[Tensor, "groups sources"]
    entries: Int[Tensor, "groups targets sources kernel"]
    kernel: tuple[int, ...]
    layer: int
    is_linear: bool


@dataclass(frozen=True)
class NodeParameter:
    """Parameters of nodes: biases, scales and shifts, running statistics, embeddings of positions.

    Attributes:
        operator: Name of the ATen operator that uses them.
        role: What they are to the nodes.
        call: Number of the operator's first call.
        nodes: Their nodes, shape ``(values,)``.
        tags: Which of the values of a node it is, shape ``(values,)``.
        entries: Indices into the flattened state, shape ``(values,)``.
        is_linear: Whether the parameters are multiples of the entries.
    """

    operator: str
    role: ParameterRole
    call: int
    nodes: Int[Tensor, " values"]
    tags: Int[Tensor, " values"]
    entries: Int[Tensor, " values"]
    is_linear: bool


@dataclass(frozen=True)
class NodeRelation:
    """Edges without parameters: nodes that follow from other nodes.

    Attributes:
        kind: What relates them: the operator, and what the sources are to the targets.
        call: Number of the operator's call.
        sources: Nodes that are used, shape ``(edges,)``.
        targets: Nodes that follow, shape ``(edges,)``.
    """

    kind: RelationKind
    call: int
    sources: Int[Tensor, " edges"]
    targets: Int[Tensor, " edges"]


@dataclass(frozen=True)
class NodeFunction:
    """A function that is applied to nodes without making new ones.

    Attributes:
        kind: The operator, and which operands it has apart from the unit.
        nodes: Its nodes, shape ``(nodes,)``.
    """

    kind: FunctionKind
    nodes: Int[Tensor, " nodes"]


@dataclass(frozen=True)
class OpaqueOperator:
    """An operator that no rule covers, and the entries that it reads.

    Attributes:
        operator: Its name.
        entries: Indices into the flattened state, shape ``(values,)``.
    """

    operator: str
    entries: Int[Tensor, " values"]
