"""What symmetries do to a flattened state: an index and a factor for every entry.

Entry ``i`` of the moved state is entry ``sources[i]`` of the state, times ``factors[i]``. Many
elements are worked out at once, and each is then applied by one gather.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import StateMismatchError
from graphwsl.neural_graph.elements import EdgeBlock, NodeParameter
from graphwsl.neural_graph.entries import repeated
from graphwsl.neural_graph.graph import NeuralGraph, is_weights
from graphwsl.symmetries.element import follows_factor, index_lookup
from graphwsl.symmetries.elements import Elements


class EntryMaps:
    """The way from nodes to entries, prepared for an architecture.

    Args:
        graph: The network's graph; its weights do not matter.
    """

    def __init__(self, graph: NeuralGraph) -> None:
        self.graph = graph
        sizes = [(is_weights(tensor), tensor.numel()) for tensor in graph.state.values()]
        self.num_entries = sum(size for _, size in sizes)
        # Integers steer the network and stay, as they do when an element is applied.
        is_weight = torch.cat(
            [torch.zeros(0, dtype=torch.bool), *(torch.full((n,), some) for some, n in sizes)]
        )
        is_shared = repeated(self.num_entries, (use.entries for use in graph.uses))
        self._uses = [_Use(use, is_weight, is_shared) for use in graph.uses]
        ends = [end for use in self._uses for end in (use.targets, use.read)]
        self._nodes = torch.cat([torch.zeros(0, dtype=torch.int64), *ends])
        self._end = torch.arange(len(ends)).repeat_interleave(
            torch.tensor([*map(len, ends)]).long()
        )
        is_left = torch.ones(self.num_entries, dtype=torch.bool)
        for use in self._uses:
            if use.is_run:
                is_left[use.run] = False
        self._left = torch.nonzero(is_left).flatten()

    def sources(self, elements: Elements) -> Int[Tensor, "elements entries"]:
        """The entry whose value each entry takes."""
        origin = elements.origin
        changes = self._ends((origin != torch.arange(origin.shape[1])).any(dim=0))
        sources = torch.empty(len(elements), self.num_entries, dtype=torch.int64)
        if len(self._left):
            sources[:, self._left] = self._left
        for use, (rows, columns) in zip(self._uses, changes, strict=True):
            if rows or columns:
                use.write_sources(sources, origin, rows, columns)
            elif use.is_run:
                sources[:, use.run] = torch.arange(use.run.start, use.run.stop)
        return sources

    def factors(
        self, elements: Elements, dtype: torch.dtype = torch.float64
    ) -> Shaped[Tensor, "elements entries"] | None:
        """What each entry's value is multiplied with; none where nothing is.

        Args:
            elements: The elements.
            dtype: Data type of the factors if all are 1 or -1; others are in double precision.
        """
        if bool((elements.factors == 1).all()):
            return None
        by_node = elements.factors.gather(1, elements.origin)
        if bool((by_node.abs() == 1).all()):
            by_node = by_node.to(dtype)
        factors = torch.ones(len(elements), self.num_entries, dtype=by_node.dtype)
        changes = self._ends((by_node != 1).any(dim=0))
        for use, (rows, columns) in zip(self._uses, changes, strict=True):
            if rows or columns:
                use.write_factors(factors, by_node)
        return factors

    def apply(
        self,
        elements: Elements,
        rows: Shaped[Tensor, "elements entries"],
        out: Shaped[Tensor, "elements entries"] | None = None,
    ) -> Shaped[Tensor, "elements entries"]:
        """Flattened states, each moved by the element of its number.

        Args:
            elements: The elements.
            rows: Flattened states.
            out: Where the result goes, if not into a tensor of its own.

        Raises:
            StateMismatchError: The rows are of another architecture.
        """
        self.check(rows)
        real = rows.real.dtype if rows.is_complex() else rows.dtype
        return moved(rows, self.sources(elements), self.factors(elements, real), out)

    def check(self, rows: Shaped[Tensor, "networks entries"]) -> None:
        """Check that rows are flattened states of the architecture.

        Raises:
            StateMismatchError: They are of another architecture.
            InvalidArgumentError: They are no matrix of numbers in floating point.
        """
        arguments.rows("rows", rows)
        if rows.shape[1] != self.num_entries:
            raise StateMismatchError(
                f"the rows have {rows.shape[1]:,} numbers, a network of these symmetries has "
                f"{self.num_entries:,}; give rows of its own architecture"
            )

    def _ends(self, changes: Bool[Tensor, " nodes"]) -> list[tuple[bool, bool]]:
        """For every use, whether something changes at its targets, and at its sources."""
        counts = torch.zeros(2 * len(self._uses), dtype=torch.int64)
        counts.index_add_(0, self._end, changes[self._nodes].long())
        return [(bool(rows), bool(columns)) for rows, columns in counts.view(-1, 2).tolist()]


def moved(
    rows: Shaped[Tensor, "networks entries"],
    sources: Int[Tensor, "networks entries"],
    factors: Shaped[Tensor, "networks entries"] | None,
    out: Shaped[Tensor, "networks entries"] | None = None,
) -> Shaped[Tensor, "networks entries"]:
    """Rows after their maps, rounded once; not a bit of them changes where there are no factors."""
    out = torch.empty_like(rows) if out is None else out
    torch.gather(rows, 1, sources.to(rows.device), out=out)
    if factors is None:
        return out
    return torch.mul(out, factors.to(rows.device), out=out)


class _Use:
    """One use of entries, with the rows and columns of its nodes.

    Attributes:
        targets: Its targets, shape ``(groups * targets,)``.
        read: Its sources, constant zeros left away, shape ``(sources,)``.
        run: Where its entries are, if they are successive and stand here alone.
        is_run: Whether that is so.
    """

    def __init__(
        self,
        use: EdgeBlock | NodeParameter,
        is_weight: Bool[Tensor, " entries"],
        is_shared: Bool[Tensor, " entries"],
    ) -> None:
        self._entries = use.entries.reshape(-1)
        if isinstance(use, EdgeBlock):
            self._shape = tuple(use.entries.shape)
            targets, self._sources = use.targets.reshape(1, -1), use.sources
            # A target is there once.
            self._row = _lookup(targets, torch.zeros_like(targets))
            self._column = _lookup(use.sources, use.tags)
        else:  # one group of as many targets as there are values, which read nothing
            self._shape = (1, len(use.nodes), 1, 1)
            targets, self._sources = use.nodes[None], use.nodes.new_full((1, 1), -1)
            self._row = _lookup(targets, use.tags[None])
            self._column = _lookup(self._sources, torch.zeros_like(self._sources))
        self._takes_factor = isinstance(use, EdgeBlock) or follows_factor(use)
        self.targets, self.read = targets[0], self._sources[self._sources >= 0]
        self._is_kept = (self._entries >= 0) & is_weight[self._entries.clamp(min=0)]
        self._own = self._entries[self._is_kept]
        self._is_shared = bool(is_shared[self._own].any())
        start = int(self._entries[0]) if len(self._entries) else 0
        self.run = slice(start, start + len(self._entries))
        self.is_run = (
            not self._is_shared
            and bool(self._is_kept.all())
            and torch.equal(self._entries, torch.arange(self.run.start, self.run.stop))
        )

    def write_sources(
        self,
        sources: Int[Tensor, "elements entries"],
        origin: Int[Tensor, "elements nodes"],
        rows_move: bool,
        columns_move: bool,
    ) -> None:
        """Where the entries come from, if nodes come from ``origin``."""
        groups, count, width, kernel = self._shape
        # The table of entries has a row for every target and columns for every source.
        row = torch.arange(groups * count).view(1, groups, count)
        if rows_move:
            there = origin.index_select(1, self.targets)[:, None]
            row = self._row(there, 0).view(-1, groups, count)
        column = torch.arange(width).expand(1, groups, width)
        if columns_move or groups > 1:
            there = origin.index_select(1, self._sources.flatten().clamp(min=0))
            there = there.view(-1, groups, width).where(self._sources >= 0, -1)
            column = self._column(there, row[:, :, 0] // count)
        column = column[..., None] * kernel + torch.arange(kernel)
        column = column.view(-1, groups, 1, width * kernel)
        row = row[..., None] * (width * kernel)
        if self.is_run:
            torch.add(row + self.run.start, column, out=self._within(sources))
            return
        position = (row + column).flatten(1)
        values = self._entries[position[:, self._is_kept]].expand(len(sources), -1)
        # Elements without an entry stand for constant zeros, which nothing moves to or from. Of an
        # entry that is used twice, the use whose nodes move has the say.
        values = values.where(values >= 0, self._own)
        if self._is_shared:
            values = values.where(values != self._own, sources[:, self._own])
        sources[:, self._own] = values

    def write_factors(
        self,
        factors: Shaped[Tensor, "elements entries"],
        by_node: Shaped[Tensor, "elements nodes"],
    ) -> None:
        """What the values that the entries take are multiplied with."""
        if not self._takes_factor:
            return
        groups, count, width, kernel = self._shape
        above = by_node.index_select(1, self.targets).view(-1, groups, count, 1)
        below = by_node.index_select(1, self._sources.flatten().clamp(min=0))
        below = below.view(-1, groups, width).where(self._sources >= 0, 1.0)
        below = below.repeat_interleave(kernel, dim=2)[:, :, None]
        if self.is_run:
            torch.div(above, below, out=self._within(factors))
            return
        values = (above / below).flatten(1)[:, self._is_kept]
        if self._is_shared:
            values = values.where(values != 1, factors[:, self._own])
        factors[:, self._own] = values

    def _within(self, whole: Shaped[Tensor, "elements entries"]) -> Tensor:
        """The entries of the use among all, shape ``(elements, groups, targets, weights)``."""
        groups, count, width, kernel = self._shape
        return whole[:, self.run].view(-1, groups, count, width * kernel)


def _lookup(
    nodes: Int[Tensor, "groups nodes"], tags: Int[Tensor, "groups nodes"]
) -> Callable[[Tensor, Tensor | int], Tensor]:
    """Where nodes are, as :func:`index_lookup` has it; a table where there is one group."""
    if len(nodes) > 1:
        return index_lookup(nodes, tags)
    order = tags[0].argsort(stable=True)
    order = order[nodes[0, order].argsort(stable=True)]
    ordered, first = nodes[0, order], int(nodes.min())
    start = torch.searchsorted(ordered, torch.arange(first, int(nodes.max()) + 1))
    # Positions of a node in the order of their tags go to those of another in that order.
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order)) - start[ordered - first]

    def find(some: Tensor, group: Tensor | int) -> Tensor:
        return order[start[some - first] + rank]

    return find
