"""A layer: every node hears the sum of its neighbours."""

import torch

from gnncore.layers import GraphLayer, register_layer


@register_layer("own_sum")
class OwnSum(GraphLayer):
    def __init__(self, in_channels: int, out_channels: int, edge_channels: int = 0) -> None:
        super().__init__(in_channels, out_channels, edge_channels)
        self.own = torch.nn.Linear(in_channels, out_channels)
        self.heard = torch.nn.Linear(in_channels, out_channels)

    def forward(self, x, edge_index, edge_attr=None, batch=None):
        source, target = edge_index
        heard = torch.zeros_like(x).index_add(0, target, x[source])
        return self.own(x) + self.heard(heard), edge_attr

    def reset_parameters(self) -> None:
        self.own.reset_parameters()
        self.heard.reset_parameters()
