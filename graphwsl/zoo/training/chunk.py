"""The training of a few networks together; its result depends on each network's factors alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data import ImageData
from graphwsl.zoo.training.batched_networks import BatchedNetworks, Drop
from graphwsl.zoo.training.evaluation import evaluate
from graphwsl.zoo.training.initialisation import initialised
from graphwsl.zoo.training.optimisers import OPTIMISERS, Parameters
from graphwsl.zoo.training.streams import Purpose, stream

METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@dataclass(frozen=True, eq=False)
class TrainedChunk:
    """The kept epochs of some networks.

    Attributes:
        weights: Each parameter. Shapes ``(models, kept, ...)``.
        metrics: ``train_loss``, ``train_accuracy``, ``test_loss`` and ``test_accuracy``.
        usable: Kept epochs before the first at which a weight or a loss was not finite.
    """

    weights: dict[str, Tensor]
    metrics: dict[str, Float[Tensor, "models kept"]]
    usable: Int[Tensor, " models"]


class Training:
    """Networks that train together; they share the factors in :data:`graphwsl.zoo.sweep.SHAPING`.

    A network ends as if trained alone: it minimises the mean cross-entropy of each batch, in an
    order of the training images that is drawn anew each epoch from the stream of its seed.

    Args:
        configurations: The generating factors of each network.
        data: The images.
        batch_size: Images a step; the last step of an epoch takes what is left.
    """

    def __init__(
        self, configurations: Sequence[dict[str, Scalar]], data: ImageData, batch_size: int
    ) -> None:
        self.data, self.batch_size = data, batch_size
        modules = [initialised(configuration) for configuration in configurations]
        self.networks = BatchedNetworks.of(modules[0])
        self.parameters = Parameters(
            [
                torch.stack([module.get_parameter(name).detach() for module in modules])
                for name in self.networks.names
            ]
        )

        def vector(name: str) -> Tensor:
            return torch.tensor([float(factors[name] or 0) for factors in configurations])

        self._optimiser = OPTIMISERS[str(configurations[0]["optimiser"])](
            self.parameters, vector("learning_rate"), vector("weight_decay")
        )
        self._seeds = [int(factors["seed"] or 0) for factors in configurations]
        self._rates = vector("dropout")
        self._subset = self._draw_subset(float(configurations[0]["data_fraction"] or 1))

    @property
    def weights(self) -> dict[str, Tensor]:
        """Each parameter of all networks as it is now. Shapes ``(models, ...)``."""
        views = [view.detach() for view in self.parameters.views]
        return dict(zip(self.networks.names, views, strict=True))

    def train_epoch(self, epoch: int) -> None:
        """One pass over the training images; epochs count from 1."""
        samples = len(self.data.train) if self._subset is None else self._subset.shape[1]
        order = self._permutations(samples, "order", epoch)
        order = order if self._subset is None else self._subset.gather(1, order)
        drop = self._dropout(epoch)
        lanes = min(self.batch_size, samples)
        lanes += -lanes % self.networks.batch_multiple
        for indices in order.split(self.batch_size, dim=1):
            count = indices.shape[1]
            # Images that fill up the batch have no weight.
            filling = indices[:, :1].expand(-1, lanes - count)
            indices = torch.cat([indices, filling], dim=1)
            images = self.networks.images(self.data.train, indices)
            logits = self.networks.logits(self.parameters.views, images, drop)
            labels = self.data.train_labels[indices]
            losses = functional.cross_entropy(logits, labels, reduction="none")
            self._optimiser.step(self.parameters.gradient(losses[:, :count].sum() / count))

    @torch.no_grad()
    def measure(self) -> dict[str, Float[Tensor, " models"]]:
        """The metrics of :data:`METRICS`, on each network's own training images and all tests."""
        data, views = self.data, self.parameters.views
        train = evaluate(self.networks, views, data.train, data.train_labels, self._subset)
        test = evaluate(self.networks, views, data.test, data.test_labels)
        return dict(zip(METRICS, (*train, *test), strict=True))

    def _draw_subset(self, fraction: float) -> Int[Tensor, "models chosen"] | None:
        """Each network's part of the training images; None is all of them for all."""
        samples = len(self.data.train)
        if fraction == 1:
            return None
        return self._permutations(samples, "subset")[:, : max(1, round(fraction * samples))]

    def _permutations(
        self, samples: int, purpose: Purpose, epoch: int = 0
    ) -> Int[Tensor, "models samples"]:
        orders = [
            torch.randperm(samples, generator=stream(seed, purpose, epoch)) for seed in self._seeds
        ]
        return torch.stack(orders)

    def _dropout(self, epoch: int) -> Drop | None:
        """Dropout of every network at its own rate, from its own stream."""
        if not self._rates.any():
            return None
        generators = [stream(seed, "dropout", epoch) for seed in self._seeds]

        def drop(x: Tensor) -> Tensor:
            draws = torch.empty_like(x)
            for own, generator in zip(draws, generators, strict=True):
                own.uniform_(generator=generator)
            rates = self._rates.view(-1, *[1] * (x.ndim - 1))
            return x * ((draws >= rates) / (1 - rates))

        return drop


def train_chunk(
    configurations: Sequence[dict[str, Scalar]],
    data: ImageData,
    *,
    epochs: int,
    batch_size: int,
    kept: Sequence[int],
    on_epoch: Callable[[], None] = lambda: None,
) -> TrainedChunk:
    """Train networks together and keep some of their epochs.

    Args:
        configurations: The generating factors of each network, as :class:`Training` takes them.
        data: The images.
        epochs: Passes over the training images.
        batch_size: Images a step.
        kept: Epochs whose weights are kept and measured, in order; 0 is the initialisation.
        on_epoch: Called after every epoch; what it raises ends the training.
    """
    training = Training(configurations, data, batch_size)
    weights = {
        name: torch.zeros(len(values), len(kept), *values.shape[1:])
        for name, values in training.weights.items()
    }
    metrics = {name: torch.full((len(configurations), len(kept)), torch.nan) for name in METRICS}
    for epoch in range(epochs + 1):
        if epoch:
            training.train_epoch(epoch)
        if epoch in kept:
            place = kept.index(epoch)
            for name, values in training.weights.items():
                weights[name][:, place] = values
            for name, values in training.measure().items():
                metrics[name][:, place] = values
        if epoch:
            on_epoch()
    return TrainedChunk(weights, metrics, _usable(weights, metrics))


def _usable(weights: dict[str, Tensor], metrics: dict[str, Tensor]) -> Tensor:
    finite = torch.stack([values.isfinite() for values in metrics.values()]).all(0)
    for values in weights.values():
        finite &= values.flatten(2).isfinite().all(2)
    return finite.cumprod(1).sum(1)
