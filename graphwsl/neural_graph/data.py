"""The neural graph as PyTorch Geometric's :class:`Data`, and batches of different architectures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch_geometric.data import Batch, Data

from graphwsl.neural_graph.units import NodeKind, occurrences

if TYPE_CHECKING:
    from graphwsl.neural_graph.graph import EdgeBlock, NeuralGraph

NODE_FEATURES = ("bias", "scale", "mean", "variance", "activation", "other")
"""Columns of ``x``: the parameters of a node by role, the mean of those of one role."""

RELATION_KINDS = ("weight", "add", "mul", "mm", "composite", "function")
"""What ``edge_kind`` counts: weights, then relations by the beginning of their role."""


@dataclass(frozen=True)
class GraphLayout:
    """Everything of :class:`Data` that does not depend on the weights, and where those go.

    Attributes:
        edge_entries: Places of each edge's kernel in the flattened state, shape
            ``(edges, kernel)``; -1 outside smaller kernels and for edges without weights.
        node_places: Elements of ``x``, flattened, that hold parameters, shape ``(values,)``.
        node_entries: Their places in the flattened state, shape ``(values,)``.
        node_shares: What each adds to its element: one over the number of values there.
    """

    num_nodes: int
    edge_index: Int[Tensor, "2 edges"]
    edge_entries: Int[Tensor, "edges kernel"]
    edge_kind: Int[Tensor, " edges"]
    edge_tag: Int[Tensor, " edges"]
    fan_in: Float[Tensor, " edges"]
    node_kind: Int[Tensor, " nodes"]
    node_layer: Int[Tensor, " nodes"]
    node_index: Int[Tensor, " nodes"]
    is_input: Bool[Tensor, " nodes"]
    is_output: Bool[Tensor, " nodes"]
    node_places: Int[Tensor, " values"]
    node_entries: Int[Tensor, " values"]
    node_shares: Float[Tensor, " values"]

    def x(self, flat: Float[Tensor, " entries"]) -> Float[Tensor, "nodes features"]:
        """Node features of a flattened state."""
        x = torch.zeros(self.num_nodes, len(NODE_FEATURES), dtype=flat.dtype)
        for role in ("scale", "variance"):
            x[:, NODE_FEATURES.index(role)] = 1.0
        elements = x.view(-1)
        elements[self.node_places] = 0.0
        elements.index_add_(0, self.node_places, flat[self.node_entries] * self.node_shares)
        return x

    def edge_attr(self, flat: Float[Tensor, " entries"]) -> Float[Tensor, "edges kernel"]:
        """Edge features of a flattened state; edges without weights are 1 at the centre."""
        values = torch.where(self.edge_entries >= 0, flat[self.edge_entries.clamp(min=0)], 0.0)
        values[self.edge_kind > 0, self.edge_entries.shape[1] // 2] = 1.0
        return values


def layout_of(graph: "NeuralGraph") -> GraphLayout:
    """The layout of an architecture."""
    width = max((block.entries.shape[3] for block in graph.blocks), default=1)
    parts = [_block_edges(block, width) for block in graph.blocks]
    for relation in graph.relations:
        if relation.role.endswith(".shared"):
            continue
        count = len(relation.sources)
        kind = _relation_kind(relation.role)
        parts.append(
            (
                torch.stack([relation.sources, relation.targets]),
                torch.full((count, width), -1),
                torch.full((count,), kind),
                torch.zeros(count, dtype=torch.int64),
                torch.ones(count),
            )
        )
    index, entries, kinds, tags, fan_in = zip(*parts, strict=True)
    places, values, shares = _node_values(graph)
    layer = graph.calls.unique(return_inverse=True)[1]
    return GraphLayout(
        num_nodes=graph.num_nodes,
        edge_index=torch.cat(index, dim=1),
        edge_entries=torch.cat(entries),
        edge_kind=torch.cat(kinds),
        edge_tag=torch.cat(tags),
        fan_in=torch.cat(fan_in),
        node_kind=graph.kinds,
        node_layer=layer,
        node_index=_index_within(layer),
        is_input=graph.kinds == NodeKind.INPUT,
        is_output=graph.is_output,
        node_places=places,
        node_entries=values,
        node_shares=shares,
    )


def to_data(graph: "NeuralGraph", state: Mapping[str, Tensor] | None = None) -> Data:
    """The graph as ``Data``: forward edges with kernels, nodes with their parameters."""
    layout = graph.layout
    # Complex weights have complex features.
    kind = torch.get_default_dtype()
    flat = graph.flat(state, dtype=kind.to_complex() if graph.weight_dtype.is_complex else kind)
    num_layers = int(layout.node_layer.max()) + 1 if graph.num_nodes else 0
    return Data(
        x=layout.x(flat),
        edge_index=layout.edge_index,
        edge_attr=layout.edge_attr(flat),
        edge_kind=layout.edge_kind,
        edge_tag=layout.edge_tag,
        edge_layer=layout.node_layer[layout.edge_index[1]],
        fan_in=layout.fan_in,
        node_kind=layout.node_kind,
        node_layer=layout.node_layer,
        node_index=layout.node_index,
        depth=layout.node_layer / max(num_layers - 1, 1),
        is_input=layout.is_input,
        is_output=layout.is_output,
        num_layers=num_layers,
    )


def collate(graphs: Sequence[Data]) -> Batch:
    """One batch of graphs of any architectures: kernels are padded, centred, to the largest."""
    width = max(graph.edge_attr.shape[1] for graph in graphs)
    padded = []
    for graph in graphs:
        graph = graph.clone()
        graph.edge_attr = _centred(graph.edge_attr, width, 0.0)
        padded.append(graph)
    return Batch.from_data_list(padded)


def _block_edges(block: "EdgeBlock", width: int) -> tuple[Tensor, ...]:
    groups, targets, sources, kernel = block.entries.shape
    shape = (groups, targets, sources)
    source = block.sources[:, None, :].expand(shape).reshape(-1)
    target = block.targets[:, :, None].expand(shape).reshape(-1)
    tags = block.tags[:, None, :].expand(shape).reshape(-1)
    entries = block.entries.reshape(-1, kernel)
    real = (source >= 0) & (entries >= 0).any(dim=1)
    count = int(real.sum())
    return (
        torch.stack([source[real], target[real]]),
        _centred(entries[real], width, -1),
        torch.zeros(count, dtype=torch.int64),
        tags[real],
        torch.full((count,), float(sources * kernel)),
    )


def _centred(values: Tensor, width: int, padding: float) -> Tensor:
    """Rows padded on both sides; kernels of one dimension keep their centre at the centre."""
    missing = width - values.shape[1]
    left = width // 2 - values.shape[1] // 2
    return torch.nn.functional.pad(values, (left, missing - left), value=padding)


def _relation_kind(role: str) -> int:
    for kind in RELATION_KINDS[1:-1]:
        if role.startswith(kind):
            return RELATION_KINDS.index(kind)
    return RELATION_KINDS.index("function")


def _node_values(
    graph: "NeuralGraph",
) -> tuple[Int[Tensor, " values"], Int[Tensor, " values"], Float[Tensor, " values"]]:
    places, entries = [], []
    for parameter in graph.node_parameters:
        column = NODE_FEATURES.index(parameter.role)
        places.append(parameter.nodes * len(NODE_FEATURES) + column)
        entries.append(parameter.entries)
    if not places:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    place = torch.cat(places)
    _, inverse, counts = place.unique(return_inverse=True, return_counts=True)
    return place, torch.cat(entries), 1.0 / counts[inverse]


def _index_within(layer: Int[Tensor, " nodes"]) -> Int[Tensor, " nodes"]:
    """The place of every node among those of its layer."""
    return occurrences(layer[None])[0]
