"""The symmetries of a network: permutations, scalings, sign flips, and units between matrices."""

from dataclasses import dataclass
from functools import cached_property
from math import lgamma

import torch
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import InvalidArgumentError
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.symmetries.element import GroupElement, require_graph
from graphwsl.symmetries.elements import Elements, Permutations, random_factors
from graphwsl.symmetries.entry_maps import EntryMaps
from graphwsl.symmetries.general_linear import GeneralLinear, general_linear_groups
from graphwsl.symmetries.orbits import Orbit, orbits_of, outermost_first
from graphwsl.symmetries.scalings import Factors, positive_factors, sign_flips
from graphwsl.symmetries.structure import structure_of


@dataclass(frozen=True)
class Symmetries:
    """What can be done to a network's weights without changing its function.

    Attributes:
        graph: The network's graph.
    """

    graph: NeuralGraph

    @cached_property
    def orbits(self) -> list[Orbit]:
        """Parts that can be permuted: neurons, channels, coordinates within a head, heads."""
        return orbits_of(structure_of(self.graph))

    @cached_property
    def positive(self) -> Factors:
        """Nodes that any positive factor is allowed for."""
        return positive_factors(self.graph)

    @cached_property
    def sign(self) -> Factors:
        """Nodes that the factor -1 is allowed for."""
        return sign_flips(self.graph)

    @cached_property
    def general_linear(self) -> list[GeneralLinear]:
        """Groups GL(r) of units between two matrices, such as those of low-rank adapters."""
        return general_linear_groups(self.graph, self.orbits, self.positive, self.sign)

    @cached_property
    def entry_maps(self) -> EntryMaps:
        """What elements do to a flattened state."""
        return EntryMaps(self.graph)

    @cached_property
    def _permutations(self) -> Permutations:
        return Permutations(self.orbits, self.graph.num_nodes)

    @property
    def log_permutations(self) -> float:
        """Natural logarithm of the number of permutations that the orbits generate, one by one."""
        return sum(lgamma(len(orbit.nodes) + 1) for orbit in self.orbits)

    def random(
        self,
        generator: torch.Generator | None = None,
        *,
        permutations: bool = True,
        scalings: bool = True,
        signs: bool = True,
        largest_factor: float = 2.0,
    ) -> GroupElement:
        """Draw an element: a random permutation in every orbit, random factors where allowed.

        Args:
            generator: Source of randomness.
            permutations: Whether to permute.
            scalings: Whether to scale by positive factors.
            signs: Whether to flip signs.
            largest_factor: Factors are drawn log-uniformly between its inverse and it.

        Raises:
            InvalidArgumentError: ``generator`` is none, or ``largest_factor`` not positive.
        """
        arguments.generator("generator", generator)
        arguments.positive("largest_factor", largest_factor)
        element = GroupElement.identity(self.graph)
        if scalings:
            powers = 2 * torch.rand(len(self.positive.allowed), generator=generator).double() - 1
            element = element.then(self._scaled(self.positive, largest_factor**powers))
        if signs:
            flips = torch.randint(0, 2, (len(self.sign.allowed),), generator=generator)
            element = element.then(self._scaled(self.sign, 1.0 - 2.0 * flips.double()))
        if permutations:
            orders = {
                id(orbit): torch.randperm(len(orbit.nodes), generator=generator)
                for orbit in self.orbits
            }
            for orbit in outermost_first(self.orbits):
                element = element.then(self.permuted(orbit, orders[id(orbit)]))
        return element

    def draw(
        self,
        count: int,
        generator: torch.Generator | None = None,
        *,
        permutations: bool = True,
        scalings: bool = True,
        signs: bool = True,
        largest_factor: float = 2.0,
    ) -> Elements:
        """Draw many elements at once, of the distribution of :meth:`random`.

        The numbers that a generator gives make other elements than they do there.

        Args:
            count: How many.
            generator: Source of randomness.
            permutations: Whether to permute.
            scalings: Whether to scale by positive factors.
            signs: Whether to flip signs.
            largest_factor: Factors are drawn log-uniformly between its inverse and it.

        Raises:
            InvalidArgumentError: The count is negative, or the largest factor no finite number of
                at least 1.
        """
        arguments.whole("count", count, 0)
        arguments.generator("generator", generator)
        arguments.positive("largest_factor", largest_factor)
        if largest_factor < 1:
            raise InvalidArgumentError(f"largest_factor must be at least 1, got {largest_factor}")
        elements = Elements.identity(self.graph, count)
        if scalings and (classes := int(self.positive.allowed.sum())):
            powers = torch.rand(count, classes, generator=generator, dtype=torch.float64)
            drawn = largest_factor ** (2 * powers - 1)
            random_factors(elements.factors, self.positive, drawn)
        if signs and (classes := int(self.sign.allowed.sum())):
            flips = torch.randint(0, 2, (count, classes), generator=generator)
            random_factors(elements.factors, self.sign, 1.0 - 2.0 * flips.double())
        if permutations:
            image = self._permutations.draw(count, generator)
            elements = Elements(self.graph, image, elements.factors)
        return elements

    def permuted(self, orbit: Orbit, order: Tensor) -> GroupElement:
        """The element that sends part ``i`` of an orbit to part ``order[i]``."""
        image = torch.arange(self.graph.num_nodes)
        image[orbit.nodes] = orbit.nodes[order]
        return GroupElement(
            self.graph, image, torch.ones(self.graph.num_nodes, dtype=torch.float64)
        )

    def _scaled(self, factors: Factors, values: Tensor) -> GroupElement:
        values = torch.where(factors.allowed, values, 1.0)
        return GroupElement(self.graph, torch.arange(self.graph.num_nodes), values[factors.classes])


def symmetries(graph: NeuralGraph) -> Symmetries:
    """The symmetries of a network; they are worked out when first asked for.

    Raises:
        InvalidArgumentError: ``graph`` is no neural graph.
    """
    require_graph(graph)
    return Symmetries(graph)
