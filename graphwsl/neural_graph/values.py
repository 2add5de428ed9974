"""What is known of a value while a program is followed."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

MOVED = -1
"""The origin of an activation whose units are at other positions than before."""

Entries = Int[Tensor, "..."]
"""Indices into the flattened state, in the shape of the value; -1 where there is none."""


@dataclass(frozen=True)
class Value:
    """A tensor with its origin: the inputs, the weights, or neither.

    Attributes:
        tensor: The value on the example inputs.
        units: For an activation, the unit of every element, in its shape.
        entries: For weights, the parameter entries that each element is made of, in its shape;
            several when it is computed from several parameters, none for mere statistics of them.
        changes: For weights that are no multiple of their entries, numbers in its shape: elements
            with different ones are made differently (:mod:`graphwsl.neural_graph.changes`).
        positions: For an activation that holds copies, numbers in its shape: elements of equal unit
            and number are copies of one another. None where no copies are known of.
        coupled: For a statistic of weights, entries and those that must be permuted along with
            them, as pairs of tensors of one shape.
        origin: For weights, a number of the expression that makes them of parameters; 0 for
            parameters themselves, in whatever order. For an activation, the version of its units
            (:mod:`graphwsl.neural_graph.versions`).
    """

    tensor: Tensor
    units: Int[Tensor, "..."] | None = None
    entries: tuple[Int[Tensor, "..."], ...] | None = None
    changes: Int[Tensor, "..."] | None = None
    positions: Int[Tensor, "..."] | None = None
    coupled: tuple[tuple[Int[Tensor, "..."], Int[Tensor, "..."]], ...] = ()
    origin: int = 0

    @property
    def is_activation(self) -> bool:
        """Whether it depends on the inputs."""
        return self.units is not None

    @property
    def is_weights(self) -> bool:
        """Whether it depends on the weights alone."""
        return self.units is None and self.entries is not None

    @property
    def is_constant(self) -> bool:
        """Whether it depends on neither."""
        return self.units is None and self.entries is None

    @property
    def known_units(self) -> Int[Tensor, "..."]:
        """The units of an activation."""
        assert self.units is not None
        return self.units

    def with_units(self, units: Int[Tensor, "..."]) -> "Value":
        """An activation of these units, which are repeated to the shape of the value."""
        return Value(self.tensor, units.expand(self.tensor.shape))

    def rearranged(self, tensor: Tensor, operator: Callable[[Tensor], Tensor]) -> "Value":
        """The same rearrangement of the elements in units and entries."""
        units = None if self.units is None else operator(self.units)
        entries = self.entries
        if entries is not None:
            entries = tuple(operator(one) for one in entries)
        changes = None if self.changes is None else operator(self.changes)
        positions = None if self.positions is None else operator(self.positions)
        return Value(tensor, units, entries, changes, positions, self.coupled, self.origin)

    def copied(self, tensor: Tensor, operator: Callable[[Tensor], Tensor]) -> "Value":
        """A rearrangement that may repeat elements, which are then known as copies."""
        value = self
        if self.is_activation and self.positions is None and tensor.numel() > self.tensor.numel():
            numbers = torch.arange(self.tensor.numel()).view(self.tensor.shape)
            value = replace(self, positions=numbers)
        return value.rearranged(tensor, operator)


def nothing_like(tensor: Tensor) -> Int[Tensor, "..."]:
    """No unit, or no entry, at any index."""
    return torch.full((1,) * tensor.ndim, -1).expand(tensor.shape)


def mixed(numbers: Int[Tensor, " values"]) -> Int[Tensor, " values"]:
    """Numbers spread over 64 bits, so that sums of them are hashes of lists."""
    mixed = numbers * -7046029254386353131
    mixed = mixed ^ (mixed >> 29)
    return mixed * -4658895280553007687
