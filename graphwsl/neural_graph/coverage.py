"""Where every entry of a network's state is in its graph: nothing is left out silently."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Bool
from torch import Tensor

from graphwsl.neural_graph.entries import occurring, tensors_at

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
        looked_at: Modules in which the network looked at numbers that depend on its inputs.
    """

    tensors: tuple[TensorCoverage, ...]
    opaque_operators: tuple[str, ...] = ()
    looked_at: tuple[str, ...] = ()

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
            f"  {row.name} {row.shape}: {row.opaque} opaque{_named(row.operators)}, "
            f"{row.unread} unread"
            for row in self._parameters
            if row.opaque + row.unread
        ]
        if self.looked_at:
            lines.append(
                f"  branches and loops of the example only: {', '.join(self.looked_at)} looked at "
                "numbers that depend on the inputs"
            )
        return "\n".join(lines)


def _named(operators: tuple[str, ...]) -> str:
    return f" ({', '.join(operators)})" if operators else ""


def coverage(graph: "NeuralGraph") -> Coverage:
    """Count, for every tensor of the state, what its entries are in the graph."""
    size = sum(tensor.numel() for tensor in graph.state.values())
    on_edges = occurring(size, (block.entries for block in graph.blocks))
    at_nodes = occurring(size, (parameter.entries for parameter in graph.node_parameters))
    hidden = occurring(size, (one.entries for one in graph.opaque))
    at_nodes &= ~on_edges
    hidden &= ~(on_edges | at_nodes)
    names = _readers(graph)
    return Coverage(
        tuple(
            _row(graph, name, on_edges, at_nodes, hidden, tuple(sorted(names[name])))
            for name in graph.state
        ),
        tuple(sorted({one.operator for one in graph.opaque})),
        graph.looked_at,
    )


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
    counts = [int(mask[place].count_nonzero()) for mask in (on_edges, at_nodes, hidden)]
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


def _readers(graph: "NeuralGraph") -> dict[str, set[str]]:
    """The operators that read each tensor."""
    readers: dict[str, set[str]] = {name: set() for name in graph.offsets}
    read = [(use.operator, use.entries) for use in graph.uses]
    read += [(one.operator, one.entries) for one in graph.opaque]
    for operator, entries in read:
        for name in tensors_at(graph.offsets, entries):
            readers[name].add(operator)
    return readers
