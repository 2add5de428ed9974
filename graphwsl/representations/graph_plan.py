"""How an architecture is read unit by unit: what each layer's tokens hold, and what they read.

Tokens are those of :mod:`graphwsl.populations.tokens`, one a unit. The weights of a unit lie in
columns by source; which sources these are is said by the neural graph, so that they can be told by
codes of the sources in place of their order.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from graphwsl.errors import RepresentationError
from graphwsl.populations.dense_layout import DenseLayout
from graphwsl.populations.population import Architecture
from graphwsl.populations.tokens import Tokenizer


@dataclass(frozen=True, eq=False)
class Reading:
    """Weights of one layer's units on other units.

    Attributes:
        units: Which units of the layer, shape ``(groups, targets)``.
        sources: Nodes that they read, each once, shape ``(groups, sources)``.
        columns: Where in a token the weights are, by source, shape
            ``(groups, sources, positions)``, where positions are those of kernels and feature maps.
    """

    units: Int[Tensor, "groups targets"]
    sources: Int[Tensor, "groups sources"]
    columns: Int[Tensor, "groups sources positions"]


@dataclass(frozen=True, eq=False)
class Stage:
    """Nodes that follow at one depth.

    Attributes:
        followers: Nodes without numbers of their own, and what they follow from, as pairs.
        tokens: Tokens of the units of this depth, in order.
        readings: What these read.
    """

    followers: tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]
    tokens: Int[Tensor, " units"]
    readings: tuple[Reading, ...]


@dataclass(frozen=True, eq=False)
class GraphPlan:
    """An architecture, depth by depth.

    Attributes:
        tokenizer: From rows to tokens of units and back.
        stages: All depths in the order of the program.
        nodes: The node of every token, -1 for none.
        is_fixed: Whether no symmetry moves a token, so that its position may be told.
        num_nodes: Number of nodes of the graph.
    """

    tokenizer: Tokenizer
    stages: tuple[Stage, ...]
    nodes: Int[Tensor, " tokens"]
    is_fixed: Bool[Tensor, " tokens"]
    num_nodes: int

    @classmethod
    def of(cls, architecture: Architecture) -> "GraphPlan":
        """The plan of an architecture.

        Raises:
            RepresentationError: Units read units that follow later (recurrent weights), or weights
                that are shared in a way that no token holds.
        """
        tokenizer, layout = Tokenizer.of(architecture), DenseLayout.of(architecture)
        tokens = tokenizer.layout
        token_of = torch.full((layout.num_nodes,), -1)
        has_node = tokens.nodes >= 0
        token_of[tokens.nodes[has_node]] = has_node.nonzero()[:, 0]
        column_of = torch.full((architecture.num_entries,), -1)
        owner_of = torch.full((architecture.num_entries,), -1)
        rows, columns = tokens.mask.nonzero(as_tuple=True)
        column_of[tokens.entries[rows, columns]] = columns
        owner_of[tokens.entries[rows, columns]] = rows
        is_known = torch.zeros(layout.num_nodes, dtype=torch.bool)
        related = torch.zeros(layout.num_nodes, dtype=torch.bool)
        related[layout.relations.targets] = True
        is_given = ~related & (token_of < 0)
        is_known |= is_given
        stages = []
        for layer in layout.layers:
            own = token_of[layer.nodes]
            readings = [
                _reading(architecture, layout, number, own[own >= 0], token_of, owner_of, column_of)
                for number in layer.blocks
            ]
            # No symmetry moves what is given, so that its order tells its weights.
            readings = [some for some in readings if not bool(is_given[some.sources].all())]
            for reading in readings:
                if not bool(is_known[reading.sources].all()):
                    raise RepresentationError(
                        f"{architecture.name!r} has units that read others that follow later "
                        "(recurrent weights); choose a method that reads tokens"
                    )
            targets = layout.relations.targets[layer.relations]
            sources = layout.relations.sources[layer.relations]
            follows = token_of[targets] < 0
            stages.append(
                Stage((sources[follows], targets[follows]), own[own >= 0], tuple(readings))
            )
            is_known[layer.nodes] = True
        alone = (~has_node).nonzero()[:, 0]
        nothing = torch.zeros(0, dtype=torch.int64)
        if len(alone):
            stages.append(Stage((nothing, nothing), alone, ()))
        is_fixed = ~has_node
        is_fixed[has_node] = layout.is_output[tokens.nodes[has_node]]
        return cls(tokenizer, tuple(stages), tokens.nodes, is_fixed, layout.num_nodes)


def _reading(
    architecture: Architecture,
    layout: DenseLayout,
    number: int,
    own: Int[Tensor, " units"],
    token_of: Int[Tensor, " nodes"],
    owner_of: Int[Tensor, " entries"],
    column_of: Int[Tensor, " entries"],
) -> Reading:
    """A block of weights, with the columns that hold them, source by source."""
    block = layout.blocks[number]
    groups, _, sources, _ = block.entries.shape
    owners = token_of[block.targets]
    held = owner_of[block.entries] == owners[:, :, None, None]
    columns = column_of[block.entries]
    is_regular = block.there is None and bool(held.all())
    is_regular = is_regular and bool((columns == columns[:, :1]).all())
    distinct, positions = [], []
    for group in range(groups):
        nodes, inverse, counts = block.sources[group].unique(
            return_inverse=True, return_counts=True
        )
        is_regular = is_regular and bool((counts == counts[0]).all())
        if is_regular:
            order = (inverse * sources + block.tags[group]).argsort(stable=True)
            distinct.append(nodes)
            positions.append(columns[group, 0][order].view(len(nodes), -1))
    if not is_regular:
        raise RepresentationError(
            f"{architecture.name!r} shares weights among units, or reads some positions of its "
            "units more often than others; choose a method that reads tokens"
        )
    local = torch.full((int(own.max()) + 1,), -1)
    local[own] = torch.arange(len(own))
    return Reading(local[owners], torch.stack(distinct), torch.stack(positions))
