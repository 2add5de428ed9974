"""Message passing on the neural graph in which edges are updated too."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.nn import MLP

from graphwsl.populations.dense_layout import DenseLayout
from graphwsl.properties.metanetwork.network import Signals
from graphwsl.properties.metanetwork.predictor import MetanetworkPredictor


class BlockMessages(nn.Module):
    r"""One round: edges listen to their ends, neurons to the mean of their edges, both ways.

    .. math::
        p_{rs} &= \mathrm{GELU}(W_s h_s + W_r h_r + W_e \mathrm{LN}(e_{rs})) \\
        h_v &\leftarrow h_v + \mathrm{MLP}\Bigl(\mathrm{LN}(h_v),
            \operatorname{mean}_s p_{vs}, \operatorname{mean}_r p_{rv}\Bigr), \quad
        e_{rs} \leftarrow e_{rs} + W_p p_{rs}

    Means instead of sums keep the signal's size whatever the width.

    Args:
        channels: Channels of the nodes.
        edge_channels: Channels of the edges, and of the messages p twice as many.
    """

    def __init__(self, channels: int, edge_channels: int) -> None:
        super().__init__()
        width = 2 * edge_channels
        self.node_norm = nn.LayerNorm(channels)
        self.edge_norm = nn.LayerNorm(edge_channels)
        self.from_ends = nn.Linear(channels, 2 * width, bias=False)
        self.from_edge = nn.Linear(edge_channels, width)
        self.update_nodes = MLP(
            [channels + 2 * width, 2 * channels, channels], act="gelu", norm=None
        )
        self.update_edges = nn.Linear(width, edge_channels)
        self.width = width

    def forward(
        self,
        layout: DenseLayout,
        x: Float[Tensor, "networks nodes channels"],
        edges: Float[Tensor, "networks edges edge_channels"],
    ) -> Signals:
        """The next signals on nodes and edges."""
        normal = self.node_norm(x)
        from_source, from_target = self.from_ends(normal).chunk(2, dim=-1)
        blocks, related = layout.split(self.from_edge(self.edge_norm(edges)))
        into = x.new_zeros(len(x), layout.num_nodes, self.width)
        out_of = torch.zeros_like(into)
        messages = []
        for block, edge in zip(layout.blocks, blocks, strict=True):
            sources, targets = block.sources, block.targets
            message = edge + from_source[:, sources][:, :, None]
            message = nn.functional.gelu(message + from_target[:, targets][:, :, :, None])
            into = into.index_add(1, targets.reshape(-1), message.mean(3).flatten(1, 2))
            back = message.mean(2) * block.share[..., None]
            out_of = out_of.index_add(1, sources.reshape(-1), back.flatten(1, 2))
            messages.append(message.flatten(1, 3))
        if len(layout.relations.kind):
            relations = layout.relations
            message = related + from_source[:, relations.sources]
            message = nn.functional.gelu(message + from_target[:, relations.targets])
            into = into.index_add(1, relations.targets, message * relations.into[:, None])
            out_of = out_of.index_add(1, relations.sources, message * relations.out_of[:, None])
            messages.append(message)
        x = x + self.update_nodes(torch.cat([normal, into, out_of], dim=-1))
        return x, edges + self.update_edges(torch.cat(messages, dim=1))


class MessagePassing(nn.Module):
    """Several rounds, each with its own weights.

    Args:
        channels: Channels of the nodes.
        edge_channels: Channels of the edges.
        rounds: Number of rounds; a signal crosses one layer a round.
    """

    def __init__(self, channels: int, edge_channels: int, rounds: int) -> None:
        super().__init__()
        self.rounds = nn.ModuleList(BlockMessages(channels, edge_channels) for _ in range(rounds))

    def forward(self, layout: DenseLayout, x: Tensor, edges: Tensor) -> Signals:
        """The signals after all rounds."""
        for messages in self.rounds:
            x, edges = messages(layout, x, edges)
        return x, edges


class MessagePassingPredictor(MetanetworkPredictor):
    """Message passing with edge updates and means.

    After Lim et al., "Graph Metanetworks for Processing Diverse Neural Architectures", 2024, and
    Kofinas et al., "Graph Neural Networks for Learning Equivariant Representations of Neural
    Networks", 2024.
    """

    name: ClassVar[str] = "message_passing"
    defaults: ClassVar[dict[str, Any]] = {**MetanetworkPredictor.defaults, "rounds": 3}

    def _body(self) -> nn.Module:
        options = self.options
        return MessagePassing(options["channels"], options["edge_channels"], options["rounds"])
