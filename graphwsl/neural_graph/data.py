"""The neural graph as PyTorch Geometric's :class:`Data`, and batches of different architectures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import InvalidArgumentError
from graphwsl.neural_graph.elements import EdgeBlock, NodeParameter, NodeRelation
from graphwsl.neural_graph.roles import EdgeKind, ParameterRole, RelationRole
from graphwsl.neural_graph.units import NodeKind, occurrences

# Imported where it is used: it takes longer to import than torch, and zoos need no graphs.
if TYPE_CHECKING:
    from torch_geometric.data import Batch, Data, HeteroData

NODE_FEATURES = tuple(ParameterRole)
"""Columns of ``x``: the parameters of a node by role, the mean of those of one role."""

NODE_KEYS = (
    "x",
    "node_kind",
    "node_layer",
    "node_index",
    "depth",
    "is_input",
    "is_output",
)
"""What is said of nodes."""


@dataclass(frozen=True)
class Kernels:
    """The weights of successive edges, with kernels of one shape.

    Attributes:
        shape: Shape of the kernels; empty for single weights.
        start: Number of the first edge.
        entries: Indices of each edge's kernel in the flattened state, shape ``(edges, kernel)``;
            -1 where there is no weight.
    """

    shape: tuple[int, ...]
    start: int
    entries: Int[Tensor, "edges kernel"]

    @property
    def edges(self) -> slice:
        """The edges among those of the layout."""
        return slice(self.start, self.start + len(self.entries))

    def values(self, flat: Shaped[Tensor, " entries"]) -> Shaped[Tensor, "edges kernel"]:
        """Weights of a flattened state, 0 where there is none."""
        return torch.where(self.entries >= 0, flat[self.entries.clamp(min=0)], 0)


@dataclass(frozen=True)
class GraphLayout:
    """Everything of :class:`Data` that does not depend on the weights, and where those go.

    Attributes:
        num_nodes, edge_index, edge_kind, edge_tag, fan_in: As in :class:`Data`.
        node_kind, node_layer, node_index, is_input, is_output: As in it, too.
        kernels: Where the weights of the edges are; those that follow from nodes have none.
        node_elements: Elements of ``x``, flattened, that hold parameters, shape ``(values,)``.
        node_entries: Their indices in the flattened state, shape ``(values,)``.
        node_shares: What each adds to its element: one over the number of values there.
    """

    num_nodes: int
    edge_index: Int[Tensor, "2 edges"]
    kernels: tuple[Kernels, ...]
    edge_kind: Int[Tensor, " edges"]
    edge_tag: Int[Tensor, " edges"]
    fan_in: Float[Tensor, " edges"]
    node_kind: Int[Tensor, " nodes"]
    node_layer: Int[Tensor, " nodes"]
    node_index: Int[Tensor, " nodes"]
    is_input: Bool[Tensor, " nodes"]
    is_output: Bool[Tensor, " nodes"]
    node_elements: Int[Tensor, " values"]
    node_entries: Int[Tensor, " values"]
    node_shares: Float[Tensor, " values"]

    def x(self, flat: Shaped[Tensor, " entries"]) -> Shaped[Tensor, "nodes features"]:
        """Node features of a flattened state."""
        x = torch.zeros(self.num_nodes, len(NODE_FEATURES), dtype=flat.dtype)
        for role in (ParameterRole.SCALE, ParameterRole.VARIANCE):
            x[:, NODE_FEATURES.index(role)] = 1.0
        elements = x.view(-1)
        elements[self.node_elements] = 0.0
        elements.index_add_(0, self.node_elements, flat[self.node_entries] * self.node_shares)
        return x

    @property
    def largest_kernel(self) -> int:
        """Positions of the largest kernel."""
        return max((one.entries.shape[1] for one in self.kernels), default=1)

    @property
    def edge_entries(self) -> Int[Tensor, "edges kernel"]:
        """Indices of each edge's kernel in the flattened state; -1 outside smaller kernels."""
        entries = torch.full((self.edge_index.shape[1], self.largest_kernel), -1)
        for one in self.kernels:
            entries[one.edges, _middle(one.entries.shape[1], self.largest_kernel)] = one.entries
        return entries

    def edge_attr(self, flat: Shaped[Tensor, " entries"]) -> Shaped[Tensor, "edges kernel"]:
        """Edge features of a flattened state, all kernels centred and padded to the largest.

        Edges without weights are 1 at the centre.
        """
        width = self.largest_kernel
        values = torch.zeros(self.edge_index.shape[1], width, dtype=flat.dtype)
        for one in self.kernels:
            values[one.edges, _middle(one.entries.shape[1], width)] = one.values(flat)
        values[self.edge_kind != EdgeKind.WEIGHT, width // 2] = 1.0
        return values


def layout_of(
    kinds: Int[Tensor, " nodes"],
    calls: Int[Tensor, " nodes"],
    *,
    is_output: Bool[Tensor, " nodes"],
    blocks: Sequence[EdgeBlock],
    node_parameters: Sequence[NodeParameter],
    relations: Sequence[NodeRelation],
) -> GraphLayout:
    """The layout of an architecture.

    Args:
        kinds: :class:`NodeKind` of every node.
        calls: Number of the operator's call that makes it.
        is_output: Whether the network returns it.
        blocks: Weights.
        node_parameters: Parameters of nodes.
        relations: Edges without parameters.
    """
    kernels: list[Kernels] = []
    parts = []
    for block in blocks:
        entries, *part = _block_edges(block)
        start = kernels[-1].edges.stop if kernels else 0
        kernels.append(Kernels(block.kernel, start, entries))
        parts.append(part)
    for relation in relations:
        if relation.kind.role is RelationRole.SHARED:
            continue
        count = len(relation.sources)
        parts.append(
            [
                torch.stack([relation.sources, relation.targets]),
                torch.full((count,), int(relation.kind.edge_kind)),
                torch.zeros(count, dtype=torch.int64),
                torch.ones(count),
            ]
        )
    if not parts:
        nothing = torch.zeros(0, dtype=torch.int64)
        parts.append([nothing.view(1, 0).expand(2, 0), nothing, nothing, torch.zeros(0)])
    index, edge_kinds, tags, fan_in = zip(*parts, strict=True)
    elements, values, shares = _node_values(node_parameters)
    layer = calls.unique(return_inverse=True)[1]
    return GraphLayout(
        num_nodes=len(kinds),
        edge_index=torch.cat(index, dim=1),
        kernels=tuple(kernels),
        edge_kind=torch.cat(edge_kinds),
        edge_tag=torch.cat(tags),
        fan_in=torch.cat(fan_in),
        node_kind=kinds,
        node_layer=layer,
        node_index=_index_within(layer),
        is_input=kinds == NodeKind.INPUT,
        is_output=is_output,
        node_elements=elements,
        node_entries=values,
        node_shares=shares,
    )


def to_data(
    layout: GraphLayout, flat: Shaped[Tensor, " entries"], *, with_kernels: bool = True
) -> "Data":
    """The graph of a flattened state: forward edges with kernels, nodes with their parameters."""
    from torch_geometric.data import Data

    num_layers = int(layout.node_layer.max()) + 1 if layout.num_nodes else 0
    return Data(
        x=layout.x(flat),
        edge_index=layout.edge_index,
        edge_attr=layout.edge_attr(flat) if with_kernels else None,
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


def to_hetero_data(layout: GraphLayout, flat: Shaped[Tensor, " entries"]) -> "HeteroData":
    """The graph of a flattened state with a type of edges for kernels of a shape, unpadded."""
    from torch_geometric.data import HeteroData

    data = HeteroData()
    plain = to_data(layout, flat, with_kernels=False)
    nodes, num_layers = data["unit"], plain.num_layers
    for name in NODE_KEYS:
        nodes[name] = plain[name]
    data.num_layers = num_layers
    parts: dict[str, list[tuple[Tensor, Tensor | None]]] = {}
    for one in layout.kernels:
        name = "_".join(
            [EdgeKind.WEIGHT.label, *(["x".join(map(str, one.shape))] if one.shape else [])]
        )
        edges = torch.arange(one.edges.start, one.edges.stop)
        parts.setdefault(name, []).append((edges, one.values(flat)))
    for kind in layout.edge_kind.unique().tolist():
        if kind != EdgeKind.WEIGHT:
            edges = torch.nonzero(layout.edge_kind == kind).flatten()
            parts[EdgeKind(kind).label] = [(edges, None)]
    for name, several in parts.items():
        edges = torch.cat([some for some, _ in several])
        store = data["unit", name, "unit"]
        store.edge_index = plain.edge_index[:, edges]
        values = [one for _, one in several if one is not None]
        if values:
            store.edge_attr = torch.cat(values)
        for key in ("edge_tag", "edge_layer", "fan_in"):
            store[key] = plain[key][edges]
    return data


def collate(graphs: "Sequence[Data] | Sequence[HeteroData]") -> "Batch":
    """One batch of graphs of any architectures.

    Kernels of ``Data`` are padded, centred, to the largest; ``HeteroData`` get empty edges of the
    types that they lack.

    Args:
        graphs: What ``to_data`` or ``to_hetero_data`` made, at least one.

    Raises:
        InvalidArgumentError: There are none, or others.
    """
    from torch_geometric.data import Batch, Data, HeteroData

    advice = "give what graph.to_data() returns"
    arguments.listed("graphs", graphs, (Data, HeteroData), "a graph of PyTorch Geometric", advice)
    if not graphs:
        raise InvalidArgumentError(f"graphs must not be empty; {advice} for each network")
    copies = [graph.clone() for graph in graphs]
    plain = [graph for graph in copies if isinstance(graph, Data)]
    width = max((graph.edge_attr.shape[1] for graph in plain), default=0)
    for graph in plain:
        size = graph.edge_attr.shape[1]
        left = _middle(size, width).start
        graph.edge_attr = torch.nn.functional.pad(graph.edge_attr, (left, width - size - left))
    hetero = [graph for graph in copies if isinstance(graph, HeteroData)]
    examples = {kind: graph[kind] for graph in hetero for kind in graph.edge_types}
    for graph in hetero:
        for kind, example in examples.items():
            if kind not in graph.edge_types:
                for key, value in example.items():
                    graph[kind][key] = value[:, :0] if key == "edge_index" else value[:0]
    return Batch.from_data_list(copies)


def _block_edges(block: EdgeBlock) -> tuple[Tensor, ...]:
    groups, targets, sources, kernel = block.entries.shape
    shape = (groups, targets, sources)
    source = block.sources[:, None, :].expand(shape).reshape(-1)
    target = block.targets[:, :, None].expand(shape).reshape(-1)
    tags = block.tags[:, None, :].expand(shape).reshape(-1)
    entries = block.entries.reshape(-1, kernel)
    real = (source >= 0) & (entries >= 0).any(dim=1)
    count = int(real.sum())
    return (
        entries[real],
        torch.stack([source[real], target[real]]),
        torch.zeros(count, dtype=torch.int64),
        tags[real],
        torch.full((count,), float(sources * kernel)),
    )


def _middle(size: int, width: int) -> slice:
    """The middle of ``width`` columns: the centre of a kernel at the centre of the largest."""
    left = width // 2 - size // 2
    return slice(left, left + size)


def _node_values(
    node_parameters: Sequence[NodeParameter],
) -> tuple[Int[Tensor, " values"], Int[Tensor, " values"], Float[Tensor, " values"]]:
    elements, entries = [], []
    for parameter in node_parameters:
        column = NODE_FEATURES.index(parameter.role)
        elements.append(parameter.nodes * len(NODE_FEATURES) + column)
        entries.append(parameter.entries)
    if not elements:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    element = torch.cat(elements)
    _, inverse, counts = element.unique(return_inverse=True, return_counts=True)
    return element, torch.cat(entries), 1.0 / counts[inverse]


def _index_within(layer: Int[Tensor, " nodes"]) -> Int[Tensor, " nodes"]:
    """The index of every node among those of its layer."""
    return occurrences(layer[None])[0]
