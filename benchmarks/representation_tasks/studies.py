"""From which networks is learnt, and on which it is tested."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from benchmarks.weights.tasks import ZooOfBenchmark
from graphwsl.populations import Population, Split, split_models
from graphwsl.zoo import Recipe, open_zoo, train_zoo
from graphwsl.zoo.checkpoint import Scalar

SAMPLES = 500
"""Test samples on which networks are judged, and training samples on which behaviour counts."""


def zoo_of_recipe(name: str, folder: Path, networks: int) -> Path:
    """The folder of a zoo of a recipe, trained as far as it is not there yet.

    Args:
        name: Name of the recipe.
        folder: Where zoos are kept.
        networks: So many are drawn from the recipe, or all if it has fewer.

    Raises:
        ZooError: There is no such recipe.
    """
    drawn = Recipe.resolve(name, sample=networks)
    path = folder / f"{name}-{networks}"
    train_zoo(drawn, path, workers=1, resume=True)
    return path


@dataclass(frozen=True)
class Study:
    """The networks of a zoo, split once for all rows and seeds.

    Attributes:
        zoo: The zoo.
        held_out: A factor and its values that are tested only; None for a split at random.
        others: Further zoos whose test networks are tested too.
    """

    zoo: ZooOfBenchmark
    held_out: tuple[str, tuple[Scalar, ...]] | None = None
    others: tuple[ZooOfBenchmark, ...] = ()

    @property
    def name(self) -> str:
        """In folders and tables."""
        if self.held_out is None:
            return self.zoo.name
        factor, values = self.held_out
        return f"{self.zoo.name}, tested at {factor} {' and '.join(map(str, values))}"

    @cached_property
    def split(self) -> Split:
        """Which networks are of which part."""
        held_out = None if self.held_out is None else dict([self.held_out])
        return split_models(self.zoo.checkpoints, 0, held_out=held_out)

    @cached_property
    def digest(self) -> str:
        """A hash of all networks, of what is known of them, and of the split."""
        known = [
            [c.model, c.epoch, c.configuration, c.metrics]
            for zoo in (self.zoo, *self.others)
            for c in zoo.checkpoints
        ]
        text = json.dumps([known, asdict(self.split)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def part(self, name: str) -> Population:
        """The networks of a part."""
        population = self.zoo.population
        return population.select(self.split.numbers(name, population.checkpoints))

    def strangers(self) -> dict[str, Population]:
        """The test networks of the other zoos, by their names."""
        found = {}
        for zoo in self.others:
            population, split = zoo.population, Study(zoo).split
            found[zoo.name] = population.select(split.numbers("test", population.checkpoints))
        return found

    @cached_property
    def samples(self) -> tuple[Tensor, Tensor, Tensor]:
        """Test samples, their classes, and training samples whose classes are not looked at."""
        data = open_zoo(self.zoo.path).images()
        return data.test[:SAMPLES], data.test_labels[:SAMPLES], data.train[:SAMPLES]


def last_epoch(population: Population) -> Population:
    """Networks at the end of their training."""
    epochs = [checkpoint.epoch or 0 for checkpoint in population.checkpoints]
    last = max(epochs)
    return population.select([n for n, epoch in enumerate(epochs) if epoch == last])
