"""A group of networks with what it is measured on, and what is found of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.errors import LandscapeError
from graphwsl.landscape.groups import Group
from graphwsl.landscape.settings import LandscapeSettings
from graphwsl.landscape.zoo_objective import ZooObjective, own_training_data, some_of
from graphwsl.populations.population import Population
from graphwsl.symmetries.group import Symmetries
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.labels import labels_of

Values = dict[str, float]


@dataclass
class Found:
    """Numbers by the number of the network or cell; NaN where there is none.

    Attributes:
        networks: Numbers of single networks.
        cells: Numbers of cells.
        profiles: Along the ways between networks of a cell, the mean over its pairs.
    """

    networks: dict[int, Values] = field(default_factory=dict)
    cells: dict[int, Values] = field(default_factory=dict)
    profiles: dict[int, dict[str, list[float]]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class GroupData:
    """A group with what it is measured on.

    Attributes:
        group: The networks.
        population: All networks of the zoo.
        earlier: The kept epochs of every network that averages are taken of, in order, the network
            itself last; empty unless they are asked for.
        data: Training and test samples.
        settings: What is measured, and how closely.
    """

    group: Group
    population: Population
    earlier: dict[int, list[Float[Tensor, " entries"]]]
    data: DataSet
    settings: LandscapeSettings

    @property
    def module(self) -> nn.Module:
        """Any one of the networks."""
        return self.group.function.module

    @cached_property
    def symmetries(self) -> Symmetries:
        """What leaves the networks the same."""
        return Symmetries(self.group.function.architecture.graph)

    def own_training(
        self, members: Sequence[int], most: int, *, twice: bool = False
    ) -> ZooObjective:
        """What each network has learnt.

        Args:
            members: Numbers of networks of the group.
            most: Samples, at most.
            twice: Whether the losses are differentiated twice.
        """
        configurations = [self.population.checkpoints[m].configuration for m in members]
        labels, indices = own_training_data(self.data, configurations, most, self.settings.seed)
        size = self.settings.batch_size
        return ZooObjective(self.module, self.data.train, labels, indices, size, twice=twice)

    def shared(
        self, part: str, members: Sequence[int], most: int | None = None, *, twice: bool = False
    ) -> ZooObjective:
        """Samples that all networks share, with the labels that the data have.

        Args:
            part: ``train`` or ``test``.
            members: Numbers of networks of the group, of each that runs.
            most: Samples, at most; None for all.
            twice: Whether the losses are differentiated twice.
        """
        samples = self.data.train if part == "train" else self.data.test
        labels = self.data.train_labels if part == "train" else self.data.test_labels
        configurations = [self.population.checkpoints[m].configuration for m in members]
        own = labels_of(labels, self.data, configurations)
        indices = some_of(len(samples), len(samples) if most is None else most, self.settings.seed)
        size = self.settings.batch_size
        return ZooObjective(self.module, samples, own, indices, size, twice=twice)

    def pairs(self) -> tuple[list[tuple[int, int]], list[int]]:
        """Pairs of networks that differ in their seeds, and the cell of each."""
        most = self.settings.pairs
        listed = [(pair, cell.number) for cell in self.group.cells for pair in cell.pairs(most)]
        return [pair for pair, _ in listed], [cell for _, cell in listed]


def submodule(module: nn.Module, name: str) -> nn.Module:
    """A module of a network.

    Args:
        module: The network.
        name: As ``module_list.2``.

    Raises:
        LandscapeError: There is none of this name.
    """
    known = {key: part for key, part in module.named_modules() if key}
    if name not in known:
        raise LandscapeError(f"the network has no module {name!r}; it has {', '.join(known)}")
    return known[name]
