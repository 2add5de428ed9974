"""How good networks are after some epochs of training, by the loops that zoos are trained with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.errors import GeneratorError
from graphwsl.generators.aligned_zoo import Rows
from graphwsl.generators.made import population_of
from graphwsl.populations.evaluation import evaluate
from graphwsl.populations.population import Function, Population
from graphwsl.populations.unflattening import unflat
from graphwsl.zoo.architectures.registry import ARCHITECTURES
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.chunk import TrainedChunk, train_chunk
from graphwsl.zoo.training.tuning import Tuning

TOGETHER = 16
"""Networks that train together."""

FIRST_SEED = 2**40
"""First seed of the order of the samples, beyond those that zoos are trained with."""


@dataclass(frozen=True, eq=False)
class Tuner:
    """Trains networks for some epochs and says how good they are on other samples.

    Attributes:
        function: What the networks do.
        configuration: Generating factors, such as optimiser and learning rate.
        data: Whose training samples they learn.
        epochs: After which they are evaluated.
        batch_size: Samples a step, unless it is a factor.
        networks: So many of the first ones are tuned.
        inputs: Samples on which they are evaluated.
        labels: The class of each.
    """

    function: Function
    configuration: dict[str, Scalar]
    data: DataSet
    epochs: tuple[int, ...]
    batch_size: int
    networks: int
    inputs: Any
    labels: Int[Tensor, " samples"]

    @classmethod
    def of(
        cls,
        train: Population,
        function: Function,
        epochs: Sequence[int],
        data: DataSet | None,
        *,
        batch_size: int,
        networks: int,
        inputs: Any,
        labels: Int[Tensor, " samples"],
    ) -> "Tuner":
        """Tune by the factors of the first training network.

        Raises:
            GeneratorError: Epochs below 1, no data, or networks whose architecture has no name.
        """
        if min(epochs) < 1:
            raise GeneratorError(f"epochs of tuning must be at least 1, got {list(epochs)}")
        if data is None:
            raise GeneratorError("tuning needs the data that networks learn; give data")
        configuration = dict(train.checkpoints[0].configuration)
        name = configuration.get("architecture")
        if name not in ARCHITECTURES:
            said = "name no architecture" if name is None else f"name {name!r}, which is none"
            raise GeneratorError(
                f"networks {function.architecture.name!r} cannot be tuned: the factors of the "
                f"training networks {said} that is registered (graphwsl.zoo.architectures); leave "
                "the epochs of tuning out"
            )
        chosen = tuple(sorted(set(epochs)))
        return cls(function, configuration, data, chosen, batch_size, networks, inputs, labels)

    def tune(self, rows: Rows, name: str) -> dict[int, float]:
        """The mean accuracy of networks after epochs of tuning.

        Args:
            rows: Where they begin.
            name: Name of the networks, for messages.

        Raises:
            GeneratorError: No network stays finite.
            ZooError: The factors do not fit the data.
        """
        some = rows[: self.networks]
        trained = [
            self._trained(Tuning(unflat(part, self.function.architecture)), len(part), number)
            for number, part in enumerate(some.split(TOGETHER))
        ]
        return self._accuracies(trained, name)

    def from_scratch(self) -> dict[int, float]:
        """The mean accuracy of networks that are trained for as long from their initialisation."""
        counts = [
            min(TOGETHER, self.networks - start) for start in range(0, self.networks, TOGETHER)
        ]
        trained = [self._trained(None, count, number) for number, count in enumerate(counts)]
        return self._accuracies(trained, "scratch")

    def _trained(self, tuning: Tuning | None, count: int, chunk: int) -> TrainedChunk:
        first = FIRST_SEED + chunk * TOGETHER
        return train_chunk(
            [{**self.configuration, "seed": first + number} for number in range(count)],
            self.data,
            epochs=self.epochs[-1],
            batch_size=self.batch_size,
            kept=self.epochs,
            tuning=tuning,
        )

    def _accuracies(self, trained: Sequence[TrainedChunk], name: str) -> dict[int, float]:
        found = {}
        for position, epoch in enumerate(self.epochs):
            rows = torch.cat([self._rows(chunk, position) for chunk in trained])
            made = population_of(rows, self.function, name)
            result = evaluate(made, self.inputs, self.labels)
            if not bool(result.is_finite.any()):
                raise GeneratorError(f"no network of {name} is finite after {epoch} epochs")
            found[epoch] = float(result.accuracy.nanmean())
        return found

    def _rows(self, chunk: TrainedChunk, position: int) -> Rows:
        """The flattened states of an epoch; :func:`graphwsl.populations.unflat` is the inverse."""
        graph = self.function.architecture.graph
        count = len(next(iter(chunk.weights.values())))
        rows = torch.zeros(count, self.function.architecture.num_entries)
        for name, start in graph.offsets.items():
            values = chunk.weights[name][:, position].reshape(count, -1).float()
            rows[:, start : start + values.shape[1]] = values
        return rows
