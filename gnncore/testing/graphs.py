"""Small graphs to test on: a random one, and those at the edge of what a graph is."""

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected


def random_graph(
    num_nodes: int = 12,
    in_channels: int = 4,
    edge_channels: int = 0,
    *,
    num_extra_edges: int = 6,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Data:
    """A random tree with extra edges, normal signals, and an isolated node at the end.

    Every edge stands in both directions, each direction with a signal of its own; there are no
    self-loops and no parallel edges. The isolated node, the last one, catches layers that take
    the number of nodes from ``edge_index``.

    Args:
        num_nodes: Number of nodes, with the isolated one.
        in_channels: Channels of ``x``.
        edge_channels: Channels of ``edge_attr``, which is positive, as weights of edges must be
            for many operators; 0 for no ``edge_attr``.
        num_extra_edges: Undirected edges drawn besides those of the tree.
        seed: Equal seeds give equal graphs, whatever the state of torch's own generator.
        dtype: Type of the signals.
    """
    generator = torch.Generator().manual_seed(seed)
    joined = max(num_nodes - 1, 0)
    children = torch.arange(1, max(joined, 1))
    parents = (torch.rand(len(children), generator=generator) * children).long()
    extra = torch.randint(
        max(joined, 1), (2, num_extra_edges if joined > 1 else 0), generator=generator
    )
    extra = extra[:, extra[0] != extra[1]]
    edge_index = to_undirected(
        torch.cat([torch.stack([parents, children]), extra], dim=1), num_nodes=num_nodes
    )
    return _with_signals(edge_index, num_nodes, in_channels, edge_channels, generator, dtype)


def degenerate_graphs(
    in_channels: int, edge_channels: int = 0, *, dtype: torch.dtype = torch.float64
) -> dict[str, Data]:
    """Graphs where layers break, by name: without nodes, with one, without edges, with loops.

    Args:
        in_channels: Channels of the nodes.
        edge_channels: Channels of the edges; 0 for none.
        dtype: Data type of the signals.
    """
    shapes = {
        "the empty graph": (0, []),
        "a single node": (1, []),
        "a single node with a self-loop": (1, [(0, 0)]),
        "nodes without edges": (3, []),
        "two nodes and an isolated one": (3, [(0, 1), (1, 0)]),
    }
    generator = torch.Generator().manual_seed(0)
    return {
        name: _with_signals(
            torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T,
            num_nodes,
            in_channels,
            edge_channels,
            generator,
            dtype,
        )
        for name, (num_nodes, edges) in shapes.items()
    }


def permute_nodes(graph: Data, permutation: Tensor) -> Data:
    """The same graph with node ``permutation[i]`` of before as node ``i``."""
    new_index = permutation.argsort()
    permuted = graph.clone()
    permuted.x = graph.x[permutation]
    permuted.edge_index = new_index[graph.edge_index]
    if "batch" in graph:
        permuted.batch = graph.batch[permutation]
    return permuted


def permute_edges(graph: Data, permutation: Tensor) -> Data:
    """The same graph with edge ``permutation[i]`` of before as edge ``i``."""
    permuted = graph.clone()
    permuted.edge_index = graph.edge_index[:, permutation]
    if graph.edge_attr is not None:
        permuted.edge_attr = graph.edge_attr[permutation]
    return permuted


def _with_signals(
    edge_index: Tensor,
    num_nodes: int,
    in_channels: int,
    edge_channels: int,
    generator: torch.Generator,
    dtype: torch.dtype,
) -> Data:
    # Drawn in double precision, so that graphs of all dtypes are the same up to rounding.
    x = torch.randn(num_nodes, in_channels, generator=generator, dtype=torch.float64)
    shape = (edge_index.size(1), edge_channels)
    edge_attr = 0.1 + torch.rand(shape, generator=generator, dtype=torch.float64)
    return Data(
        x=x.to(dtype),
        edge_index=edge_index,
        edge_attr=edge_attr.to(dtype) if edge_channels else None,
    )
