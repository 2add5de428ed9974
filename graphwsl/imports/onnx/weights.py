"""Which tensors of an ONNX graph are weights, and how they are named in a ``state_dict``."""

import re
from collections.abc import Collection, Iterable

import numpy as np
from torch import nn

from graphwsl.imports.onnx.graph import Graph, Node
from graphwsl.imports.onnx.registry import lookup

STATISTICS = {("BatchNormalization", 3), ("BatchNormalization", 4)}
"""Inputs that are running statistics: buffers, as in torch."""

DEEPEST = 32
"""Submodules within each other; what is named deeper than this has its name in one piece."""

FEW = 8


def weight_names(graph: Graph, scalars: bool = False) -> list[str]:
    """Names of the tensors of a graph (not of its branches) that are weights.

    A tensor is weights if it holds floating-point numbers along at least one dimension, and some
    operator takes it as data and not as a setting (bounds of a clip, scales of a resize). Numbers
    without a dimension belong to the formula: exporters write 0.5 or 1e-5 in this way. Tables of
    8-bit integers are quantised weights.

    Args:
        graph: The graph.
        scalars: Also take initialisers without a dimension, such as a learnt temperature.
    """
    used = {name for name, node, index in graph.uses() if index not in lookup(node).settings}
    used |= {name for one in graph.nested() for name in one.outputs}
    return [
        name
        for name, tensor in graph.tensors.items()
        if name in used
        and (is_float(tensor) or tensor.dtype in (np.int8, np.uint8))
        and (tensor.ndim > 0 or (scalars and name not in graph.constants))
        and tensor.size > 0
    ]


def statistics_names(graph: Graph) -> set[str]:
    """Names of the tensors that are used as running statistics only."""
    uses: dict[str, list[tuple[Node, int]]] = {}
    for name, node, index in graph.uses():
        uses.setdefault(name, []).append((node, index))
    return {
        name
        for name, users in uses.items()
        if all((node.operator, index) in STATISTICS for node, index in users)
    }


def is_float(tensor: np.ndarray) -> bool:
    """Whether an array holds floating-point numbers, those that NumPy has no kind for included."""
    return tensor.dtype.kind == "f" or tensor.dtype.name == "bfloat16"


def state_names(names: Iterable[str], reserved: Collection[str] = ()) -> list[str]:
    """Names that a ``state_dict`` can have, all different, one for each ONNX name.

    A dot stays what it is in torch, the way into a submodule, so that a network exported from
    torch keeps the names of its parameters. Other characters than letters, digits and underscores
    become underscores.

    Args:
        names: The ONNX names.
        reserved: Names that mean something else in the module.

    >>> state_names(["conv.0.weight", "onnx::MatMul_12", "a/b", "a_b", "conv", "a_b.c"])
    ['conv.0.weight', 'onnx_MatMul_12', 'a_b', 'a_b_', 'conv_', 'a_b_c']
    """
    taken: set[str] = set()
    prefixes: set[str] = set()
    counts: dict[str, int] = {}
    result = []
    for name in names:
        parts = [re.sub(r"\W+", "_", part) for part in name.split(".") if part] or ["weight"]
        parts = [f"{part}_" if hasattr(_MODULE, part) else part for part in parts]
        if parts[0] in reserved:
            parts[0] += "_"
        deep = len(parts) > DEEPEST
        if deep or not taken.isdisjoint(_prefixes(parts)):  # another tensor stands in the way
            parts = ["_".join(parts)]
        parts[-1] = _free_name(".".join(parts), parts[-1], taken, prefixes, counts)
        taken.add(".".join(parts))
        prefixes.update(_prefixes(parts))
        result.append(".".join(parts))
    return result


def _free_name(
    full: str, last: str, taken: set[str], prefixes: set[str], counts: dict[str, int]
) -> str:
    """The last part of a name that is not taken: with a few underscores, or else a number."""
    ending = ""
    while full + ending in taken or full + ending in prefixes:
        if len(ending) < FEW and not counts.get(full):
            ending += "_"
        else:
            counts[full] = counts.get(full, FEW) + 1
            ending = f"_{counts[full]}"
    return last + ending


_MODULE = nn.Module()


def _prefixes(parts: list[str]) -> list[str]:
    """The submodules on the way to a tensor."""
    return [".".join(parts[:end]) for end in range(1, len(parts))]
