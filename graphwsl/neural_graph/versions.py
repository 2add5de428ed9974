"""Which of its values a unit has: before a function, after it, at later positions.

A function leaves units their numbers, so that one unit has several values in a program. Where parts
of several are put together, units of which one was taken before the function and the other after it
cannot be exchanged.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, fx

from graphwsl.neural_graph.colouring import colour_by
from graphwsl.neural_graph.units import NOTHING, UnitTable, reduced, varying_dims
from graphwsl.neural_graph.values import MOVED, Value

Known = tuple[Int[Tensor, " units"], Int[Tensor, " units"]]
"""Units in order, and which of the versions of each a version is."""


@dataclass(eq=False)
class Versions:
    """The versions of all units, in the order in which a program makes them."""

    _numbers: dict[Any, int] = field(default_factory=dict)
    _of_nodes: dict[fx.Node, int] = field(default_factory=dict)
    _known: dict[int, Known] = field(default_factory=dict)
    _counts: Int[Tensor, " units"] = field(
        default_factory=lambda: torch.zeros(0, dtype=torch.int64)
    )

    def noted(self, node: fx.Node, result: Any, *, moves: bool) -> Any:
        """The results of an operator, as versions of their units.

        Args:
            node: The operator.
            result: A value, or several.
            moves: Whether the operator only moves elements: what it has not moved is the same
                version as before.
        """
        number = self._number(node)
        if isinstance(result, Value):
            return self._noted(number, result, moves=moves)
        if not isinstance(result, list | tuple):
            return result
        parts = (self._numbers.setdefault((number, i), len(self._numbers) + 1)
                 for i in range(len(result)))  # fmt: skip
        return tuple(
            self._noted(part, one, moves=moves) if isinstance(one, Value) else one
            for part, one in zip(parts, result, strict=True)
        )

    def renew(self, former: fx.Node, node: fx.Node) -> None:
        """What an operator has written into another value is from now on that value.

        Args:
            former: The value.
            node: The operator.
        """
        self._of_nodes[former] = self._of_nodes[node]

    def colour_joined(self, table: UnitTable, values: list[Value], operator: Any) -> None:
        """Colour units by the versions of them that are put together.

        Args:
            table: All units.
            values: Activations, among them constants whose units are nothing.
            operator: Joins tensors as the values are joined.
        """
        if len({one.origin for one in values if bool((one.known_units != NOTHING).any())}) < 2:
            return
        units = operator([one.known_units for one in values])
        marks = operator([self._marks(one).expand(one.tensor.shape) for one in values])
        dims = sorted({*varying_dims(units), *varying_dims(marks)})
        colour_by(table, reduced(units, dims).flatten(), reduced(marks, dims).flatten())

    def _number(self, node: fx.Node) -> int:
        """A number of what an operator computes: the same for the same operator on the same."""

        def of(one: Any) -> Any:
            return f"%{self._of_nodes[one]}" if one in self._of_nodes else one.name

        key = (str(node.target), repr(fx.map_arg((node.args, node.kwargs), of)))
        number = self._numbers.setdefault(key, len(self._numbers) + 1)
        self._of_nodes[node] = number
        return number

    def _noted(self, number: int, value: Value, *, moves: bool) -> Value:
        if not value.is_activation or (moves and value.origin != MOVED):
            return value
        distinct = reduced(value.known_units, varying_dims(value.known_units)).unique()
        distinct = distinct[distinct != NOTHING]
        if len(distinct):
            self._note(number, distinct)
        return replace(value, origin=number)

    def _note(self, version: int, units: Int[Tensor, " units"]) -> None:
        known, ranks = self._known.get(version, (units[:0], units[:0]))
        fresh = units[~torch.isin(units, known)]
        if not len(fresh):
            return
        missing = int(fresh.max()) + 1 - len(self._counts)
        if missing > 0:
            self._counts = torch.cat([self._counts, self._counts.new_zeros(missing)])
        self._counts[fresh] += 1
        known, order = torch.cat([known, fresh]).sort()
        self._known[version] = known, torch.cat([ranks, self._counts[fresh]])[order]

    def _marks(self, value: Value) -> Int[Tensor, "..."]:
        """Which of the versions of its unit each element is; 0 for what no operator has made."""
        units = reduced(value.known_units, varying_dims(value.known_units))
        if value.origin not in self._known:
            return torch.zeros_like(units)
        known, ranks = self._known[value.origin]
        place = torch.searchsorted(known, units.contiguous()).clamp(max=len(known) - 1)
        return torch.where(known[place] == units, ranks[place], 0)
