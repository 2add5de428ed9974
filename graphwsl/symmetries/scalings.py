"""Scalings and sign flips: what a neuron is multiplied with, its readers divide out again."""

from collections import defaultdict
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from graphwsl.neural_graph.entries import listed, repeated
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.neural_graph.roles import (
    ARGUMENTS,
    FunctionForm,
    FunctionKind,
    OwnOperator,
    ParameterRole,
    RelationKind,
    RelationRole,
)

LINEAR = frozenset(
    {
        FunctionKind(OwnOperator.MOVE),
        FunctionKind("add", FunctionForm.WITH_WEIGHTS),
        FunctionKind("sub", FunctionForm.WITH_WEIGHTS),
        FunctionKind("sub", FunctionForm.OF_WEIGHTS),
        FunctionKind("mul", FunctionForm.WITH_WEIGHTS),
        FunctionKind("mul", FunctionForm.WITH_CONSTANT),
        FunctionKind("div", FunctionForm.WITH_WEIGHTS),
        FunctionKind("div", FunctionForm.WITH_CONSTANT),
        *map(
            FunctionKind,
            (
                "_adaptive_avg_pool2d",
                "_adaptive_avg_pool3d",
                "avg_pool1d",
                "avg_pool2d",
                "avg_pool3d",
                "cumsum",
                "gather",
                "index",
                "index_add",
                "index_copy",
                "index_put",
                "index_select",
                "mean",
                "neg",
                "scatter",
                "scatter_add",
                "sum",
                "_unsafe_index",
                "upsample_bilinear2d",
                "upsample_linear1d",
                "upsample_nearest1d",
                "upsample_nearest2d",
                "_upsample_nearest_exact2d",
            ),
        ),
    }
)
"""Functions f with f(a x) = a f(x), biases scaled along."""

SLOPE = "_prelu_kernel"
"""Positively homogeneous whatever its parameter is, which stays as it is."""

POSITIVELY_HOMOGENEOUS = LINEAR.union(
    map(
        FunctionKind,
        (
            SLOPE,
            "abs",
            "adaptive_max_pool2d",
            "amax",
            "amin",
            "leaky_relu",
            "max_pool2d_with_indices",
            "max_pool3d_with_indices",
            "relu",
        ),
    )
)
"""Functions f with f(a x) = a f(x) for a > 0."""

ODD = LINEAR.union(
    map(
        FunctionKind,
        (
            "asinh",
            "atan",
            "erf",
            "sin",
            "sinh",
            "tan",
            "tanh",
        ),
    )
)
"""Functions f with f(-x) = -f(x)."""

EQUAL = frozenset(
    {
        *(RelationKind(name, role) for name in ("add", "sub", "rsub") for role in ARGUMENTS),
        RelationKind("mul", RelationRole.CONSTANT),
        RelationKind("div", RelationRole.CONSTANT),
        RelationKind("mean", RelationRole.MEMBER),
        RelationKind("sum", RelationRole.MEMBER),
        RelationKind(OwnOperator.MATRIX_PRODUCT, RelationRole.MEMBER),
    }
)
"""Relations whose result is multiplied with what each of their arguments is, besides the steps of
a composite."""

PRODUCTS = frozenset(
    RelationKind(name, role) for name in ("mul", OwnOperator.MATRIX_PRODUCT) for role in ARGUMENTS
)

STRUCTURAL = frozenset({RelationRole.GROUP, RelationRole.PART})
"""Relations that say which nodes belong together and hold no value."""

REMADE = frozenset({RelationRole.IMAGE, RelationRole.MEMBER, RelationRole.FIRST})
"""Relations of a normaliser whose result is made anew by a scale and a shift of its own."""

NORMALISERS = frozenset(
    {
        "native_batch_norm",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "native_layer_norm",
        "native_group_norm",
        "rms_norm",
    }
)
"""Operators that hold that scale and shift."""


@dataclass(frozen=True)
class Factors:
    """Which nodes can be multiplied with factors of a kind.

    Attributes:
        classes: For every node, the number of the class that shares its factor, shape
            ``(nodes,)``.
        allowed: Which classes can have a factor other than 1, shape ``(classes,)``.
    """

    classes: Int[Tensor, " nodes"]
    allowed: Bool[Tensor, " classes"]

    def __repr__(self) -> str:
        return f"Factors({int(self.allowed.sum())} of {len(self.allowed)} classes are free)"


def positive_factors(graph: NeuralGraph) -> Factors:
    """Which nodes any positive factor is allowed for (ReLU and its relatives)."""
    return _factors(graph, POSITIVELY_HOMOGENEOUS)


def sign_flips(graph: NeuralGraph) -> Factors:
    """Which nodes the factor -1 is allowed for (tanh and its relatives)."""
    return _factors(graph, ODD)


def _factors(graph: NeuralGraph, functions: frozenset[FunctionKind]) -> Factors:
    fixed = _fixed(graph, functions)
    parent = list(range(graph.num_nodes))
    pairs = _products(graph, fixed)
    for relation in graph.relations:
        if _is_equal(relation.kind):
            pairs += zip(relation.sources.tolist(), relation.targets.tolist(), strict=True)
    for source, target in pairs:
        parent[_root(parent, source)] = _root(parent, target)
    roots = torch.tensor([_root(parent, node) for node in range(graph.num_nodes)])
    distinct, classes = roots.unique(return_inverse=True)
    allowed = torch.ones(len(distinct), dtype=torch.bool)
    allowed[classes[fixed]] = False
    return Factors(classes, allowed)


def _fixed(graph: NeuralGraph, functions: frozenset[FunctionKind]) -> Bool[Tensor, " nodes"]:
    """Nodes whose value must stay as it is, products left aside."""
    fixed = _used_twice(graph)
    rescaled = _rescaled(graph)
    fixed[graph.pinned] = True
    for function in graph.functions:
        if function.kind not in functions:
            fixed[function.nodes] = True
    for relation in graph.relations:
        kind = relation.kind
        if _is_structural(kind) or _is_equal(kind) or kind in PRODUCTS:
            continue
        if kind != RelationKind(SLOPE, RelationRole.SHARED):  # one slope for several nodes
            fixed[relation.sources] = True
        remade = rescaled[relation.call] if _is_remade(kind) else set()
        fixed[[node for node in relation.targets.tolist() if node not in remade]] = True
    for parameter in graph.node_parameters:
        is_other = parameter.role is ParameterRole.OTHER and parameter.operator != SLOPE
        if is_other or not parameter.is_linear:
            fixed[parameter.nodes] = True
    return fixed


def _is_equal(kind: RelationKind) -> bool:
    return kind in EQUAL or kind.role is RelationRole.STEP


def _is_structural(kind: RelationKind) -> bool:
    return kind.role in STRUCTURAL and not kind.number


def _is_remade(kind: RelationKind) -> bool:
    return kind.role in REMADE and kind.operator in NORMALISERS and not kind.number


def _rescaled(graph: NeuralGraph) -> dict[int, set[int]]:
    """For every call of a normalisation, the nodes that have a parameter as their scale."""
    rescaled: dict[int, set[int]] = defaultdict(set)
    for parameter in graph.node_parameters:
        if parameter.role is ParameterRole.SCALE and parameter.operator in NORMALISERS:
            rescaled[parameter.call].update(parameter.nodes.tolist())
    return rescaled


def _used_twice(graph: NeuralGraph) -> Bool[Tensor, " nodes"]:
    """Nodes at entries that are used more than once: one factor would have to serve all uses.

    Weights that are made of several parameters (a direction and a length) count as well.
    """
    size = sum(tensor.numel() for tensor in graph.state.values())
    # The last element stands for indices of nothing.
    is_repeated = torch.zeros(size + 1, dtype=torch.bool)
    is_repeated[:-1] = repeated(size, (use.entries for use in graph.uses))
    for rows in graph.bundles:  # a statistic would have to follow
        is_repeated[rows[rows >= 0]] = True
    blocks_of = torch.zeros(graph.num_nodes, dtype=torch.int64)
    for block in graph.blocks:
        blocks_of[block.targets.unique()] += 1
    fixed = blocks_of > 1
    for block in graph.blocks:
        is_shared = bool(is_repeated[listed(block.entries)].any())
        if is_shared or not block.is_linear or bool(fixed[block.targets].any()):
            fixed[block.targets] = True
            fixed[block.sources[block.sources >= 0]] = True
    for parameter in graph.node_parameters:
        if bool(is_repeated[parameter.entries].any()):
            fixed[parameter.nodes] = True
    return fixed


def _products(graph: NeuralGraph, fixed: Bool[Tensor, " nodes"]) -> list[tuple[int, int]]:
    """A product scales with one argument if the other is fixed; else all three become fixed."""
    arguments: dict[tuple[int, int], list[int]] = defaultdict(list)
    for relation in graph.relations:
        if relation.kind in PRODUCTS:
            for source, target in zip(
                relation.sources.tolist(), relation.targets.tolist(), strict=True
            ):
                arguments[relation.call, target].append(source)
    equal = []
    for (_, target), sources in arguments.items():
        free = [source for source in sources if not bool(fixed[source])]
        if len(sources) == 2 and len(free) == 1:
            equal.append((free[0], target))
        else:
            fixed[[*sources, target]] = True
    return equal


def _root(parent: list[int], node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
