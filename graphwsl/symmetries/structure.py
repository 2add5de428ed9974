"""What a symmetry must respect: the graph without its weights, as a coloured relational structure.

A permutation of the nodes is a symmetry of the network if it maps every relation between nodes to
itself and every node to one with the same *signature*: the same kind, the same functions applied,
the same weights and node parameters that it takes part in, in the same roles. Dense blocks ask for
no more than that, since every source has a weight to every target.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from graphwsl.neural_graph.elements import EdgeBlock, NodeParameter
from graphwsl.neural_graph.entries import repeated, tensors_at
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.symmetries.entries import SharedEntries, twins
from graphwsl.symmetries.refinement import refined


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Nodes that something is related to; equal ones are one object, so ``is`` compares them."""

    nodes: tuple[int, ...]

    @cached_property
    def members(self) -> frozenset[int]:
        """The nodes without their order."""
        return frozenset(self.nodes)


@dataclass(frozen=True)
class Structure:
    """Nodes with signatures and coloured neighbours.

    Attributes:
        signatures: For every node a number; only nodes with the same one can be exchanged.
        neighbours: For every node, the nodes that it is related to, by twice the number of the
            relation (those that follow from it) or that plus one (those it follows from).
        entries: Entries that are used several times, which an exchange must not tear apart.
    """

    signatures: list[int]
    neighbours: list[dict[int, Neighbours]]
    entries: SharedEntries | None = None


def structure_of(graph: NeuralGraph) -> Structure:
    """The structure of a network's graph."""
    known: dict[Hashable, int] = {}
    colours = [known.setdefault(label, len(known)) for label in _labels(graph)]
    structure = related(torch.tensor(colours, dtype=torch.int64), list(_relations(graph)))
    return replace(structure, entries=SharedEntries(graph))


def related(
    colours: Int[Tensor, " nodes"],
    relations: list[tuple[Int[Tensor, " edges"], Int[Tensor, " edges"]]],
) -> Structure:
    """Coloured nodes, and the sources and targets of their relations."""
    nodes, directions, others = _edges(len(colours), relations)
    neighbours = _neighbours(len(colours), nodes, directions, others)
    known: dict[Hashable, int] = {}
    signatures = [
        known.setdefault(
            (colour, *((key, len(some.nodes)) for key, some in own.items())), len(known)
        )
        for colour, own in zip(colours.tolist(), neighbours, strict=True)
    ]
    classes = refined(torch.tensor(signatures, dtype=torch.int64), nodes, directions, others)
    return Structure(classes.tolist(), neighbours)


def _edges(
    num_nodes: int, relations: list[tuple[Int[Tensor, " edges"], Int[Tensor, " edges"]]]
) -> Int[Tensor, "3 distinct"]:
    """Nodes, relation and direction, and the node at the other end, in ascending order."""
    directions = 2 * len(relations)
    codes = [torch.zeros(0, dtype=torch.int64)]
    for number, (sources, targets) in enumerate(relations):
        codes.append((sources * directions + 2 * number) * num_nodes + targets)
        codes.append((targets * directions + 2 * number + 1) * num_nodes + sources)
    code = torch.cat(codes).unique()
    first = code // max(num_nodes, 1)
    return torch.stack(
        [first // max(directions, 1), first % max(directions, 1), code % max(num_nodes, 1)]
    )


def _neighbours(
    num_nodes: int,
    nodes: Int[Tensor, " edges"],
    directions: Int[Tensor, " edges"],
    others: Int[Tensor, " edges"],
) -> list[dict[int, Neighbours]]:
    runs, counts = torch.stack([nodes, directions]).unique_consecutive(dim=1, return_counts=True)
    all_others = others.tolist()
    known: dict[tuple[int, ...], Neighbours] = {}
    neighbours: list[dict[int, Neighbours]] = [{} for _ in range(num_nodes)]
    start = 0
    for node, direction, count in zip(*runs.tolist(), counts.tolist(), strict=True):
        some = tuple(all_others[start : start + count])
        neighbours[node][direction] = known.setdefault(some, Neighbours(some))
        start += count
    return neighbours


def _relations(graph: NeuralGraph) -> Iterator[tuple[Tensor, Tensor]]:
    for relation in graph.relations:
        yield relation.sources, relation.targets
    yield from shared_entries(graph)


def _labels(graph: NeuralGraph) -> list[Hashable]:
    """What each node is and takes part in."""
    roles: dict[int, list[Hashable]] = defaultdict(list)
    for number, block in enumerate(graph.blocks):
        for node in block.targets.flatten().unique().tolist():
            roles[node].append(("target", number))
        tags: dict[int, list[int]] = defaultdict(list)
        pairs = zip(block.sources.flatten().tolist(), block.tags.flatten().tolist(), strict=True)
        for node, tag in pairs:
            tags[node].append(tag)
        for node, positions in tags.items():
            if node >= 0:
                roles[node].append(("source", number, tuple(positions)))
    for number, parameter in enumerate(graph.node_parameters):
        counts = parameter.nodes.bincount(minlength=graph.num_nodes)
        for node in parameter.nodes.unique().tolist():
            roles[node].append(("parameter", number, int(counts[node])))
    for number, function in enumerate(graph.functions):
        for node in function.nodes.tolist():
            roles[node].append(("function", number))
    pinned = set(graph.pinned.tolist())
    what = zip(graph.kinds.tolist(), graph.colours.tolist(), strict=True)
    return [
        (kind, colour, node if node in pinned else -1, tuple(roles[node]))
        for node, (kind, colour) in enumerate(what)
    ]


def shared_entries(
    graph: NeuralGraph,
) -> Iterator[tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]]:
    """Pairs of nodes that must move alike because they stand at the same entries (tied weights)."""
    uses: dict[str, list[EdgeBlock | NodeParameter]] = defaultdict(list)
    for use in graph.uses:
        for name in tensors_at(graph.offsets, use.entries):
            uses[name].append(use)
    known = {frozenset([id(one.first), id(one.other)]): one for one in twins(graph)}
    repeats = repeated(
        sum(tensor.numel() for tensor in graph.state.values()), (use.entries for use in graph.uses)
    )
    for name, several in uses.items():
        start, size = graph.offsets[name], graph.state[name].numel()
        if len(several) == 1 and not bool(repeats[start : start + size].any()):
            continue
        if (pair := known.get(frozenset(map(id, several)))) is not None:
            yield from (_distinct(*nodes) for nodes in pair.pairs)
            continue
        # The first use that holds an entry, and at which index.
        holders, indices = torch.full((size,), -1), torch.full((size,), -1)
        for number, use in enumerate(several):
            held = use.entries.flatten() - start
            inside = torch.nonzero((held >= 0) & (held < size)).flatten()
            held = held[inside]
            counts = torch.bincount(holders[held] + 1, minlength=1)
            for holder in torch.nonzero(counts[1:]).flatten().tolist():
                yield from _at_same_entries(use, several[holder], start, holders == holder, indices)
            is_new = holders[held] < 0
            indices[held[is_new]] = inside[is_new]
            holders[held[is_new]] = number
            if isinstance(use, EdgeBlock):
                own = holders[held] == number  # indices elsewhere are counted in other blocks
                yield from _within(use, inside, torch.where(own, indices[held], -1))


def _at_same_entries(
    use: EdgeBlock | NodeParameter,
    holder: EdgeBlock | NodeParameter,
    start: int,
    is_held: Bool[Tensor, " size"],
    indices: Int[Tensor, " size"],
) -> Iterator[tuple[Tensor, Tensor]]:
    """The nodes of two uses at the same entries of a tensor."""
    for nodes, entries in _axes(use):
        found = entries - start
        inside = (found >= 0) & (found < len(indices))
        nodes, found = nodes[inside], found[inside]
        nodes, found = nodes[is_held[found]], found[is_held[found]]
        yield from _varying(nodes, holder, indices[found])


def _within(
    block: EdgeBlock, indices: Int[Tensor, " held"], first: Int[Tensor, " held"]
) -> Iterator[tuple[Tensor, Tensor]]:
    """The nodes of one block at entries that it holds twice, if each has one partner."""
    _, targets, sources, kernel = block.entries.shape
    again = (indices != first) & (first >= 0)
    if not bool(again.any()):
        return
    for nodes, step in ((block.targets, sources * kernel), (block.sources, kernel)):
        ends = []
        for some in (indices[again], first[again]):
            group, rest = some // (targets * sources * kernel), some // step % nodes.shape[1]
            ends.append(nodes[group, rest])
        pairs = torch.stack(ends).unique(dim=1)
        pairs = pairs[:, (pairs[0] != pairs[1]) & (pairs >= 0).all(dim=0)]
        if pairs.shape[1] and all(len(some.unique()) == pairs.shape[1] for some in pairs):
            yield pairs[0], pairs[1]


def _axes(use: EdgeBlock | NodeParameter) -> Iterator[tuple[Tensor, Tensor]]:
    """Nodes along each axis of a use, with one entry of each."""
    if isinstance(use, NodeParameter):
        yield use.nodes, use.entries
    else:
        yield use.targets.flatten(), use.entries[:, :, 0, 0].flatten()
        yield use.sources.flatten(), use.entries[:, 0, :, 0].flatten()


def _varying(
    nodes: Int[Tensor, " pairs"], other: EdgeBlock | NodeParameter, index: Int[Tensor, " pairs"]
) -> Iterator[tuple[Tensor, Tensor]]:
    """The nodes of another use at the same entries, along the axis that runs alike."""
    if isinstance(other, NodeParameter):
        candidates = [other.nodes[index]]
    else:
        _, targets, sources, kernel = other.entries.shape
        group, rest = index // (targets * sources * kernel), index % (targets * sources * kernel)
        candidates = [
            other.targets[group, rest // (sources * kernel)],
            other.sources[group, rest // kernel % sources],
        ]
    for partners in candidates:
        first, second = _distinct(nodes, partners)
        if len(second.unique()) > 1:
            yield first, second


def _distinct(
    nodes: Int[Tensor, " some"], partners: Int[Tensor, " some"]
) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
    """Pairs of two nodes, each once."""
    keep = (nodes >= 0) & (partners >= 0) & (nodes != partners)
    pairs = torch.stack([nodes[keep], partners[keep]]).unique(dim=1)
    return pairs[0], pairs[1]
