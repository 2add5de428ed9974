"""Where every entry of a network's state is in its graph: nothing is left out silently."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Int
from torch import Tensor

if TYPE_CHECKING:
    from graphwsl.neural_graph.graph import NeuralGraph


@dataclass(frozen=True)
class TensorCoverage:
    """One parameter or buffer.

    Attributes:
        name: Its name in the state.
        shape: Its shape.
        is_parameter: Whether it is a parameter, not a buffer.
        weights: Entries on edges.
        node_parameters: Entries at nodes.
        opaque: Entries that only operators without a rule read, whose names follow.
        unread: Entries that the network does not read on the example inputs.
        operators: The operators that read it.
    """

    name: str
    shape: tuple[int, ...]
    is_parameter: bool
    weights: int
    node_parameters: int
    opaque: int
    unread: int
    operators: tuple[str, ...]

    @property
    def entries(self) -> int:
        """Number of entries."""
        return self.weights + self.node_parameters + self.opaque + self.unread


@dataclass(frozen=True)
class Coverage:
    """The rows of all parameters and buffers; every entry is counted exactly once.

    Attributes:
        tensors: The rows.
        opaque_operators: Operators of which no rule says what they do here, whether or not they
            read parameters.
    """

    tensors: tuple[TensorCoverage, ...]
    opaque_operators: tuple[str, ...] = ()

    @property
    def num_parameters(self) -> int:
        """Entries of parameters; buffers do not count."""
        return sum(row.entries for row in self._parameters)

    @property
    def mapped(self) -> int:
        """Entries of parameters on edges or at nodes."""
        return sum(row.weights + row.node_parameters for row in self._parameters)

    @property
    def share_mapped(self) -> float:
        """Share of the parameters' entries on edges or at nodes; 1 for a network without any."""
        return self.mapped / self.num_parameters if self.num_parameters else 1.0

    @property
    def _parameters(self) -> Iterator[TensorCoverage]:
        return (row for row in self.tensors if row.is_parameter)

    def __str__(self) -> str:
        lines = [f"{self.mapped} of {self.num_parameters} parameters mapped"]
        lines += [
            f"  {row.name} {row.shape}: {row.opaque} opaque ({', '.join(row.operators)}), "
            f"{row.unread} unread"
            for row in self._parameters
            if row.opaque + row.unread
        ]
        return "\n".join(lines)


def coverage(graph: "NeuralGraph") -> Coverage:
    """Count, for every tensor of the state, what its entries are in the graph."""
    size = sum(tensor.numel() for tensor in graph.state.values())
    on_edges, at_nodes, hidden = (torch.zeros(size, dtype=torch.bool) for _ in range(3))
    operators: list[tuple[str, Int[Tensor, "..."]]] = []
    for block in graph.blocks:
        operators.append((block.operator, block.entries))
        _mark(on_edges, block.entries)
    for parameter in graph.node_parameters:
        operators.append((parameter.operator, parameter.entries))
        _mark(at_nodes, parameter.entries)
    for one in graph.opaque:
        operators.append((one.operator, one.entries))
        _mark(hidden, one.entries)
    at_nodes &= ~on_edges
    hidden &= ~(on_edges | at_nodes)
    names = _readers(graph, operators)
    return Coverage(
        tuple(
            _row(graph, name, on_edges, at_nodes, hidden, tuple(sorted(names[name])))
            for name in graph.state
        ),
        tuple(sorted({one.operator for one in graph.opaque})),
    )


def _mark(mask: Bool[Tensor, " entries"], entries: Int[Tensor, "..."]) -> None:
    mask[entries[entries >= 0]] = True


def _row(
    graph: "NeuralGraph",
    name: str,
    on_edges: Bool[Tensor, " entries"],
    at_nodes: Bool[Tensor, " entries"],
    hidden: Bool[Tensor, " entries"],
    operators: tuple[str, ...],
) -> TensorCoverage:
    tensor, start = graph.state[name], graph.offsets[name]
    place = slice(start, start + tensor.numel())
    counts = [int(mask[place].sum()) for mask in (on_edges, at_nodes, hidden)]
    return TensorCoverage(
        name,
        tuple(tensor.shape),
        name in graph.parameters,
        weights=counts[0],
        node_parameters=counts[1],
        opaque=counts[2],
        unread=tensor.numel() - sum(counts),
        operators=operators,
    )


def _readers(
    graph: "NeuralGraph", operators: list[tuple[str, Int[Tensor, "..."]]]
) -> dict[str, set[str]]:
    """The operators that read each tensor; a block reads few tensors, so its ends tell them."""
    names = list(graph.offsets)
    starts = torch.tensor([graph.offsets[name] for name in names])
    readers: dict[str, set[str]] = {name: set() for name in names}
    for operator, entries in operators:
        present = entries[entries >= 0]
        if len(present):
            # The last tensor that starts at or before an entry holds it; empty ones hold none.
            held = torch.searchsorted(starts, present, right=True) - 1
            for place in held.unique().tolist():
                readers[names[place]].add(operator)
    return readers
