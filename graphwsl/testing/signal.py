"""What flows through a graph: values, each of which is at a position of some node."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Signal:
    """The values of all nodes at one step.

    The positions of one node, in their order, are its feature map: the pixels of a channel, or one
    number for a neuron.

    Attributes:
        values: Any shape.
        nodes: The node to which each value belongs, in the shape of ``values``; -1 for constants.
    """

    values: Float[Tensor, "..."]
    nodes: Int[Tensor, "..."]

    def moved(self, operator: Callable[[Tensor], Tensor]) -> "Signal":
        """Values in another arrangement, the nodes with them."""
        return Signal(operator(self.values), operator(self.nodes))

    def with_values(self, values: Float[Tensor, "..."]) -> "Signal":
        """Other values of the same nodes, of another shape where the nodes do not vary."""
        nodes = self.nodes
        for dim, (size, new) in enumerate(zip(nodes.shape, values.shape, strict=True)):
            if size != new:
                if size and bool((nodes != nodes.narrow(dim, 0, 1)).any()):
                    raise ValueError(f"dimension {dim} holds different nodes")
                nodes = nodes.narrow(dim, 0, min(size, 1))
        return Signal(values, nodes.expand(values.shape))

    def of_channels(self, dim: int = 1) -> Int[Tensor, " channels"]:
        """The node of every channel, of which all positions and samples must be."""
        first = self.nodes.movedim(dim, 0).flatten(1)
        if first.shape[1] and bool((first != first[:, :1]).any()):
            raise ValueError("a channel holds different nodes")
        return first[:, 0]


def indices_of(nodes: Int[Tensor, " values"]) -> dict[tuple[int, int], int]:
    """From a node and the number of its position, counted by node, to the index in the list."""
    indices: dict[tuple[int, int], int] = {}
    counts: dict[int, int] = {}
    for index, node in enumerate(nodes.tolist()):
        counts[node] = counts.get(node, -1) + 1
        indices[node, counts[node]] = index
    return indices


def sources_at(
    nodes: Int[Tensor, " values"],
    sources: Int[Tensor, " sources"],
    tags: Int[Tensor, " sources"],
) -> Int[Tensor, " sources"]:
    """At which index of a list of values each source of a block of weights is.

    Raises:
        ValueError: A source is not among them.
    """
    indices = indices_of(nodes)
    wanted = list(zip(sources.tolist(), tags.tolist(), strict=True))
    missing = [pair for pair in wanted if pair not in indices]
    if missing:
        raise ValueError(f"source {missing[0][0]} is not among the nodes that are read")
    return torch.tensor([indices[pair] for pair in wanted], dtype=torch.int64)
