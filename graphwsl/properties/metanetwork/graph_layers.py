"""Layers of the core as bodies of metanetworks: on the graph with edges in both directions."""

from typing import Any

import torch
from torch import Tensor, nn

from gnncore.layers import make_layer
from graphwsl.populations.dense_layout import DenseLayout
from graphwsl.properties.metanetwork.network import Signals


class GraphLayers(nn.Module):
    """Layers of :mod:`gnncore.layers` one after the other.

    Every edge is there twice, from source to target and back, told apart by a learnt vector.

    Args:
        layer: Its name.
        channels: Channels of the nodes.
        edge_channels: Channels of the edges.
        rounds: Number of layers.
        options: Options of the layers.
    """

    def __init__(
        self, layer: str, channels: int, edge_channels: int, rounds: int, **options: Any
    ) -> None:
        super().__init__()
        self.direction = nn.Parameter(0.1 * torch.randn(2, edge_channels))
        self.layers = nn.ModuleList(
            make_layer(layer, channels, channels, edge_channels, **options) for _ in range(rounds)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(rounds))

    def forward(self, layout: DenseLayout, x: Tensor, edges: Tensor) -> Signals:
        """The signals after all layers; an edge's is the mean of both directions."""
        networks, count = len(x), layout.num_edges
        both = torch.cat([layout.edge_index, layout.edge_index.flip(0)], dim=1)
        starts = torch.arange(networks, device=x.device) * layout.num_nodes
        edge_index = (both[:, None] + starts[:, None]).flatten(1)
        signal = edges[:, None] + self.direction[:, None]  # (networks, 2, edges, edge_channels)
        nodes, signal = x.flatten(0, 1), signal.flatten(0, 2)
        batch = starts.new_tensor(range(networks)).repeat_interleave(layout.num_nodes)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            nodes, signal = layer(norm(nodes), edge_index, signal, batch)
        return nodes.view_as(x), signal.view(networks, 2, count, -1).mean(1)
