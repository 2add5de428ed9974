"""Data that are rows of numbers: in memory, of unequal lengths, or read batch by batch."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gnncore.errors import TrainingError
from gnncore.training.dataset import Dataset, Items, item_numbers
from gnncore.training.rows import Column, LazyRows, RaggedRows, bytes_of, num_rows


class TensorBatch(dict[str, Any]):
    """Some items of a :class:`TensorStore`, by the names of the columns.

    >>> batch = TensorBatch(x=torch.zeros(3, 2))
    >>> batch.y = torch.ones(3)
    >>> batch["x"].shape, batch.y.shape, batch.get("weight")
    (torch.Size([3, 2]), torch.Size([3]), None)
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"the batch has no {name!r}, only {', '.join(self) or 'nothing'}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "TensorBatch":
        """The batch on another device."""
        moved = {name: v.to(device, non_blocking=non_blocking) for name, v in self.items()}
        return TensorBatch(moved)


class TensorStore(Dataset):
    """Columns with one entry an item, from which batches are taken by number.

    >>> rows = TensorStore(x=torch.randn(5, 3), y=torch.rand(5))
    >>> rows
    TensorStore(items=5, x=[5, 3], y=[5])
    >>> rows.batch([4, 0]).x.shape
    torch.Size([2, 3])

    A model is called as ``model(x)`` if nothing else is said (``forward`` of
    :func:`gnncore.training.fit`). Labels are ``y``, ``y_mask`` and ``weight``, as everywhere.

    Args:
        **columns: Tensors, whose first dimension counts the items, :class:`RaggedRows` or
            :class:`LazyRows`. A name must not be that of a method of ``dict``.

    Attributes:
        columns: Tensors by name, one row an item.

    Raises:
        TrainingError: No columns, columns of unequal lengths, a label that is no plain tensor, a
            name that batches need themselves.
    """

    columns: Mapping[str, Column]

    def __init__(self, **columns: Column) -> None:
        _check(columns)
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @cached_property
    def num_rows(self) -> int:
        """Rows of ``x``, or of the first column where none is called so; see :class:`Dataset`."""
        return num_rows(self.columns.get("x", next(iter(self.columns.values()))))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of names, types and values; equal stores have equal hashes."""
        digest = hashlib.sha256()
        for name, column in sorted(self.columns.items()):
            for part in bytes_of(name, column):
                digest.update(part)
        return digest.hexdigest()

    def batch(self, items: Items) -> TensorBatch:
        """See :meth:`Dataset.batch`; what is in files is read."""
        chosen = self._numbers(items)
        if not len(chosen):
            raise TrainingError("a batch needs at least one item, got no numbers")
        taken = _take(self.columns, chosen)
        return TensorBatch(
            {n: c.load() if isinstance(c, LazyRows) else c for n, c in taken.items()}
        )

    def whole(self) -> TensorBatch:
        """All items; shares the store's columns, and leaves in files what is there."""
        if not len(self):
            raise TrainingError("a batch needs at least one item, the store is empty")
        return TensorBatch(self.columns)

    def select(self, items: Items) -> "TensorStore":
        """See :meth:`Dataset.select`; a copy."""
        return TensorStore(**_take(self.columns, self._numbers(items)))

    def to(self, device: torch.device | str) -> "TensorStore":
        """The store on another device; what is in files stays there."""
        return TensorStore(**{name: column.to(device) for name, column in self.columns.items()})

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}={_shape(column)}" for name, column in self.columns.items())
        return f"TensorStore(items={len(self)}, {shapes})"

    def _numbers(self, items: Items) -> Tensor:
        return item_numbers(items, len(self), f"a store of {len(self)}")


def _take(columns: Mapping[str, Column], items: Tensor) -> dict[str, Column]:
    return {
        name: column.index_select(0, items.to(column.device))
        if isinstance(column, Tensor)
        else column.take(items)
        for name, column in columns.items()
    }


def _check(columns: Mapping[str, Column]) -> None:
    if not columns:
        raise TrainingError("a store needs at least one column, such as x")
    first = next(iter(columns))
    for name, column in columns.items():
        if name in _TAKEN:
            raise TrainingError(f"no column may be called {name!r}, which batches need")
        if isinstance(column, Tensor) and not column.ndim:
            raise TrainingError(f"column {name!r} is a single number, not one entry an item")
        if name in ("y", "y_mask", "weight") and not isinstance(column, Tensor):
            raise TrainingError(f"{name} must be a plain tensor, got a {type(column).__name__}")
        if len(column) != len(columns[first]):
            raise TrainingError(
                f"column {name!r} has {len(column)} entries, {first!r} has {len(columns[first])}"
            )


def _shape(column: Column) -> str:
    if isinstance(column, RaggedRows):
        return f"[{len(column)}, ragged]"
    if isinstance(column, LazyRows):
        return f"[{len(column)}, unread]"
    return str(list(column.shape))


_TAKEN = frozenset(dir(TensorBatch))
