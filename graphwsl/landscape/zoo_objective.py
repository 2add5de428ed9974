"""The losses of the networks of a zoo, each on what it has learnt or on samples that all share."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from graphwsl.errors import LandscapeError
from graphwsl.landscape.objective import Batch, Objective
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.batched_networks import BatchedNetworks, MappedNetworks
from graphwsl.zoo.training.labels import labels_of, with_noise
from graphwsl.zoo.training.losses import losses_of, share_right
from graphwsl.zoo.training.streams import stream

Configurations = Sequence[Mapping[str, Scalar]]


class ZooObjective(Objective):
    """Mean losses of networks of one architecture, which run together.

    Args:
        module: Any one of the networks.
        samples: Samples.
        labels: Labels of each network.
        indices: The samples that count: of all networks, or its own of each.
        batch_size: Samples that run together.
        twice: Whether the losses are differentiated twice, for which the compiled loops are slower
            than what torch maps over networks.
    """

    def __init__(
        self,
        module: nn.Module,
        samples: Shaped[Tensor, "samples *sample"],
        labels: Shaped[Tensor, "networks samples *label"],
        indices: Int[Tensor, "*networks chosen"],
        batch_size: int,
        *,
        twice: bool = False,
    ) -> None:
        super().__init__(module, [])
        for part in self.module.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0  # nothing is dropped, and what maps over networks knows no dropout
        self._networks = (
            MappedNetworks(self.module)
            if twice
            else BatchedNetworks.of(self.module, samples.ndim - 1)
        )
        self._is_classes = not labels.is_floating_point()
        self._variance = None if self._is_classes else _variance_of(labels)
        rows = torch.arange(len(labels))[:, None]
        for part in indices.split(batch_size, dim=-1):
            size = part.shape[-1]
            missing = -size % self._networks.batch_multiple
            filled = torch.cat([part, part[..., :1].expand(*part.shape[:-1], missing)], dim=-1)
            if indices.ndim == 1:
                x = self._networks.shared_images(samples[filled], len(labels))
                y = labels[:, filled]
            else:
                x = self._networks.images(samples, filled)
                y = labels[rows, filled]
            self.batches.append(Batch(x, y, size))

    def outputs(
        self,
        parameters: Sequence[Tensor],
        buffers: Sequence[Tensor],
        batch: Batch,
        *,
        training: bool = False,
    ) -> Float[Tensor, "networks outputs batch *positions"]:
        """See :class:`Objective`."""
        return self._networks.logits(parameters, batch.inputs, buffers=buffers, training=training)

    def losses(self, outputs: Any, batch: Batch) -> Float[Tensor, " networks"]:
        """See :class:`Objective`."""
        return losses_of(outputs, batch.labels)[:, : batch.size].mean(1)

    def errors(self, outputs: Any, batch: Batch) -> Float[Tensor, " networks"] | None:
        """Shares of wrong classes; of labels that are numbers, of their variance not explained."""
        if self._variance is not None:
            return self.losses(outputs, batch).double() / self._variance
        if not self._is_classes:
            return None
        right = share_right(outputs, batch.labels)[:, : batch.size]
        return 1 - right.double().mean(1)


def _variance_of(
    labels: Float[Tensor, "networks samples label"],
) -> Float[Tensor, " networks"] | None:
    """Variance of the labels of each network, the mean over their numbers; None if one is 0."""
    variance = labels.double().var(1, correction=0).mean(1)
    return variance if bool((variance > 0).all()) else None


def own_training_data(
    data: DataSet, configurations: Configurations, most: int, seed: int
) -> tuple[Shaped[Tensor, "networks samples *label"], Int[Tensor, "*networks chosen"]]:
    """What each network has learnt: its labels, noise included, and samples among its own.

    Args:
        data: The data of the zoo.
        configurations: Generating factors of networks that saw the same share of the data.
        most: Samples, at most.
        seed: Draws them where all networks saw all samples.

    Returns:
        Labels of all samples, and the numbers of those that count.

    Raises:
        LandscapeError: Networks saw different shares of the data.
    """
    labels = with_noise(labels_of(data.train_labels, data, configurations), data, configurations)
    fractions = {fraction_of(configuration) for configuration in configurations}
    if len(fractions) > 1:
        raise LandscapeError("networks that saw different shares of the data cannot run together")
    (fraction,), samples = fractions, len(data.train)
    if fraction == 1:
        return labels, some_of(samples, most, seed)
    count = min(max(1, round(fraction * samples)), most)
    seeds = [int(configuration.get("seed") or 0) for configuration in configurations]
    # As they were drawn for the training; their order is random.
    own = [torch.randperm(samples, generator=stream(one, "subset"))[:count] for one in seeds]
    return labels, torch.stack(own)


def fraction_of(configuration: Mapping[str, Scalar]) -> float:
    """The share of the training data that a network saw.

    Args:
        configuration: Its generating factors.
    """
    return float(configuration.get("data_fraction") or 1)


def some_of(samples: int, most: int, seed: int) -> Int[Tensor, " chosen"]:
    """Numbers of samples, drawn evenly; all of them, shuffled, if there are no more than asked for.

    Args:
        samples: How many there are.
        most: How many are wanted.
        seed: Draws them.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(samples, generator=generator)[:most]
