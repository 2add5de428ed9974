"""Entries that are used several times: a permutation must send each of them to one entry only.

Relations between nodes say which tied weights move together as far as whole axes are shared. What
else there is (the same entries in another order: circulant, Toeplitz and Kronecker matrices) shows
here: an exchange of nodes that asks different things of one entry is no symmetry.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.elements import EdgeBlock, NodeParameter
from graphwsl.neural_graph.entries import held
from graphwsl.neural_graph.graph import NeuralGraph


class SharedEntries:
    """The uses of a graph that hold entries which are used more than once."""

    def __init__(self, graph: NeuralGraph) -> None:
        size = sum(tensor.numel() for tensor in graph.state.values())
        # Three vectors of the size of the state are held: half as wide where that is enough.
        self._kind = torch.int32 if size < 2**31 else torch.int64
        self._counts = torch.zeros(size, dtype=self._kind)
        for use in graph.uses:
            entries = held(use.entries)
            one = torch.ones(1, dtype=self._kind)
            self._counts.index_add_(0, entries, one.expand(len(entries)))
        self._bundles = _layers(graph, size)
        is_bound = self._counts > 1
        # Of a matrix that two layers share as a whole, the relations between its rows and columns
        # say all (a language model's tied table, which is too large to be looked at anew).
        for pair in twins(graph):
            entries = held(pair.first.entries)
            is_bound[entries] &= self._counts[entries] != 2
        for layer in self._bundles:
            is_bound |= layer.labels >= 0
        self._uses = [
            _Block(use) if isinstance(use, EdgeBlock) else _Values(use)
            for use in graph.uses
            if bool(is_bound[held(use.entries)].any())
        ]

    @cached_property
    def _image(self) -> Int[Tensor, " entries"]:
        return torch.full_like(self._counts, -1)

    @cached_property
    def _seen(self) -> Int[Tensor, " entries"]:
        return torch.zeros_like(self._counts)

    def are_sent_to_one_entry(self, mapping: Mapping[int, int]) -> bool:
        """Whether all uses of every entry ask for the same value.

        Args:
            mapping: Where the nodes that move go; the others stay.
        """
        asked = []
        for use in self._uses:
            pairs = use.asked(mapping)
            if pairs is None:
                return False
            asked.append(pairs)
        if not asked:
            return True
        wanted, given = torch.cat([one[0] for one in asked]), torch.cat([one[1] for one in asked])
        if bool(((wanted < 0) != (given < 0)).any()):
            return False
        wanted, given = wanted[wanted >= 0], given[wanted >= 0]
        # Each use writes what it asks for; whoever is overruled reads something else.
        self._image[wanted] = given.to(self._kind)
        if not torch.equal(self._image[wanted].long(), given):
            return False
        self._seen[wanted] = 0
        one = torch.ones(1, dtype=self._kind)
        self._seen.index_add_(0, wanted, one.expand(len(wanted)))
        moved = wanted[wanted != given]
        if not torch.equal(self._seen[moved], self._counts[moved]):
            return False
        return all(layer.are_kept(moved, self._image) for layer in self._bundles)


@dataclass
class _Bundles:
    """Sets of entries, no entry in two of them.

    Attributes:
        labels: The set of every entry, -1 for none.
        kinds: For every set, the statistic that is made of it.
        sizes: For every set, the number of its entries.
    """

    labels: Int[Tensor, " entries"]
    kinds: list[int]
    sizes: list[int]

    def are_kept(self, moved: Int[Tensor, " moved"], image: Int[Tensor, " entries"]) -> bool:
        """Whether sets go to sets, entry by entry."""
        moved = moved.unique()
        pairs = torch.stack([self.labels[moved], self.labels[image[moved].long()]])
        pairs, counts = pairs.unique(dim=1, return_counts=True)
        sources = set()
        for (source, target), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
            if source == target:
                continue
            if min(source, target) < 0 or source in sources:
                return False
            if self.kinds[source] != self.kinds[target] or count != self.sizes[source]:
                return False
            sources.add(source)
        return True


@dataclass(frozen=True, eq=False)
class Twins:
    """Two blocks that hold one matrix, as it is or transposed, between distinct nodes.

    Attributes:
        first: A block.
        other: Another one.
        is_transposed: Whether the targets of the other belong to the sources of the first.
    """

    first: EdgeBlock
    other: EdgeBlock
    is_transposed: bool

    @property
    def pairs(self) -> Iterator[tuple[Int[Tensor, " nodes"], Int[Tensor, " nodes"]]]:
        """Nodes at the rows of both, and at the columns."""
        ends = [self.other.targets[0], self.other.sources[0]]
        if self.is_transposed:
            ends.reverse()
        yield self.first.targets[0], ends[0]
        yield self.first.sources[0], ends[1]


def twins(graph: NeuralGraph) -> Iterator[Twins]:
    """All pairs of blocks that hold one matrix: tied embeddings, autoencoders."""
    plain: dict[tuple[int, int], list[EdgeBlock]] = defaultdict(list)
    for block in graph.blocks:
        groups, targets, sources, kernel = block.entries.shape
        ends = (block.targets, block.sources)
        is_distinct = all(len(some.unique()) == some.numel() for some in ends)
        if groups == kernel == 1 and is_distinct and bool((block.sources >= 0).all()):
            plain[int(block.entries[0, 0, 0, 0]), targets * sources].append(block)
    for first, *others in plain.values():
        matrix = first.entries[0, :, :, 0]
        if others and len(held(matrix)) == matrix.numel():
            for other in others:
                twin = other.entries[0, :, :, 0]
                if torch.equal(matrix, twin):
                    yield Twins(first, other, is_transposed=False)
                elif torch.equal(matrix, twin.T):
                    yield Twins(first, other, is_transposed=True)


def _layers(graph: NeuralGraph, size: int) -> list[_Bundles]:
    """The bundles of a graph, in as many layers as an entry is in statistics."""
    layers: list[_Bundles] = []
    for kind, rows in enumerate(graph.bundles):
        held = rows[rows >= 0]
        for layer in layers:
            if bool((layer.labels[held] < 0).all()):
                break
        else:
            layer = _Bundles(torch.full((size,), -1), [], [])
            layers.append(layer)
        for row in rows:
            members = row[row >= 0].unique()
            layer.labels[members] = len(layer.kinds)
            layer.kinds.append(kind)
            layer.sizes.append(len(members))
    return layers


Pairs = tuple[Int[Tensor, " entries"], Int[Tensor, " entries"]]


class _Values:
    """Parameters of nodes, by node in the order of their tags."""

    def __init__(self, use: NodeParameter) -> None:
        self._entries: dict[int, list[int]] = defaultdict(list)
        order = use.tags.argsort(stable=True)
        for node, entry in zip(use.nodes[order].tolist(), use.entries[order].tolist(), strict=True):
            self._entries[node].append(entry)

    def asked(self, mapping: Mapping[int, int]) -> Pairs | None:
        """Entries at nodes that move, and those whose values they are to take."""
        wanted: list[int] = []
        given: list[int] = []
        for node in mapping.keys() & self._entries.keys():
            wanted += self._entries[node]
            given += self._entries.get(mapping[node], [])
            if len(wanted) != len(given):
                return None
        return torch.tensor(wanted, dtype=torch.int64), torch.tensor(given, dtype=torch.int64)


class _Block:
    """Weights, by group and node at either end."""

    def __init__(self, use: EdgeBlock) -> None:
        self._entries = use.entries
        self._targets: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for group, nodes in enumerate(use.targets.tolist()):
            for row, node in enumerate(nodes):
                self._targets[node].append((group, row))
        self._sources: list[dict[int, list[int]]] = [defaultdict(list) for _ in use.sources]
        for group, nodes in enumerate(use.sources.tolist()):
            for column, node in enumerate(nodes):
                self._sources[group][node].append(column)

    def asked(self, mapping: Mapping[int, int]) -> Pairs | None:
        """Entries at nodes that move, and those whose values they are to take."""
        targets = self._moved_targets(mapping)
        if targets is None:
            return None
        wanted, given = [], []
        for group, own in enumerate(self._sources):
            rows = targets[group]
            to_groups = {to_group for to_group, _ in rows.values()} or {group}
            if len(to_groups) > 1 or (to_groups != {group} and len(rows) < self._entries.shape[1]):
                return None
            (to,) = to_groups
            columns = _moved_sources(own, self._sources[to], self._entries.shape[2], mapping)
            if columns is None:
                return None
            if not rows and torch.equal(columns, torch.arange(len(columns))):
                continue
            moving = torch.tensor(list(rows), dtype=torch.int64)
            image = torch.arange(self._entries.shape[1])
            image[moving] = torch.tensor([to_row for _, to_row in rows.values()], dtype=torch.int64)
            rests = torch.ones(len(image), dtype=torch.bool)
            rests[moving] = False
            changed = torch.nonzero(columns != torch.arange(len(columns))).flatten()
            # Moved rows in all columns, and the others where columns move.
            for row, column in (
                (moving, torch.arange(len(columns))),
                (torch.nonzero(rests).flatten(), changed),
            ):
                wanted.append(self._entries[group, row[:, None], column].flatten())
                there = self._entries[to, image[row][:, None], columns[column]]
                given.append(there.flatten())
        empty = self._entries.new_zeros(0)
        return torch.cat([empty, *wanted]), torch.cat([empty, *given])

    def _moved_targets(self, mapping: Mapping[int, int]) -> list[dict[int, tuple[int, int]]] | None:
        """For every group, the rows that move, with the group and row that they go to."""
        moved: list[dict[int, tuple[int, int]]] = [{} for _ in self._sources]
        for node in mapping.keys() & self._targets.keys():
            ours, theirs = self._targets[node], self._targets.get(mapping[node], [])
            if len(ours) != len(theirs):
                return None
            for (group, row), there in zip(ours, theirs, strict=True):
                moved[group][row] = there
        return moved


def _moved_sources(
    own: dict[int, list[int]], there: dict[int, list[int]], width: int, mapping: Mapping[int, int]
) -> Int[Tensor, " sources"] | None:
    """The column that each one goes to."""
    nodes = mapping.keys() & own.keys() if own is there else own.keys()
    columns = torch.arange(width)
    for node in nodes:
        targets = there.get(mapping.get(node, node), [])
        if len(targets) != len(own[node]):
            return None
        columns[own[node]] = torch.tensor(targets)
    return columns
