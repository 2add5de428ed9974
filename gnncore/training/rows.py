"""Columns of a tensor store that are no plain tensor: rows of unequal lengths, rows in files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from gnncore.errors import TrainingError


@dataclass(frozen=True, eq=False)
class RaggedRows:
    """Rows of unequal lengths, one after the other.

    >>> ragged = RaggedRows.of([torch.tensor([1.0, 2.0]), torch.tensor([3.0])])
    >>> ragged.take(torch.tensor([1, 0, 1])).values.tolist()
    [3.0, 1.0, 2.0, 3.0]

    Attributes:
        values: All rows; they may have further dimensions.
        lengths: Length of every row, on the CPU.

    Raises:
        TrainingError: The lengths do not add up to the entries.
    """

    values: Shaped[Tensor, "entries ..."]
    lengths: Int[Tensor, " rows"]

    def __post_init__(self) -> None:
        if int(self.lengths.sum()) != len(self.values) or bool((self.lengths < 0).any()):
            raise TrainingError(
                f"lengths of ragged rows must add up to their {len(self.values)} entries, got "
                f"{int(self.lengths.sum())}"
            )

    @classmethod
    def of(cls, rows: Sequence[Tensor]) -> "RaggedRows":
        """Rows that differ in their first dimension alone.

        Raises:
            TrainingError: No rows, or rows that differ in type or in another dimension.
        """
        kinds = {(row.dtype, row.shape[1:]) for row in rows}
        if len(kinds) != 1 or any(not row.ndim for row in rows):
            shapes = sorted({f"{row.dtype} of shape {tuple(row.shape)}" for row in rows})
            raise TrainingError(
                "ragged rows are tensors that differ in their length alone, got "
                + (", ".join(shapes[:3]) or "none")
            )
        return cls(torch.cat(list(rows)), torch.tensor([len(row) for row in rows]))

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def starts(self) -> Int[Tensor, " rows"]:
        """Where every row begins in ``values``."""
        return self.lengths.cumsum(0) - self.lengths

    def rows(self) -> tuple[Shaped[Tensor, "length ..."], ...]:
        """The rows, as views."""
        return self.values.split(self.lengths.tolist())

    def matrix(self) -> Shaped[Tensor, "rows length ..."]:
        """The rows below each other, as a view, if all have one length.

        Raises:
            TrainingError: They have several.
        """
        found = self.lengths.unique().tolist()
        if len(found) != 1:
            raise TrainingError(
                f"rows of {len(found)} lengths ({', '.join(map(str, found[:3]))}) are no matrix"
            )
        return self.values.view(len(self), found[0], *self.values.shape[1:])

    def take(self, rows: Int[Tensor, " chosen"]) -> "RaggedRows":
        """These rows, in this order; a copy."""
        lengths = self.lengths[rows]
        if not len(rows):
            return RaggedRows(self.values[:0], lengths)
        # Rows are contiguous, so that copying them one by one costs less than an index an entry.
        pairs = zip(self.starts[rows].tolist(), lengths.tolist(), strict=True)
        return RaggedRows(torch.cat([self.values.narrow(0, *pair) for pair in pairs]), lengths)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "RaggedRows":
        """The rows on another device."""
        values = self.values.to(device, non_blocking=non_blocking)
        return self if values is self.values else RaggedRows(values, self.lengths)


@dataclass(frozen=True, eq=False)
class LazyRows:
    """Rows that are read when a batch needs them, such as large weights, each in a file.

    Nothing is kept: every pass reads every row once.

    Attributes:
        keys: What is read for every row: paths, numbers of a data set.
        read: Gives the row of a key, the same every time, on the CPU.
        ragged: Rows have unequal lengths, and batches hold them as :class:`RaggedRows`.
        fingerprint: Tells the rows from any others, such as a checksum in a manifest; without it
            all are read once wherever their content must be known, as when a training resumes.
    """

    keys: Sequence[Any]
    read: Callable[[Any], Tensor] = field(repr=False)
    ragged: bool = False
    fingerprint: str | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Int[Tensor, " chosen"]) -> "LazyRows":
        """These rows, in this order, still unread."""
        chosen = [self.keys[row] for row in rows.tolist()]
        return LazyRows(chosen, self.read, self.ragged, self.fingerprint)

    def load(self) -> Shaped[Tensor, "rows ..."] | RaggedRows:
        """All rows, read into memory.

        Raises:
            TrainingError: They do not fit together.
        """
        rows = [self.read(key) for key in self.keys]
        if self.ragged:
            return RaggedRows.of(rows)
        if len({(row.shape, row.dtype) for row in rows}) != 1:
            shapes = sorted({str(tuple(row.shape)) for row in rows})
            raise TrainingError(
                f"rows of one batch have shapes {' and '.join(shapes[:3])}, or several types; set "
                "ragged where lengths differ"
            )
        return torch.stack(rows)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "LazyRows":
        """The same: what has not been read is nowhere."""
        del device, non_blocking
        return self


Column = Tensor | RaggedRows | LazyRows
"""One entry an item: along the first dimension, of unequal lengths, or read when needed."""


def num_rows(column: Column) -> int:
    """Rows that a layer works on: all but the last dimension; entries, where they are ragged."""
    if isinstance(column, RaggedRows):
        return len(column.values)
    if isinstance(column, LazyRows):
        if not len(column):
            return 0
        first = column.read(column.keys[0])
        each = len(first) if column.ragged else num_rows(first[None])
        return each * len(column)
    return column[..., 0].numel() if column.ndim > 1 else len(column)


def bytes_of(name: str, column: Column) -> Iterator[bytes | memoryview]:
    """What a hash of a column must depend on: type, shape and values."""
    if isinstance(column, RaggedRows):
        yield from bytes_of(f"{name} lengths", column.lengths)
        yield from bytes_of(f"{name} values", column.values)
    elif isinstance(column, LazyRows):
        yield f"{name} read {len(column)} {column.ragged} ".encode()
        if column.fingerprint is not None:
            yield f"{column.fingerprint} {list(column.keys)!r} ".encode()
            return
        for key in column.keys:
            yield from bytes_of("row", column.read(key))
    else:
        yield f"{name} {column.dtype} {tuple(column.shape)} ".encode()
        flat = column.detach().cpu().contiguous().reshape(-1)
        yield flat.view(torch.uint8).numpy().data  # NumPy lacks some of the types, bfloat16 for one
