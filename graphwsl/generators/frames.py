"""The frame in which a method reads networks: as they are, or aligned, once a training."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.alignment.population_alignment import align_population
from graphwsl.alignment.reference_alignment import align_to
from graphwsl.generators.aligned_zoo import AlignedZoo
from graphwsl.populations.population import Population

Alignment = Literal["none", "reference", "barycentre"]
"""``reference``: to the training network closest to the mean of all (re-basin). ``barycentre``:
further, each to the mean of the others, until nothing improves. Symmetries are those that the
neural graph has: permutations, of tanh and its relatives sign flips, of ReLU scalings."""


@dataclass(frozen=True, eq=False)
class Frame:
    """How networks are brought into line.

    Attributes:
        zoo: The training networks, aligned to one of them; None leaves networks as they are.
        target: What others are aligned to, shape ``(entries,)``.
    """

    zoo: AlignedZoo | None = None
    target: Float[Tensor, " entries"] | None = None

    @classmethod
    def of(cls, train: Population, alignment: Alignment) -> tuple["Frame", Population]:
        """A frame, and the training networks in it.

        Args:
            train: Networks of one function.
            alignment: One of :data:`Alignment`.

        Raises:
            GeneratorError: They do several things.
        """
        if alignment == "none":
            return cls(), train
        zoo = AlignedZoo.of(train)
        rows, target = zoo.rows, zoo.reference
        if alignment == "barycentre":
            generator = torch.Generator().manual_seed(0)
            rows = align_population(zoo.symmetries, rows, generator=generator).rows
            target = rows.mean(dim=0)
        return cls(zoo, target), replace(train, states=[*rows])

    def aligned(self, population: Population) -> Population:
        """Other networks in the frame.

        Args:
            population: Networks of the architecture.
        """
        if self.zoo is None or self.target is None:
            return population
        rows = align_to(self.zoo.symmetries, torch.stack(population.states), self.target)
        return replace(population, states=[*rows])
