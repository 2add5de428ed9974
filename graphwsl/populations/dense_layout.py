"""The neural graph of an architecture, prepared for metanetworks: dense blocks, layer by layer.

Networks of one architecture share all index tensors, and the weights between two layers are a dense
block. Their messages are products of dense tensors, and the mean over a neuron's weights is the
mean over an axis, several times faster than scattering single edges.
"""

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphwsl.neural_graph.data import NODE_FEATURES
from graphwsl.neural_graph.elements import EdgeBlock
from graphwsl.neural_graph.roles import EdgeKind, ParameterRole
from graphwsl.populations.population import Architecture


class BlockKind(IntEnum):
    """Where a block of weights lies: it reads inputs, makes outputs, or neither."""

    INPUT = 0
    """Whether or not it makes outputs as well."""
    HIDDEN = 1
    OUTPUT = 2


@dataclass(frozen=True)
class Block:
    """The weights between some neurons and others, all with all within a group.

    Attributes:
        sources: Nodes that are read, shape ``(groups, sources)``.
        targets: Nodes that follow, shape ``(groups, targets)``.
        entries: Indices of the weights in a flattened state, shape
            ``(groups, targets, sources, kernel)``; 0 where there is none.
        there: Whether there is a weight, shape as ``entries``; None where all are there.
        tags: Which position of its source a weight reads, shape ``(groups, sources)``.
        share: One over how often a source is there, shape ``(groups, sources)``.
        kind: Where the weights lie.
        fan_in: Weights that enter a target.
    """

    sources: Int[Tensor, "groups sources"]
    targets: Int[Tensor, "groups targets"]
    entries: Int[Tensor, "groups targets sources kernel"]
    there: Bool[Tensor, "groups targets sources kernel"] | None
    tags: Int[Tensor, "groups sources"]
    share: Float[Tensor, "groups sources"]
    kind: BlockKind
    fan_in: int

    @property
    def num_edges(self) -> int:
        """Edges, kernels counted once."""
        return self.entries[..., 0].numel()

    def weights(
        self, states: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks groups targets sources kernel"]:
        """The weights of several networks."""
        values = states[:, self.entries.reshape(-1)].reshape(len(states), *self.entries.shape)
        return values if self.there is None else values * self.there


@dataclass(frozen=True)
class Relations:
    """Edges without weights.

    Attributes:
        sources: Nodes, shape ``(relations,)``.
        targets: Nodes, shape ``(relations,)``.
        kind: What relates them: a ``graphwsl.neural_graph.roles.EdgeKind``, less one.
        into: One over the number of relations with the same target, shape ``(relations,)``.
        out_of: One over the number of relations with the same source, shape ``(relations,)``.
    """

    sources: Int[Tensor, " relations"]
    targets: Int[Tensor, " relations"]
    kind: Int[Tensor, " relations"]
    into: Float[Tensor, " relations"]
    out_of: Float[Tensor, " relations"]


@dataclass(frozen=True)
class Layer:
    """Nodes that one operator makes, and what they are made from.

    Attributes:
        nodes: Its nodes, shape ``(layer_nodes,)``.
        blocks: Numbers of the blocks that end here.
        relations: Numbers of the relations that end here.
    """

    nodes: Int[Tensor, " layer_nodes"]
    blocks: tuple[int, ...]
    relations: Int[Tensor, " layer_relations"]


@dataclass(frozen=True, eq=False)
class DenseLayout:
    """An architecture as metanetworks need it.

    Edges are numbered block after block, in a block by group, target and source; relations follow.

    Attributes:
        num_nodes: Number of nodes.
        blocks: The weights.
        relations: Edges without weights.
        layers: All layers in the order of the program, the inputs first.
        edge_index: Source and target of every edge, shape ``(2, edges)``.
        edge_layer: Layer of every edge's target, shape ``(edges,)``.
        node_layer: Layer of every node, shape ``(nodes,)``.
        node_kind: See ``graphwsl.neural_graph.NodeKind``, shape ``(nodes,)``.
        node_index: Index of every node within its layer, shape ``(nodes,)``.
        is_input: Whether a node is an input, shape ``(nodes,)``.
        is_output: Whether the network returns it, shape ``(nodes,)``.
        depth: From 0 (inputs) to 1 (last layer), shape ``(nodes,)``.
        node_template: ``x`` of nodes without parameters, shape ``(nodes * features,)``.
        node_elements: Elements of ``x`` that hold parameters, shape ``(values,)``.
        node_entries: Their indices in a flattened state, shape ``(values,)``.
        node_shares: What each adds to its element, shape ``(values,)``.
        num_entries: Length of a flattened state.
    """

    num_nodes: int
    blocks: tuple[Block, ...]
    relations: Relations
    layers: tuple[Layer, ...]
    edge_index: Int[Tensor, "2 edges"]
    edge_layer: Int[Tensor, " edges"]
    node_layer: Int[Tensor, " nodes"]
    node_kind: Int[Tensor, " nodes"]
    node_index: Int[Tensor, " nodes"]
    is_input: Bool[Tensor, " nodes"]
    is_output: Bool[Tensor, " nodes"]
    depth: Float[Tensor, " nodes"]
    node_template: Float[Tensor, " elements"]
    node_elements: Int[Tensor, " values"]
    node_entries: Int[Tensor, " values"]
    node_shares: Float[Tensor, " values"]
    num_entries: int

    @classmethod
    def of(cls, architecture: Architecture) -> "DenseLayout":
        """The layout of an architecture."""
        graph, layout = architecture.graph, architecture.graph.layout
        blocks = tuple(_block(block, layout.is_input, layout.is_output) for block in graph.blocks)
        related = layout.edge_kind != EdgeKind.WEIGHT
        sources, targets = layout.edge_index[:, related]
        relations = Relations(
            sources, targets, layout.edge_kind[related] - 1, _shares(targets), _shares(sources)
        )
        ends = [torch.stack(_ends(block)) for block in blocks]
        edge_index = torch.cat([*ends, torch.stack([sources, targets])], dim=1)
        layers = tuple(
            _layer(number, layout.node_layer, blocks, relations)
            for number in range(int(layout.node_layer.max()) + 1)
        )
        template = torch.zeros(layout.num_nodes, len(NODE_FEATURES))
        for role in (ParameterRole.SCALE, ParameterRole.VARIANCE):
            template[:, NODE_FEATURES.index(role)] = 1.0
        template.view(-1)[layout.node_elements] = 0.0
        return cls(
            num_nodes=layout.num_nodes,
            blocks=blocks,
            relations=relations,
            layers=layers,
            edge_index=edge_index,
            edge_layer=layout.node_layer[edge_index[1]],
            node_layer=layout.node_layer,
            node_kind=layout.node_kind,
            node_index=layout.node_index,
            is_input=layout.is_input,
            is_output=layout.is_output,
            depth=layout.node_layer / max(len(layers) - 1, 1),
            node_template=template.view(-1),
            node_elements=layout.node_elements,
            node_entries=layout.node_entries,
            node_shares=layout.node_shares.float(),
            num_entries=architecture.num_entries,
        )

    @property
    def num_edges(self) -> int:
        """Edges of all blocks and relations."""
        return self.edge_index.shape[1]

    @property
    def largest_kernel(self) -> int:
        """Positions of the largest kernel."""
        return max((block.entries.shape[3] for block in self.blocks), default=1)

    def x(
        self, states: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks nodes features"]:
        """The parameters of nodes, with the columns of :data:`NODE_FEATURES`."""
        x = self.node_template.expand(len(states), -1).clone()
        x.index_add_(1, self.node_elements, states[:, self.node_entries] * self.node_shares)
        return x.view(len(states), self.num_nodes, len(NODE_FEATURES))

    def split(
        self, edges: Float[Tensor, "networks edges channels"]
    ) -> tuple[list[Float[Tensor, "networks groups targets sources channels"]], Tensor]:
        """A signal on all edges, block by block, and that on relations; views."""
        sizes = [block.num_edges for block in self.blocks]
        *parts, related = edges.split([*sizes, len(self.relations.kind)], dim=1)
        shaped = [
            part.unflatten(1, block.entries.shape[:3])
            for part, block in zip(parts, self.blocks, strict=True)
        ]
        return shaped, related

    def to(self, device: torch.device) -> "DenseLayout":
        """The layout on a device; itself if it is there."""
        if self.node_layer.device == device:
            return self
        moved: DenseLayout = _moved(self, device)
        return moved


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        return tuple(_moved(part, device) for part in value)
    if isinstance(value, DenseLayout | Block | Layer | Relations):
        moved = {f.name: _moved(getattr(value, f.name), device) for f in fields(value)}
        return replace(value, **moved)
    return value


def _block(
    block: EdgeBlock, is_input: Bool[Tensor, " nodes"], is_output: Bool[Tensor, " nodes"]
) -> Block:
    real = block.sources[:, None, :, None] >= 0
    there = (block.entries >= 0) & real
    _, _, sources, kernel = block.entries.shape
    reads_inputs = bool(is_input[block.sources.clamp(min=0)].any())
    makes_outputs = bool(is_output[block.targets].any())
    kind = BlockKind.OUTPUT if makes_outputs else BlockKind.HIDDEN
    kind = BlockKind.INPUT if reads_inputs else kind
    return Block(
        sources=block.sources.clamp(min=0),
        targets=block.targets,
        entries=block.entries.clamp(min=0),
        there=None if bool(there.all()) else there,
        tags=block.tags,
        share=_shares(block.sources),
        kind=kind,
        fan_in=sources * kernel,
    )


def _shares(nodes: Int[Tensor, "*items"]) -> Float[Tensor, "*items"]:
    """One over how often each node is there."""
    _, which, counts = nodes.unique(return_inverse=True, return_counts=True)
    return 1.0 / counts[which]


def _ends(block: Block) -> tuple[Tensor, Tensor]:
    shape = block.entries.shape[:3]
    source = block.sources[:, None, :].expand(shape)
    target = block.targets[:, :, None].expand(shape)
    return source.reshape(-1), target.reshape(-1)


def _layer(
    number: int, node_layer: Tensor, blocks: tuple[Block, ...], relations: Relations
) -> Layer:
    return Layer(
        nodes=(node_layer == number).nonzero()[:, 0],
        blocks=tuple(
            n for n, block in enumerate(blocks) if int(node_layer[block.targets[0, 0]]) == number
        ),
        relations=(node_layer[relations.targets] == number).nonzero()[:, 0],
    )


NUM_RELATION_KINDS = len(EdgeKind) - 1
