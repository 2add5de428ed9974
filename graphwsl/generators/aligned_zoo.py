"""Training networks in one frame: all aligned to one of them, as others can be after them."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphwsl.alignment.reference_alignment import align_to
from graphwsl.alignment.weight_matching import parameter_mask
from graphwsl.errors import GeneratorError
from graphwsl.generators.checks import require_finite
from graphwsl.populations.layer_statistics import layer_entries
from graphwsl.populations.population import Function, Population
from graphwsl.symmetries.group import Symmetries, symmetries

Rows = Float[Tensor, "networks entries"]


@dataclass(frozen=True, eq=False)
class AlignedZoo:
    """Networks of one function, aligned; make one with :meth:`of`.

    Attributes:
        function: What they do.
        rows: Their flattened states, aligned, shape ``(networks, entries)``.
        reference: The network that they are aligned to, shape ``(entries,)``.
        symmetries: Symmetries of the architecture.
    """

    function: Function
    rows: Rows
    reference: Float[Tensor, " entries"]
    symmetries: Symmetries

    @classmethod
    def of(cls, train: Population) -> "AlignedZoo":
        """Networks aligned to the one of them that is closest to their mean.

        The order of the networks does not matter, except among equals.

        Raises:
            GeneratorError: Fewer than two networks, several functions, or weights that are not
                finite or too large for distances.
        """
        if len(train) < 2:
            raise GeneratorError(f"a zoo needs at least two training networks, got {len(train)}")
        function = require_one_function(train, "train")
        rows = torch.stack(train.states)
        require_finite(train)
        group = symmetries(function.architecture.graph)
        weights = rows[:, parameter_mask(group.graph)]
        reference = rows[(weights - weights.mean(dim=0)).norm(dim=1).argmin()]
        return cls(function, align_to(group, rows, reference), reference, group)

    def align(self, rows: Rows) -> Rows:
        """Align other networks to the reference of these."""
        return align_to(self.symmetries, rows, self.reference)

    @cached_property
    def is_parameter(self) -> Bool[Tensor, " entries"]:
        """Which entries are parameters; the rest are running statistics and counts."""
        return parameter_mask(self.symmetries.graph)

    @cached_property
    def layer(self) -> Int[Tensor, " entries"]:
        """The layer of each parameter, -1 for those of no layer."""
        layer = torch.full((self.function.architecture.num_entries,), -1)
        for number, sets in enumerate(layer_entries(self.function.architecture)):
            for entries in sets:
                layer[torch.from_numpy(entries)] = number
        return layer

    @cached_property
    def deviation(self) -> Float[Tensor, " entries"]:
        """The standard deviation of the layer that an entry is in; 0 of what is no parameter."""
        deviation = torch.zeros(len(self.layer))
        for number in self.layer.unique().tolist():
            own = (self.layer == number) & self.is_parameter
            if bool(own.any()):
                deviation[own] = self.rows[:, own].std(correction=0)
        return deviation

    def made_of(self, parameters: Float[Tensor, "networks parameters"]) -> Rows:
        """Networks of these parameters, with the mean running statistics of the zoo."""
        rows = self.rows.mean(dim=0).repeat(len(parameters), 1)
        rows[:, self.is_parameter] = parameters
        return rows


def require_one_function(population: Population, name: str) -> Function:
    """What the networks do, if it is the same.

    Raises:
        GeneratorError: There are no networks, or they do several things.
    """
    if not len(population):
        raise GeneratorError(f"{name} has no networks")
    present = [population.functions[number] for number in population.function.unique().tolist()]
    programs = {function.program for function in present}
    if len(programs) > 1:
        raise GeneratorError(
            f"networks can be scored together if they have one architecture and activation, those "
            f"of {name} have {len(programs)}; choose some that are alike"
        )
    return present[0]


def doing(function: Function, population: Population) -> Population:
    """Those of some networks that do what a function does.

    Args:
        function: The function; its examples of inputs do not matter.
        population: The networks.
    """
    same = [function.is_like(other) for other in population.functions]
    return population.select([same[number] for number in population.function.tolist()])
