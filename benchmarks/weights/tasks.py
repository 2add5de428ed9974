"""What is predicted from what: a zoo, a property, and which networks are held out."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from graphwsl.populations import Population, Split, split_models
from graphwsl.zoo import open_zoo
from graphwsl.zoo.checkpoint import Checkpoint, Scalar


@dataclass(frozen=True)
class ZooOfBenchmark:
    """A zoo, of which at most so many networks and only some epochs are taken.

    Attributes:
        name: In tables.
        path: Its folder.
        models: Networks at most, drawn at random; None for all.
        epochs: Kept epochs; empty for all.
    """

    name: str
    path: Path
    models: int | None = None
    epochs: tuple[int, ...] = ()

    @cached_property
    def checkpoints(self) -> list[Checkpoint]:
        """Those that are taken."""
        found = open_zoo(self.path).checkpoints
        names = sorted({checkpoint.model for checkpoint in found})
        if self.models is not None and self.models < len(names):
            chosen = np.random.default_rng(0).choice(len(names), self.models, replace=False)
            names = [names[index] for index in sorted(chosen)]
        wanted = set(names)
        return [
            checkpoint
            for checkpoint in found
            if checkpoint.model in wanted and (not self.epochs or checkpoint.epoch in self.epochs)
        ]

    @cached_property
    def population(self) -> Population:
        """Their weights."""
        return Population.load(open_zoo(self.path), self.checkpoints)

    @property
    def extent(self) -> str:
        """How much of the zoo is taken, as part of a folder's name."""
        models = len({checkpoint.model for checkpoint in self.checkpoints})
        return f"{models}-models-{len(self.checkpoints)}-checkpoints"


@dataclass(frozen=True)
class Task:
    """A property of the networks of a zoo.

    Attributes:
        zoo: The zoo.
        target: Name of the property.
        held_out: A factor and its values that are tested only; None for a split at random.
    """

    zoo: ZooOfBenchmark
    target: str
    held_out: tuple[str, tuple[Scalar, ...]] | None = None

    @property
    def name(self) -> str:
        """In folders and tables."""
        text = f"{self.zoo.name} {self.target}"
        if self.held_out is None:
            return text
        factor, values = self.held_out
        return f"{text}, tested at {factor} {' and '.join(map(str, values))}"

    @cached_property
    def digest(self) -> str:
        """A hash of the networks, of what is known of them, and of the split."""
        known = [[c.model, c.epoch, c.configuration, c.metrics] for c in self.zoo.checkpoints]
        text = json.dumps([known, asdict(self.split)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @cached_property
    def split(self) -> Split:
        """The same for all predictors and seeds."""
        held_out = None if self.held_out is None else dict([self.held_out])
        return split_models(self.zoo.checkpoints, 0, held_out=held_out)
