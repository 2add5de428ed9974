"""The losses of networks of one architecture as functions of their parameters.

All that this package measures is computed for many networks at once; one network is a stack of one.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.errors import InvalidArgumentError, LandscapeError, StateMismatchError

Loss = Callable[[Any, Any], Tensor]
"""The mean loss of a batch, of the outputs and labels: ``torch.nn.functional.cross_entropy``."""

Batches = Iterable[tuple[Any, Any]]
"""Inputs and labels; inputs are a tensor, a tuple of arguments, or a mapping of named ones."""

Flat = Float[Tensor, "networks entries"]
"""The parameters of every network in a row, in the order of ``named_parameters()``."""


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

        Args:
            flat: Parameters, a row a network.
            buffers: Buffers of all networks; not changed.
        """
        norms = [
            part
            for part in self.module.modules()
            if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats
        ]
        found = [buffer.clone() for buffer in buffers]
        former, seen = [norm.momentum for norm in norms], 0
        if not norms:
            return found
        parameters = self.views(flat)
        try:
            for batch in self.batches:
                seen += batch.size
                for norm in norms:
                    norm.momentum = batch.size / seen  # the mean over all batches until now
                self.outputs(parameters, found, batch, training=True)
        finally:
            for norm, momentum in zip(norms, former, strict=True):
                norm.momentum = momentum
        return found


class ModuleObjective(Objective):
    """The loss of a single network as a function of its parameters.

    Args:
        module: The network; it is not changed.
        loss: Mean loss of a batch of outputs and labels.
        batches: Samples, which are read once.

    Raises:
        InvalidArgumentError: An argument of another type.
        LandscapeError: There are no samples.
    """

    def __init__(self, module: nn.Module, loss: Loss, batches: Batches) -> None:
        arguments.instance("module", module, nn.Module, "a torch.nn.Module", "give a network")
        if not callable(loss):
            raise InvalidArgumentError(
                f"loss must be a function of outputs and labels, got {arguments.described(loss)}; "
                "give torch.nn.functional.cross_entropy"
            )
        super().__init__(module, list(_batches(batches)))
        self._loss = loss
        if not self.names:
            raise LandscapeError(f"{type(module).__name__} has no parameters: its loss is flat")

    @property
    def flat(self) -> Flat:
        """The parameters of the module itself."""
        return self.flattened(dict(self.module.named_parameters()))

    @property
    def buffers(self) -> list[Tensor]:
        """The buffers of the module itself."""
        return [buffer.detach()[None].clone() for buffer in self.module.buffers()]

    def flattened(self, state: Mapping[str, Tensor]) -> Flat:
        """The parameters of another state of the network.

        Args:
            state: A ``state_dict``.

        Raises:
            InvalidArgumentError: It is no mapping.
            StateMismatchError: It lacks a parameter, or one has another shape.
        """
        arguments.state(state)
        parts = [
            _tensor(state, name, shape) for name, shape in zip(self.names, self.shapes, strict=True)
        ]
        return torch.cat([part.detach().reshape(-1) for part in parts])[None]

    def buffers_of(self, state: Mapping[str, Tensor]) -> list[Tensor]:
        """The buffers of another state, those that are not stored as the module has them.

        Args:
            state: A ``state_dict``.
        """
        own = dict(self.module.named_buffers())
        return [state.get(name, own[name]).detach()[None].clone() for name in self.buffer_names]

    def state(self, flat: Flat, buffers: Sequence[Tensor]) -> dict[str, Tensor]:
        """What ``load_state_dict`` takes.

        Args:
            flat: Parameters of one network.
            buffers: Its buffers.
        """
        tensors = [tensor[0].clone() for tensor in (*self.views(flat), *buffers)]
        values = dict(zip([*self.names, *self.buffer_names], tensors, strict=True))
        own = (*self.module.named_parameters(), *self.module.named_buffers())
        names = {id(tensor): name for name, tensor in own}  # tied ones have several
        state = self.module.state_dict(keep_vars=True)
        return {name: values[names[id(tensor)]] for name, tensor in state.items()}

    def outputs(
        self,
        parameters: Sequence[Tensor],
        buffers: Sequence[Tensor],
        batch: Batch,
        *,
        training: bool = False,
    ) -> Any:
        """See :class:`Objective`; outputs are those of the one network, as it gives them."""
        tensors = [tensor[0] for tensor in (*parameters, *buffers)]
        state = dict(zip([*self.names, *self.buffer_names], tensors, strict=True))
        for part in self.module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.train(training)
        try:
            if isinstance(batch.inputs, Mapping):
                return torch.func.functional_call(self.module, state, (), dict(batch.inputs))
            inputs = batch.inputs if isinstance(batch.inputs, tuple) else (batch.inputs,)
            return torch.func.functional_call(self.module, state, inputs)
        finally:
            self.module.eval()

    def losses(self, outputs: Any, batch: Batch) -> Float[Tensor, " 1"]:
        """See :class:`Objective`."""
        loss = self._loss(outputs, batch.labels)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise LandscapeError(
                "the loss of a batch must be one number, its mean, got "
                f"{arguments.described(loss)}; give torch.nn.functional.cross_entropy"
            )
        return loss.reshape(1)

    def errors(self, outputs: Any, batch: Batch) -> Float[Tensor, " 1"] | None:
        """See :class:`Objective`; labels are classes where they are whole numbers, one a sample."""
        labels = batch.labels
        is_classes = (
            isinstance(labels, Tensor)
            and labels.dtype == torch.int64
            and isinstance(outputs, Tensor)
            and outputs.ndim == labels.ndim + 1
        )
        if not is_classes:
            return None
        return (outputs.argmax(1) != labels).double().mean().reshape(1)


def _batches(batches: Batches) -> Iterable[Batch]:
    advice = "give a list of pairs of inputs and labels"
    if not isinstance(batches, Iterable):
        raise LandscapeError(
            f"batches must be a list, got {arguments.described(batches)}; {advice}"
        )
    count = 0
    for one in batches:
        if not isinstance(one, tuple | list) or len(one) != 2:
            raise LandscapeError(
                f"each of batches must be a pair, got {arguments.described(one)}; {advice}"
            )
        inputs, labels = one
        count += 1
        yield Batch(tuple(inputs) if isinstance(inputs, list) else inputs, labels, _size(inputs))
    if not count:
        raise LandscapeError(f"there is no data to measure on: batches is empty; {advice}")


def _size(inputs: Any) -> int:
    parts = list(inputs.values()) if isinstance(inputs, Mapping) else inputs
    first = parts[0] if isinstance(parts, list | tuple) and parts else parts
    if not isinstance(first, Tensor) or not first.ndim or not len(first):
        raise LandscapeError(
            "the inputs of a batch must be tensors of at least one sample, got "
            f"{arguments.described(first)}"
        )
    return len(first)


def _tensor(state: Mapping[str, Tensor], name: str, shape: torch.Size) -> Tensor:
    given = state.get(name)
    if given is None or given.shape != shape:
        got = "lacks it" if given is None else f"has {tuple(given.shape)}"
        raise StateMismatchError(
            f"{name} of the network has shape {tuple(shape)}, the state {got}; give the "
            "state_dict of the same architecture"
        )
    return given
