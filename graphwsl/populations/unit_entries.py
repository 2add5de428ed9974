"""To which unit, and to which layer, every entry of a flattened state belongs: to one alone.

A unit (a neuron, a channel) has its incoming weights, its bias and the parameters of the
normalisation that follows it. An entry that several units share belongs to the first that uses it;
what no unit uses (what an operator without a rule reads, counters of batches) belongs to none.
"""

from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.elements import EdgeBlock, NodeParameter
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.neural_graph.rules.embedding import EMBEDDINGS
from graphwsl.neural_graph.units import NodeKind
from graphwsl.symmetries.scalings import NORMALISERS


class LayerType(IntEnum):
    """What the entries of a token are parameters of."""

    PADDING = 0
    """Nothing: tokens that make networks of a batch equally long."""
    LINEAR = 1
    CONVOLUTION = 2
    EMBEDDING = 3
    NORMALISATION = 4
    """Scale, shift and statistics of units without incoming weights, such as sums."""
    PARAMETER = 5
    """Other parameters of units: class tokens, positions, slopes."""
    OTHER = 6
    """What belongs to no unit."""


@dataclass(frozen=True)
class UnitEntries:
    """All entries in the order of layers, of units in them, and of uses.

    Attributes:
        entries: Every index into the flattened state, once, shape ``(entries,)``.
        units: The node that it belongs to, -1 for none, shape ``(entries,)``.
        layers: The layer of that unit, from 0 in the order of the program; tensors that belong to
            no unit are layers after all others, shape ``(entries,)``.
        types: The :class:`LayerType` of the use, shape ``(entries,)``.
    """

    entries: Int[Tensor, " entries"]
    units: Int[Tensor, " entries"]
    layers: Int[Tensor, " entries"]
    types: Int[Tensor, " entries"]

    @classmethod
    def of(cls, graph: NeuralGraph) -> "UnitEntries":
        """The entries of an architecture."""
        size = sum(tensor.numel() for tensor in graph.state.values())
        nothing = torch.zeros(0, dtype=torch.int64)
        indices, nodes, kinds = [nothing], [nothing], [nothing]
        for use in graph.uses:
            entries, owners = _owned(use)
            indices.append(entries)
            nodes.append(owners)
            kinds.append(torch.full_like(entries, _type(use)))
        index, node, kind = torch.cat(indices), torch.cat(nodes), torch.cat(kinds)
        index, node, kind = (some[index >= 0] for some in (index, node, kind))
        # Where each entry occurs first, in the order of the uses.
        first = torch.full((size,), len(index))
        first.scatter_reduce_(0, index, torch.arange(len(index)), "amin")
        is_owned = first < len(index)
        units, types = torch.full((size,), -1), torch.full((size,), int(LayerType.OTHER))
        units[is_owned] = _heads(graph)[node[first[is_owned]]]
        types[is_owned] = kind[first[is_owned]]
        sizes = torch.tensor([tensor.numel() for tensor in graph.state.values()]).long()
        tensors = torch.arange(len(sizes)).repeat_interleave(sizes)
        after = int(graph.calls.max()) + 1 if graph.num_nodes else 0
        layers = torch.where(is_owned, graph.calls[units.clamp(min=0)], after + tensors)
        layers = layers.unique(return_inverse=True)[1]
        order = torch.arange(size)
        for key in (first, units, layers):  # the last one sorted by counts most
            order = order[key[order].argsort(stable=True)]
        return cls(order, units[order], layers[order], types[order])


def _owned(use: EdgeBlock | NodeParameter) -> tuple[Tensor, Tensor]:
    """The entries of a use, with the node that each belongs to."""
    if isinstance(use, NodeParameter):
        return use.entries, use.nodes
    nodes = use.targets[:, :, None, None].expand(use.entries.shape)
    return use.entries.reshape(-1), nodes.reshape(-1)


def _type(use: EdgeBlock | NodeParameter) -> LayerType:
    if isinstance(use, NodeParameter):
        is_normaliser = use.operator in NORMALISERS
        return LayerType.NORMALISATION if is_normaliser else LayerType.PARAMETER
    if use.operator in EMBEDDINGS:
        return LayerType.EMBEDDING
    return LayerType.CONVOLUTION if use.kernel else LayerType.LINEAR


def _heads(graph: NeuralGraph) -> Int[Tensor, " nodes"]:
    """For every node the unit whose parameters its own are counted among.

    A node without incoming weights that is made of one unit alone, statistics of sets left aside,
    is that unit after a normalisation.
    """
    heads = torch.arange(graph.num_nodes)
    nothing = torch.zeros(0, dtype=torch.int64)
    sources = torch.cat([nothing, *(relation.sources for relation in graph.relations)])
    targets = torch.cat([nothing, *(relation.targets for relation in graph.relations)])
    keep = (graph.kinds[sources] != NodeKind.AGGREGATE) & (sources < targets)
    sources, targets = torch.stack([sources[keep], targets[keep]]).unique(dim=1)
    is_alone = targets.bincount(minlength=graph.num_nodes) == 1
    for block in graph.blocks:
        is_alone[block.targets.flatten()] = False
    alone = is_alone[targets]
    heads[targets[alone]] = sources[alone]
    while not torch.equal(further := heads[heads], heads):
        heads = further
    return heads
