"""Views: symmetric copies of networks in bulk, other weights of the same functions.

>>> views(rows, symmetries(architecture.graph), generator)  # doctest: +SKIP
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import InvalidArgumentError, StateMismatchError
from graphwsl.symmetries.elements import Elements
from graphwsl.symmetries.entry_maps import moved
from graphwsl.symmetries.group import Symmetries

DRAWN, KNOWN = 2**19, 2**17
"""Entries that are moved at once: enough that small operations do not count, few enough that the
indices stay in the cache of a processor."""


def views(
    rows: Shaped[Tensor, "networks entries"],
    symmetries: Symmetries,
    generator: torch.Generator | None = None,
    **options: Any,
) -> Shaped[Tensor, "networks entries"]:
    """Every row moved by an element of its own.

    Args:
        rows: Flattened states, such as those of ``Population.rows``.
        symmetries: Symmetries of their architecture.
        generator: Source of randomness.
        options: ``permutations``, ``scalings``, ``signs`` and ``largest_factor`` of
            :meth:`graphwsl.symmetries.Symmetries.draw`: all kinds by default, with factors between
            1/2 and 2.

    Returns:
        Rows of the same functions, in the type of ``rows``. Permutations and signs change no bit
        of a number but its sign; other factors are rounded once.

    Raises:
        StateMismatchError: The rows are of another architecture.
    """
    _require_symmetries(symmetries)
    maps = symmetries.entry_maps
    maps.check(rows)
    out = torch.empty_like(rows)
    for part in _parts(rows, DRAWN):
        elements = symmetries.draw(len(rows[part]), generator, **options)
        maps.apply(elements, rows[part], out[part])
    return out


@dataclass(frozen=True)
class ViewBank:
    """Elements that are worked out once and used many times.

    Attributes:
        sources: The entry whose value each entry takes, shape ``(elements, entries)``.
        factors: What that value is multiplied with, shape ``(elements, entries)``; none where
            nothing is.
    """

    sources: Int[Tensor, "elements entries"]
    factors: Shaped[Tensor, "elements entries"] | None

    @classmethod
    def of(cls, symmetries: Symmetries, elements: Elements) -> "ViewBank":
        """The bank of these elements, which takes 8 bytes an entry of each, with factors 16."""
        maps = symmetries.entry_maps
        return cls(maps.sources(elements), maps.factors(elements, torch.get_default_dtype()))

    @classmethod
    def draw(
        cls,
        symmetries: Symmetries,
        count: int,
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> "ViewBank":
        """A bank of random elements.

        Args:
            symmetries: Symmetries of the architecture.
            count: How many elements.
            generator: Source of randomness.
            options: As those of :func:`views`.
        """
        _require_symmetries(symmetries)
        return cls.of(symmetries, symmetries.draw(count, generator, **options))

    def __len__(self) -> int:
        return len(self.sources)

    def apply(
        self, rows: Shaped[Tensor, "networks entries"], numbers: Int[Tensor, " networks"]
    ) -> Shaped[Tensor, "networks entries"]:
        """Every row moved by the element of that number.

        Args:
            rows: Flattened states.
            numbers: The number of an element for each row.

        Raises:
            StateMismatchError: The rows are of another architecture.
            InvalidArgumentError: The numbers are not those of an element a row.
        """
        arguments.rows("rows", rows)
        _require_numbers(numbers, len(rows), len(self))
        if rows.shape[1] != self.sources.shape[1]:
            raise StateMismatchError(
                f"the rows have {rows.shape[1]:,} numbers, the elements of this bank move "
                f"{self.sources.shape[1]:,}; give rows of the architecture that it was made for"
            )
        out = torch.empty_like(rows)
        for part in _parts(rows, KNOWN):
            factors = None
            if self.factors is not None:
                factors = self.factors.index_select(0, numbers[part])
            moved(rows[part], self.sources.index_select(0, numbers[part]), factors, out[part])
        return out

    def views(
        self, rows: Shaped[Tensor, "networks entries"], generator: torch.Generator | None = None
    ) -> Shaped[Tensor, "networks entries"]:
        """Every row moved by an element that is drawn from the bank.

        Args:
            rows: Flattened states.
            generator: Source of randomness.

        Raises:
            InvalidArgumentError: The bank is empty.
        """
        arguments.rows("rows", rows)
        if not len(self):
            raise InvalidArgumentError("the bank has no elements to draw from; draw at least one")
        return self.apply(rows, torch.randint(len(self), (len(rows),), generator=generator))


def _require_symmetries(value: Any) -> None:
    advice = "give graphwsl.symmetries.symmetries(graph) of the networks"
    arguments.instance("symmetries", value, Symmetries, "Symmetries", advice)


def _require_numbers(numbers: Any, rows: int, elements: int) -> None:
    is_list = isinstance(numbers, Tensor) and numbers.dtype == torch.int64
    if not is_list or numbers.shape != (rows,):
        raise InvalidArgumentError(
            f"numbers must be a tensor of {rows:,} integers, one a row, got "
            f"{arguments.described(numbers)}"
        )
    if rows and not (int(numbers.min()) >= 0 and int(numbers.max()) < elements):
        raise InvalidArgumentError(
            f"numbers must be from 0 to {elements - 1}, got {int(numbers.min())} to "
            f"{int(numbers.max())}; the bank has {elements:,} elements"
        )


def _parts(rows: Shaped[Tensor, "networks entries"], entries: int) -> Iterator[slice]:
    """Rows that are moved together: as many as have so many entries, at least one."""
    count = max(entries // max(rows.shape[1], 1), 1)
    for start in range(0, len(rows), count):
        yield slice(start, start + count)
