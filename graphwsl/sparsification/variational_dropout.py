"""Sparse variational dropout: every weight learns how much noise it bears.

Molchanov, Ashukha, Vetrov, "Variational Dropout Sparsifies Deep Neural Networks", 2017. A weight is
drawn from N(θ, σ²) with a log-uniform prior; log α = log σ² - log θ² grows where the data do not
need the weight. Noise of the weights themselves is drawn anew for every step and network, in place
of that of the activations, so that it works for any architecture that populations train by.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from graphwsl.sparsification.masks import prunable
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.chunk import Training
from graphwsl.zoo.training.optimisers import Adam, Parameters
from graphwsl.zoo.training.streams import stream
from graphwsl.zoo.training.tuning import Tuning

LOG_VARIANCE = -10.0
"""Of every weight at the beginning, as published."""
LARGEST_LOG_ALPHA = 8.0
"""Beyond which log α is cut off, and below its negative, as published for convolutions."""
PATH = 30.0
"""How far a log-variance can move within the training, which sets its learning rate."""
K1, K2, K3 = 0.63576, 1.8732, 1.48695


def divergence(log_alpha: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The Kullback-Leibler divergence of a weight from the prior, up to a constant; never below 0.

    Args:
        log_alpha: Logarithm of the variance over the squared mean.
    """
    first = K1 * torch.sigmoid(K2 + K3 * log_alpha)
    return K1 - first + 0.5 * functional.softplus(-log_alpha)


def log_alpha(
    theta: Float[Tensor, "..."], log_variance: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """How noisy a weight is: what is above 3 is as good as gone."""
    found = log_variance - 2 * torch.log(theta.abs() + 1e-8)
    return found.clamp(-LARGEST_LOG_ALPHA, LARGEST_LOG_ALPHA)


class VariationalTraining(Training):
    """Networks of a population with a log-variance for every weight, one more axis of all.

    Args:
        configurations: The generating factors of each network.
        data: The samples.
        batch_size: Samples a step, unless it is a factor.
        tuning: Where the networks begin.
        epochs: Epochs of the training, over which the divergence comes into force bit by bit.
    """

    def __init__(
        self,
        configurations: Sequence[Mapping[str, Scalar]],
        data: DataSet,
        batch_size: int,
        tuning: Tuning,
        epochs: int,
    ) -> None:
        super().__init__(configurations, data, batch_size, tuning)
        self._noisy = [self.networks.names.index(name) for name in prunable(self.networks.module)]
        means = [view.detach() for view in self.parameters.views]
        variances = [torch.full_like(means[index], LOG_VARIANCE) for index in self._noisy]
        self._means = len(means)
        self.parameters = Parameters([*means, *variances])
        rates = torch.tensor([float(factors["learning_rate"] or 0) for factors in configurations])
        samples = len(data.train) if self._subset is None else self._subset.shape[1]
        self._samples, self._epochs = samples, epochs
        optimiser = Adam(self.parameters, rates, torch.zeros_like(rates))
        steps = epochs * -(-samples // self.batch_size)
        count = sum(mean.numel() for mean in means)
        optimiser.rate[count:] = -PATH / steps
        self._optimiser = optimiser
        self._epoch = 0
        self._generators: list[torch.Generator] = []

    @property
    def weights(self) -> dict[str, Tensor]:
        """The means of all networks and their buffers. Shapes ``(models, ...)``."""
        views = [view.detach() for view in self.parameters.views[: self._means]]
        names = (*self.networks.names, *self.networks.buffer_names)
        values = dict(zip(names, (*views, *self.buffers), strict=True))
        return {name: values[canonical] for name, canonical in self._names.items()}

    @property
    def log_alphas(self) -> dict[str, Float[Tensor, "models *shape"]]:
        """How noisy every weight is, by name."""
        views = [view.detach() for view in self.parameters.views]
        pairs = zip(self._noisy, views[self._means :], strict=True)
        return {self.networks.names[i]: log_alpha(views[i], noise) for i, noise in pairs}

    def begin_epoch(self, epoch: int) -> None:
        """See :class:`graphwsl.zoo.training.chunk.Training`."""
        self._epoch += 1
        self._generators = [stream(seed, "weight_noise", epoch) for seed in self._seeds]

    def of_step(self) -> Sequence[Tensor]:
        """Weights with noise of their own."""
        views = list(self.parameters.views)
        means, variances = views[: self._means], views[self._means :]
        for index, variance in zip(self._noisy, variances, strict=True):
            noise = torch.empty_like(variance)
            for own, generator in zip(noise, self._generators, strict=True):
                own.normal_(generator=generator)
            means[index] = means[index] + (0.5 * variance).exp() * noise
        return means

    def penalty(self) -> Float[Tensor, ""]:
        """The divergence of all weights, a sample."""
        views = self.parameters.views
        pairs = zip(self._noisy, views[self._means :], strict=True)
        total = torch.stack([divergence(log_alpha(views[i], noise)).sum() for i, noise in pairs])
        return min(1.0, self._epoch / max(1, self._epochs // 2)) / self._samples * total.sum()
