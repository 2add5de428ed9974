"""The loss of a single network of a user as a function of its parameters."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.errors import InvalidArgumentError, LandscapeError, StateMismatchError
from graphwsl.landscape.objective import Batch, Flat, Objective

Loss = Callable[[Any, Any], Tensor]
"""The mean loss of a batch, of the outputs and labels: ``torch.nn.functional.cross_entropy``."""

Batches = Iterable[tuple[Any, Any]]
"""Inputs and labels; inputs are a tensor, a tuple of arguments, or a mapping of named ones."""


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
            LandscapeError: A parameter is no tensor, or of another dtype than that of the module.
        """
        arguments.state(state)
        own = dict(self.module.named_parameters())
        parts = [_tensor(state, name, own[name]) for name in self.names]
        return torch.cat([part.detach().reshape(-1) for part in parts])[None]

    def buffers_of(self, state: Mapping[str, Tensor]) -> list[Tensor]:
        """The buffers of another state, those that are not stored as the module has them.

        Args:
            state: A ``state_dict``.
        """
        own = dict(self.module.named_buffers())
        found = [_tensor({name: own[name], **state}, name, own[name]) for name in self.buffer_names]
        return [buffer.detach()[None].clone() for buffer in found]

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


def _tensor(state: Mapping[str, Tensor], name: str, own: Tensor) -> Tensor:
    given = state.get(name)
    if given is not None and not isinstance(given, Tensor):
        raise LandscapeError(
            f"{name} of the state must be a tensor, got {arguments.described(given)}; give the "
            "state_dict of the network"
        )
    if given is None or given.shape != own.shape:
        got = "lacks it" if given is None else f"has {tuple(given.shape)}"
        raise StateMismatchError(
            f"{name} of the network has shape {tuple(own.shape)}, the state {got}; give the "
            "state_dict of the same architecture"
        )
    if given.dtype != own.dtype:
        raise LandscapeError(
            f"{name} of the network is of {own.dtype}, the state of {given.dtype}; convert either"
        )
    return given
