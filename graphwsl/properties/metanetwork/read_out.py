"""From the signals on nodes and edges to one vector a network, whatever its width and depth."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn import MLP

from graphwsl.populations.dense_layout import DenseLayout


class LayerReadOut(nn.Module):
    """Means and spreads over each layer's nodes and weights, joined from layer to layer.

    A gated recurrent unit runs over the layers in forward order, since networks differ in their
    number; the head of three layers reads its last state, its mean state and the last layer.

    Args:
        channels: Channels of the nodes.
        edge_channels: Channels of the edges.
        statistics: Columns of further statistics of a layer.
        hidden_channels: Width of the state that runs over the layers.
        out_channels: Predictions a network.
        dropout: Share of the head's hidden numbers that are dropped in training.
    """

    def __init__(
        self,
        channels: int,
        edge_channels: int,
        statistics: int,
        hidden_channels: int,
        out_channels: int,
        dropout: float,
    ) -> None:
        super().__init__()
        width = 2 * (channels + edge_channels) + statistics + 1
        self.join = nn.Sequential(
            nn.Linear(width, hidden_channels), nn.LayerNorm(hidden_channels), nn.GELU()
        )
        self.over_layers = nn.GRU(hidden_channels, hidden_channels, batch_first=True)
        self.head = MLP(
            [3 * hidden_channels, hidden_channels, hidden_channels, out_channels],
            act="gelu",
            norm=None,
            dropout=dropout,
        )

    def forward(
        self,
        layout: DenseLayout,
        x: Float[Tensor, "networks nodes channels"],
        edges: Float[Tensor, "networks edges edge_channels"],
        statistics: Float[Tensor, "networks layers statistics"],
    ) -> Float[Tensor, "networks out_channels"]:
        """The predictions for networks of one architecture."""
        layers = len(layout.layers)
        nodes = _moments(x, layout.node_layer, layers)
        weights = _moments(edges, layout.edge_layer, layers)
        depth = torch.linspace(0, 1, layers, device=x.device)[:, None].expand(len(x), -1, 1)
        joined = self.join(
            torch.cat([nodes, weights, statistics, depth], dim=2)
        )  # (networks, layers, hidden)
        states, _ = self.over_layers(joined)
        return self.head(torch.cat([states[:, -1], states.mean(1), joined[:, -1]], dim=1))


def _moments(
    signal: Float[Tensor, "networks items channels"], layer: Int[Tensor, " items"], layers: int
) -> Float[Tensor, "networks layers moments"]:
    """Mean and standard deviation over the items of each layer; zero where it has none."""
    count = torch.bincount(layer, minlength=layers).clamp(min=1)[:, None]
    shape = (len(signal), layers, signal.shape[2])
    mean = signal.new_zeros(shape).index_add(1, layer, signal) / count
    squares = signal.new_zeros(shape).index_add(1, layer, signal.square()) / count
    spread = (squares - mean.square()).clamp(min=0) + 1e-6
    return torch.cat([mean, spread.sqrt()], dim=2)
