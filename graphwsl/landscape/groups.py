"""The networks of a zoo by what they share: functions, and all factors but the seed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.errors import LandscapeError
from graphwsl.landscape.objective import Flat
from graphwsl.landscape.zoo_objective import fraction_of
from graphwsl.populations.population import Function, Population
from graphwsl.populations.unflattening import unflat
from graphwsl.zoo.checkpoint import Checkpoint, Scalar

Rows = Float[Tensor, "networks entries"]

OF_ONE = ("seed", "original")
"""Factors that each network of a cell has of its own: a twin names the network it was made of."""


@dataclass(frozen=True, eq=False)
class Cell:
    """Networks whose generating factors differ in the seed alone, or are twins of such.

    Attributes:
        number: Its place in the order in which cells occur.
        configuration: The factors that they share.
        members: Their numbers in the population.
    """

    number: int
    configuration: dict[str, Scalar]
    members: tuple[int, ...]

    def pairs(self, most: int) -> list[tuple[int, int]]:
        """Each network with the next, and the last with the first of more than two.

        Args:
            most: Pairs, at most.
        """
        found = list(pairwise(self.members))
        if len(self.members) > 2:
            found.append((self.members[-1], self.members[0]))
        return found[:most]


@dataclass(frozen=True, eq=False)
class Group:
    """Networks of one function that are measured together.

    Attributes:
        key: Names it in files of results.
        function: What they do with their weights.
        members: Their numbers in the population.
        cells: Their cells, each of which is whole.
    """

    key: str
    function: Function
    members: tuple[int, ...]
    cells: tuple[Cell, ...]

    def rows(self, population: Population, members: Sequence[int] | None = None) -> Rows:
        """Flattened states of some of the networks.

        Args:
            population: All networks.
            members: Their numbers; None for all of the group.
        """
        chosen = self.members if members is None else members
        return torch.stack([population.states[member] for member in chosen])


def cells_of(checkpoints: Sequence[Checkpoint]) -> list[Cell]:
    """All cells, in the order in which they occur; within one, networks are ordered by seed.

    Args:
        checkpoints: One of each network.
    """
    members: dict[str, list[int]] = {}
    shared: dict[str, dict[str, Scalar]] = {}
    for number, checkpoint in enumerate(checkpoints):
        factors = {k: v for k, v in checkpoint.configuration.items() if k not in OF_ONE}
        key = json.dumps(factors, sort_keys=True)
        members.setdefault(key, []).append(number)
        shared.setdefault(key, factors)

    def seed(number: int) -> float:
        value = checkpoints[number].configuration.get("seed")
        return value if isinstance(value, int | float) else number

    return [
        Cell(number, shared[key], tuple(sorted(members[key], key=seed)))
        for number, key in enumerate(members)
    ]


def groups_of(population: Population, cells: Sequence[Cell], at_once: Sequence[int]) -> list[Group]:
    """Networks that run together, cell by cell, so that those of one cell are in one group.

    Args:
        population: All networks.
        cells: Their cells.
        at_once: Networks of a group of each function of the population, at most, unless a cell has
            more.

    Raises:
        LandscapeError: Networks of one cell differ in more than their seeds.
    """
    parts: dict[tuple[int, float], list[list[Cell]]] = {}
    for cell in cells:
        functions = {int(population.function[member]) for member in cell.members}
        if len(functions) > 1:
            raise LandscapeError(
                f"networks with the factors {cell.configuration} have different architectures, "
                "which the factors do not tell"
            )
        key = (functions.pop(), fraction_of(cell.configuration))
        known = parts.setdefault(key, [[]])
        if known[-1] and sum(len(c.members) for c in [*known[-1], cell]) > at_once[key[0]]:
            known.append([])
        known[-1].append(cell)
    groups: list[Group] = []
    for (function, _), chunks in parts.items():
        for chunk in chunks:
            members = tuple(member for cell in chunk for member in cell.members)
            name = f"{len(groups):04d}"
            groups.append(Group(name, population.functions[function], members, tuple(chunk)))
    return groups


def parameters_and_buffers(function: Function, rows: Rows) -> tuple[Flat, list[Tensor]]:
    """What a row holds, as :class:`graphwsl.landscape.objective.Objective` takes it.

    Args:
        function: What the networks do with their weights.
        rows: Flattened states.
    """
    module: nn.Module = function.module
    state = unflat(rows, function.architecture)
    flat = torch.cat([state[name].flatten(1) for name, _ in module.named_parameters()], dim=1)
    buffers = [
        # Those that are not stored are the same for all networks.
        state[name].clone() if name in state else own.detach().expand(len(rows), *own.shape).clone()
        for name, own in module.named_buffers()
    ]
    return flat, buffers
