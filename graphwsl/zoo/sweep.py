"""The rows of a recipe: one configuration a network, and which of them train together."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.registry import FACTORS
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.recipe import Recipe

LARGEST = 10**6
"""Networks of a zoo, at most."""


def shaping() -> tuple[str, ...]:
    """Factors that networks must share to train together; the others may differ among them.

    Those of architectures are among them, except dropout: each network has its own rate.
    """
    of_architectures = (name for name in FACTORS if name != "dropout")
    of_training = ("optimiser", "data_fraction", "batch_size", "objective", "frozen")
    return (*of_architectures, *of_training)


@dataclass(frozen=True)
class NetworkConfig:
    """One network to be trained.

    Attributes:
        model: Its name: its number in the whole grid, so that a sample keeps the numbers; after
            the name of its parent, if it has one, as in ``00003-00017``.
        configuration: Its generating factors.
    """

    model: str
    configuration: dict[str, Scalar]

    @cached_property
    def group(self) -> tuple[Scalar, ...]:
        """What it must have in common with the networks that it trains together with."""
        drops = bool(self.configuration["dropout"])
        return (*(self.configuration.get(name) for name in shaping()), drops)


def rows(recipe: Recipe) -> list[NetworkConfig]:
    """All rows of a recipe; the last factor of the grid changes fastest, and the seed faster still.

    With a pretraining, each of its networks is the parent of all of these rows, one after the
    other.

    Raises:
        ZooError: More rows than a zoo may have, or a sample larger than the grid.
    """
    own = _rows_of_grid(recipe)
    if recipe.pretraining is None:
        return own
    parents = [parent.model for parent in rows(recipe.pretraining)]
    if len(own) * len(parents) > LARGEST:
        raise ZooError(
            f"the zoo cannot have {len(own) * len(parents):,} networks: {len(own):,} of each of "
            f"{len(parents):,} parents; a zoo has at most {LARGEST:,}"
        )
    return [
        NetworkConfig(f"{parent}-{row.model}", {**row.configuration, "parent": parent})
        for parent in parents
        for row in own
    ]


def _rows_of_grid(recipe: Recipe) -> list[NetworkConfig]:
    grid = dict(recipe.grid)
    if recipe.seeds is not None:
        grid["seed"] = tuple(range(1, recipe.seeds + 1))
    total = math.prod(len(values) for values in grid.values())
    wanted = total if recipe.sample is None else recipe.sample
    if wanted > min(total, LARGEST) or total >= 2**63:
        raise ZooError(
            f"the zoo cannot have {wanted:,} networks: the grid has {total:,}, "
            f"a zoo at most {LARGEST:,}"
        )
    numbers = np.arange(total) if recipe.sample is None else _sample(recipe, total)
    digits = max(5, len(str(total - 1)))
    return [
        NetworkConfig(f"{number:0{digits}d}", _configuration(recipe, grid, number))
        for number in numbers.tolist()
    ]


def chunks(
    all_rows: list[NetworkConfig], sizes: dict[tuple[Scalar, ...], int]
) -> Iterator[list[NetworkConfig]]:
    """Rows that train together, group after group in the order in which the groups appear.

    Args:
        all_rows: Rows of the recipe.
        sizes: The largest chunk of each group.
    """
    groups: dict[tuple[Scalar, ...], list[NetworkConfig]] = {}
    for row in all_rows:
        groups.setdefault(row.group, []).append(row)
    for key, members in groups.items():
        for start in range(0, len(members), sizes[key]):
            yield members[start : start + sizes[key]]


def _sample(recipe: Recipe, total: int) -> np.ndarray:
    generator = np.random.default_rng(recipe.sample_seed)
    return np.sort(generator.choice(total, recipe.sample, replace=False, shuffle=False))


def _configuration(
    recipe: Recipe, grid: dict[str, tuple[Scalar, ...]], number: int
) -> dict[str, Scalar]:
    chosen = {}
    for name, values in reversed(grid.items()):
        number, index = divmod(number, len(values))
        chosen[name] = values[index]
    return recipe.factors(**chosen).model_dump(exclude_none=True)
