"""What training asks of data, whatever the data are: graphs, rows of numbers, files that are read
when their turn comes."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, Self, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from gnncore.errors import TrainingError

Items = Sequence[int] | Tensor
"""Numbers of items, counted from 0; repetitions are allowed."""


@runtime_checkable
class Batch(Protocol):
    """Several items together: named tensors, such as ``x``, ``y``, ``y_mask`` and ``weight``.

    Batches of PyG and :class:`gnncore.training.TensorBatch` are such.
    """

    def __getitem__(self, name: str, /) -> Any:
        """What has this name."""
        ...

    def __contains__(self, name: str, /) -> bool:
        """Whether there is something of this name."""
        ...

    def get(self, name: str, /) -> Any:
        """What has this name; None where there is nothing."""
        ...

    def keys(self) -> Iterable[str]:
        """The names of all tensors in the batch."""
        ...

    def to(self, device: torch.device | str, /, *, non_blocking: bool = False) -> Self:
        """The batch on another device."""
        ...


class Dataset(ABC):
    """Numbered items that can be batched by their numbers.

    :class:`gnncore.training.GraphStore` and :class:`gnncore.training.TensorStore` are data sets;
    so is every subclass that says the following.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Number of items."""

    @property
    @abstractmethod
    def num_rows(self) -> int:
        """Rows that a layer works on, of all items together: nodes of graphs, rows of tensors.

        How many threads a network is worth follows from it (:mod:`gnncore.training.threads`).
        """

    @property
    @abstractmethod
    def content_hash(self) -> str:
        """SHA-256 of everything that training can see; a run resumes only with the same data."""

    @abstractmethod
    def batch(self, items: Items) -> Batch:
        """These items together, in this order.

        Raises:
            TrainingError: No item, or a number that none has.
        """

    @abstractmethod
    def whole(self) -> Batch:
        """All items as one batch, from which objectives take the labels.

        What is read from files item by item may stay unread here.

        Raises:
            TrainingError: There are no items.
        """

    @abstractmethod
    def select(self, items: Items) -> Self:
        """A data set of these items, in this order.

        Raises:
            TrainingError: A number that no item has.
        """

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """The data set on another device, as far as it lies in memory."""


def item_numbers(items: Items, count: int, where: str) -> Int[Tensor, " items"]:
    """Numbers as a tensor on the CPU, all of them below ``count``.

    Args:
        items: The numbers.
        count: Number of items that there are.
        where: What they are items of, for the message.

    Raises:
        TrainingError: A number that no item has.
    """
    numbers = torch.as_tensor(items, dtype=torch.int64).cpu()
    bad = numbers[(numbers < 0) | (numbers >= count)]
    if len(bad):
        raise TrainingError(f"{int(bad[0])} is no item of {where}")
    return numbers
