"""An objective: a loss of every sample that is more than the distance to its label."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.batched_networks import BatchedNetworks


@dataclass(frozen=True, eq=False)
class Batch:
    """Some samples of every network, and what computes the outputs of all networks.

    Attributes:
        samples: Samples of each network. Shape ``(models, batch, *sample)``.
        labels: Their labels.
        signals: The factor ``signal`` of each network, 0 where it has none. Shape ``(models,)``.
        generators: A random stream of each network.
        outputs: The outputs for samples of any number, shape ``(models, samples, *sample)``; their
            shape is ``(models, outputs, samples)``.
    """

    samples: Shaped[Tensor, "models batch *sample"]
    labels: Shaped[Tensor, "models batch *label"]
    signals: Int[Tensor, " models"]
    generators: Sequence[torch.Generator]
    outputs: Callable[[Tensor], Tensor]


class Objective(ABC):
    """What networks learn by; it has no state, so that a training can stop and go on anywhere."""

    outputs: int | None = None
    """Numbers that a network gives; None for those that the data say."""

    passes: int = 1
    """Samples that a network computes for one of the data."""

    @abstractmethod
    def require(self, data: DataSet) -> None:
        """Refuse data that it cannot be learned from.

        Raises:
            ZooError: They are such.
        """

    @abstractmethod
    def losses(self, batch: Batch) -> Float[Tensor, "models batch"]:
        """The loss of every sample."""

    def measured(self, batch: Batch) -> dict[str, Float[Tensor, "models batch"]]:
        """Further numbers of every sample, whose means become metrics, by name."""
        del batch
        return {}


def outputs_of(
    networks: BatchedNetworks, parameters: Sequence[Tensor], buffers: Sequence[Tensor], train: bool
) -> Callable[[Tensor], Tensor]:
    """What :attr:`Batch.outputs` is for these networks.

    Args:
        networks: What computes them.
        parameters: Parameters of all networks.
        buffers: Their buffers.
        train: Whether batch norms take the statistics of the batch.
    """

    def outputs(samples: Shaped[Tensor, "models samples *sample"]) -> Float[Tensor, "..."]:
        models, count = samples.shape[:2]
        numbers = torch.arange(models * count).view(models, count)
        surplus = -count % networks.batch_multiple
        numbers = torch.cat([numbers, numbers[:, :1].expand(-1, surplus)], dim=1)
        x = networks.images(samples.flatten(0, 1), numbers)
        found = networks.logits(parameters, x, buffers=buffers, training=train)
        return found[:, :, :count]

    return outputs
