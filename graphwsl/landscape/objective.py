"""The losses of networks of one architecture as functions of their parameters.

All that this package measures is computed for many networks at once; one network is a stack of one.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.errors import LandscapeError

Flat = Float[Tensor, "networks entries"]
"""The parameters of every network in a row, in the order of ``named_parameters()``."""

KINDS = ("running_mean", "running_var")
"""Buffers of a batch norm that hold its statistics."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples that run together.

    Attributes:
        inputs: What the networks take.
        labels: What their outputs are compared with.
        size: How many samples there are.
    """

    inputs: Any
    labels: Any
    size: int


@contextmanager
def single_samples_refused(batch: Batch) -> Iterator[None]:
    """Say in one line that batch norms have no statistics of a batch, which torch refuses.

    Args:
        batch: The batch that runs.

    Raises:
        LandscapeError: It has a single value of each channel.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise LandscapeError(
            f"batch norms have no variance of a batch of {batch.size} sample; drop it, or choose "
            "another batch size"
        ) from error


class Objective(ABC):
    """Mean losses of several networks, each of its own parameters.

    Args:
        module: Any one of the networks, which is not changed.
        batches: All samples.

    Attributes:
        module: A copy in evaluation mode, whose own weights do not matter.
        names: Names of the parameters.
        shapes: Their shapes.
        buffer_names: Names of the buffers, such as the running statistics of batch norms.
        batches: All samples.
    """

    def __init__(self, module: nn.Module, batches: Sequence[Batch]) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.names = [name for name, _ in self.module.named_parameters()]
        self.shapes = [parameter.shape for parameter in self.module.parameters()]
        self.buffer_names = [name for name, _ in self.module.named_buffers()]
        self.batches = list(batches)

    @abstractmethod
    def outputs(
        self,
        parameters: Sequence[Tensor],
        buffers: Sequence[Tensor],
        batch: Batch,
        *,
        training: bool = False,
    ) -> Any:
        """Outputs of all networks.

        Args:
            parameters: Parameters in the order of :attr:`names`, each of all networks. Shape
                ``(networks, ...)``.
            buffers: Buffers in the order of :attr:`buffer_names`, each of all networks.
            batch: One of :attr:`batches`.
            training: Whether batch norms take the statistics of the batch, and update those in
                ``buffers`` in place.
        """

    @abstractmethod
    def losses(self, outputs: Any, batch: Batch) -> Float[Tensor, " networks"]:
        """The mean loss of every network on the samples of a batch.

        Args:
            outputs: What :meth:`outputs` gave.
            batch: One of :attr:`batches`.
        """

    @abstractmethod
    def errors(self, outputs: Any, batch: Batch) -> Float[Tensor, " networks"] | None:
        """The share of wrong classes of every network; None where labels are no classes.

        Args:
            outputs: What :meth:`outputs` gave.
            batch: One of :attr:`batches`.
        """

    @property
    def samples(self) -> int:
        """Number of samples of all batches."""
        return sum(batch.size for batch in self.batches)

    @property
    def sizes(self) -> list[int]:
        """Number of entries of each parameter."""
        return [prod(shape) for shape in self.shapes]

    def views(self, flat: Flat) -> list[Tensor]:
        """Each parameter of all networks, which share the memory of the rows.

        Args:
            flat: Parameters, a row a network.
        """
        parts = flat.split(self.sizes, dim=1)
        return [
            part.view(len(flat), *shape) for part, shape in zip(parts, self.shapes, strict=True)
        ]

    @torch.no_grad()
    def measure(
        self, flat: Flat, buffers: Sequence[Tensor]
    ) -> tuple[Float[Tensor, " networks"], Float[Tensor, " networks"] | None]:
        """Mean loss of every network on all samples, and share of wrong classes where it has some.

        Args:
            flat: Parameters, a row a network.
            buffers: Buffers of all networks.
        """
        parameters = self.views(flat)
        loss = torch.zeros(len(flat), dtype=torch.float64)
        error: Tensor | None = torch.zeros(len(flat), dtype=torch.float64)
        for batch in self.batches:
            outputs = self.outputs(parameters, buffers, batch)
            share = batch.size / self.samples
            loss += share * self.losses(outputs, batch).double().cpu()
            wrong = self.errors(outputs, batch)
            error = None if wrong is None or error is None else error + share * wrong.double().cpu()
        return loss, error

    @torch.no_grad()
    def with_statistics(self, flat: Flat, buffers: Sequence[Tensor]) -> list[Tensor]:
        """Buffers in which the running statistics of batch norms are those of all samples.

        Moments of the batches are pooled: means and unbiased variances are those that torch finds
        of one batch of all. Behind a batch norm the values that are pooled are those of training,
        where each batch is normalised by itself.

        Args:
            flat: Parameters, a row a network.
            buffers: Buffers of all networks; not changed.
        """
        norms = {
            name: part
            for name, part in self.module.named_modules()
            if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats
        }
        found = [buffer.clone() for buffer in buffers]
        if not norms:
            return found
        parameters, places = self.views(flat), {n: i for i, n in enumerate(self.buffer_names)}
        pooled = {name: _Moments() for name in norms}
        former = {name: norm.momentum for name, norm in norms.items()}
        hooks = [norm.register_forward_pre_hook(pooled[name].see) for name, norm in norms.items()]
        try:
            for norm in norms.values():
                norm.momentum = 1.0  # the statistics of the batch alone
            for batch in self.batches:
                with single_samples_refused(batch):
                    self.outputs(parameters, found, batch, training=True)
                for name, moments in pooled.items():
                    moments.add(*(found[places[_named(name, kind)]] for kind in KINDS))
        finally:
            for hook in hooks:
                hook.remove()
            for name, norm in norms.items():
                norm.momentum = former[name]
        for name, moments in pooled.items():
            for kind, value in zip(KINDS, (moments.mean, moments.variance), strict=True):
                if moments.count:
                    found[places[_named(name, kind)]].copy_(value)
        return found


class _Moments:
    """Means and variances of the channels of a batch norm over several batches."""

    def __init__(self) -> None:
        self.count = self.seen = 0
        self.mean = self.squares = torch.zeros((), dtype=torch.float64)

    def see(self, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Note how many values of each channel there are in a batch, before it is normalised."""
        del norm
        self.seen = inputs[0].numel() // inputs[0].shape[1]

    def add(self, mean: Tensor, variance: Tensor) -> None:
        """Take in a batch, if it went through this norm (T. Chan, G. Golub, R. LeVeque, 1983).

        Args:
            mean: Its mean of each channel.
            variance: Its unbiased variance.
        """
        if not self.seen:
            return
        count = self.count + self.seen
        off = mean.double() - self.mean.to(mean.device)
        self.squares = self.squares.to(mean.device) + variance.double() * (self.seen - 1)
        self.squares = self.squares + off.square() * (self.count * self.seen / count)
        self.mean = mean.double() - off * (self.count / count)
        self.count, self.seen = count, 0

    @property
    def variance(self) -> Tensor:
        """Of each channel, unbiased."""
        return self.squares / (self.count - 1)


def _named(norm: str, kind: str) -> str:
    return f"{norm}.{kind}" if norm else kind
