"""Where every entry of a network's state is in its graph: nothing is left out silently."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from torch import Tensor

from graphwsl.neural_graph.elements import EdgeBlock, NodeParameter, OpaqueOperator
from graphwsl.neural_graph.entries import occurring, tensors_at


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


def coverage(
    state: Mapping[str, Tensor],
    parameters: AbstractSet[str],
    offsets: Mapping[str, int],
    uses: Sequence[EdgeBlock | NodeParameter],
    opaque: Sequence[OpaqueOperator],
    looked_at: tuple[str, ...] = (),
) -> Coverage:
    """Count, for every tensor of a state, what its entries are in the graph.

    Args:
        state: Parameters and buffers by name.
        parameters: Which names are parameters.
        offsets: Where each tensor starts in the flattened state.
        uses: What holds entries of the state in the graph.
        opaque: Operators that no rule covers.
        looked_at: Modules in which the network looked at numbers that depend on its inputs.
    """
    size = sum(tensor.numel() for tensor in state.values())
    on_edges = occurring(size, (use.entries for use in uses if isinstance(use, EdgeBlock)))
    at_nodes = occurring(size, (use.entries for use in uses if isinstance(use, NodeParameter)))
    hidden = occurring(size, (one.entries for one in opaque))
    at_nodes &= ~on_edges
    hidden &= ~(on_edges | at_nodes)
    readers = _readers(offsets, [*uses, *opaque])
    rows = []
    for name, tensor in state.items():
        inside = slice(offsets[name], offsets[name] + tensor.numel())
        counts = [int(mask[inside].count_nonzero()) for mask in (on_edges, at_nodes, hidden)]
        rows.append(
            TensorCoverage(
                name,
                tuple(tensor.shape),
                name in parameters,
                weights=counts[0],
                node_parameters=counts[1],
                opaque=counts[2],
                unread=tensor.numel() - sum(counts),
                operators=tuple(sorted(readers[name])),
            )
        )
    return Coverage(tuple(rows), tuple(sorted({one.operator for one in opaque})), looked_at)


def _readers(
    offsets: Mapping[str, int], uses: Sequence[EdgeBlock | NodeParameter | OpaqueOperator]
) -> dict[str, set[str]]:
    """The operators that read each tensor."""
    readers: dict[str, set[str]] = {name: set() for name in offsets}
    for use in uses:
        for name in tensors_at(offsets, use.entries):
            readers[name].add(use.operator)
    return readers
