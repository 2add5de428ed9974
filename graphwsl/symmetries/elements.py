"""Many elements of a network's symmetry group, drawn at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.symmetries.element import GroupElement
from graphwsl.symmetries.orbits import Orbit, outermost_first
from graphwsl.symmetries.scalings import Factors


@dataclass(frozen=True)
class Elements:
    """Several elements of one group.

    Attributes:
        graph: The network's graph.
        image: Where each element sends each node, shape ``(elements, nodes)``.
        factors: What each node is multiplied with before, shape ``(elements, nodes)``.
    """

    graph: NeuralGraph
    image: Int[Tensor, "elements nodes"]
    factors: Float[Tensor, "elements nodes"]

    @staticmethod
    def of(elements: Sequence[GroupElement]) -> "Elements":
        """Elements of one graph, at least one of them."""
        return Elements(
            elements[0].graph,
            torch.stack([element.image for element in elements]),
            torch.stack([element.factors for element in elements]),
        )

    @staticmethod
    def identity(graph: NeuralGraph, count: int) -> "Elements":
        """``count`` times the element that changes nothing."""
        return Elements(
            graph,
            torch.arange(graph.num_nodes).expand(count, -1),
            torch.ones(count, graph.num_nodes, dtype=torch.float64),
        )

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, number: int) -> GroupElement:
        return GroupElement(self.graph, self.image[number], self.factors[number])

    def then(self, other: "Elements") -> "Elements":
        """Each element first, then the other one of its number."""
        return Elements(
            self.graph,
            other.image.gather(1, self.image),
            self.factors * other.factors.gather(1, self.image),
        )

    @property
    def origin(self) -> Int[Tensor, "elements nodes"]:
        """Which node each element sends to each node."""
        nodes = torch.arange(self.image.shape[1]).expand_as(self.image)
        return torch.empty_like(self.image).scatter_(1, self.image, nodes)


class Permutations:
    """Permutations of all orbits of a network.

    Orbits without a node in common move together; those that overlap (heads, and coordinates within
    a head) move one after the other.

    Args:
        orbits: The orbits.
        num_nodes: Nodes of the graph.
    """

    def __init__(self, orbits: Sequence[Orbit], num_nodes: int) -> None:
        self._num_nodes = num_nodes
        stages: list[list[Orbit]] = []
        stage_of = torch.zeros(num_nodes, dtype=torch.int64)
        for orbit in outermost_first(orbits):
            nodes = orbit.nodes.flatten()
            stage = int(stage_of[nodes].max())
            stage_of[nodes] = stage + 1
            if stage == len(stages):
                stages.append([])
            stages[stage].append(orbit)
        self._stages = [_Stage(stage) for stage in stages]

    def draw(
        self, count: int, generator: torch.Generator | None = None
    ) -> Int[Tensor, "count nodes"]:
        """Where nodes go, uniformly at random in every orbit."""
        image = torch.arange(self._num_nodes).expand(count, -1)
        for stage in self._stages:
            step = stage.permuted(image.shape, stage.random_order(count, generator))
            image = step if stage is self._stages[0] else step.gather(1, image)
        return image


class _Stage:
    """Orbits that have no node in common, permuted together: one list of parts."""

    def __init__(self, orbits: Sequence[Orbit]) -> None:
        sizes = [orbit.nodes.shape for orbit in orbits]
        self._nodes = torch.cat([orbit.nodes.flatten() for orbit in orbits])
        lengths = torch.tensor([size for parts, size in sizes for _ in range(parts)])
        self._starts = lengths.cumsum(0) - lengths
        self._part = torch.arange(len(lengths)).repeat_interleave(lengths)
        self._column = torch.arange(len(self._nodes)) - self._starts[self._part]
        parts = torch.tensor([parts for parts, _ in sizes])
        self._orbit = torch.arange(len(sizes)).repeat_interleave(parts).double()

    def random_order(
        self, count: int, generator: torch.Generator | None
    ) -> Int[Tensor, "count parts"]:
        """Which part each part is sent to: random keys are sorted, orbit by orbit."""
        keys = torch.rand(count, len(self._orbit), generator=generator, dtype=torch.float64)
        # Halves, because a key near 1 would be rounded into the next orbit.
        return keys.mul_(0.5).add_(self._orbit).argsort(dim=1)

    def permuted(
        self, shape: torch.Size, order: Int[Tensor, "count parts"]
    ) -> Int[Tensor, "count nodes"]:
        """Where nodes go if part ``i`` is sent to part ``order[i]``."""
        image = torch.arange(shape[1]).repeat(shape[0], 1)
        there = self._starts[order.index_select(1, self._part)] + self._column
        return image.index_copy_(1, self._nodes, self._nodes[there])


def random_factors(
    factors: Float[Tensor, "elements nodes"],
    allowed: Factors,
    drawn: Float[Tensor, "elements classes"],
) -> None:
    """Multiply nodes by one factor a class, in place.

    Args:
        factors: Factors of all nodes so far.
        allowed: Which classes can have a factor.
        drawn: A factor for each of those, in order.
    """
    number = allowed.allowed.cumsum(0) - 1
    nodes = torch.nonzero(allowed.allowed[allowed.classes]).flatten()
    some = drawn.index_select(1, number[allowed.classes[nodes]])
    factors.index_copy_(1, nodes, factors.index_select(1, nodes).mul_(some))
