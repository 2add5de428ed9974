"""A signal that runs through the network as its activations do, layer by layer, and back."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.errors import PredictorError
from graphwsl.populations.dense_layout import Block, DenseLayout, Layer
from graphwsl.properties.metanetwork.network import Signals
from graphwsl.properties.metanetwork.predictor import MetanetworkPredictor


class Sweep(nn.Module):
    r"""One pass over the layers in their order, or backwards; every neuron is updated once.

    .. math::
        m_r &= W_m \Bigl[ \tfrac{1}{S} \sum_s e_{rs} \odot W_v h_s, \;
            \tfrac{1}{S} \sum_s e_{rs} \Bigr] \\
        h_r &\leftarrow \mathrm{GRU}(\mathrm{LN}(m_r), h_r)

    An edge has one channel for each head, which multiplies all of the head's channels of the value
    :math:`W_v h_s`: the weights of a layer act on the signal as they act on activations, in several
    learnt shapes at once. The sum over a dense block is a product of matrices. Backwards, signals
    go from targets to sources.

    Args:
        channels: Channels of the nodes, a multiple of the edges'.
        edge_channels: Channels of the edges; the number of heads.
        backward: Begin with the last layer.
    """

    def __init__(self, channels: int, edge_channels: int, *, backward: bool) -> None:
        super().__init__()
        self.heads, self.backward = edge_channels, backward
        self.value = nn.Linear(channels, channels, bias=False)
        self.message = nn.Linear(channels + edge_channels, channels)
        self.norm = nn.LayerNorm(channels)
        self.update = nn.GRUCell(channels, channels)

    def forward(
        self,
        layout: DenseLayout,
        x: Float[Tensor, "networks nodes channels"],
        edges: Float[Tensor, "networks edges edge_channels"],
    ) -> Float[Tensor, "networks nodes channels"]:
        """The signal on the nodes after the pass."""
        blocks, related = layout.split(edges)
        received = x.new_zeros(len(x), layout.num_nodes, x.shape[2] + self.heads)
        layers = reversed(layout.layers) if self.backward else iter(layout.layers)
        for layer in layers:
            if not self.backward:
                received = self._send(layout, layer, x, blocks, related, received)
            x = self._updated(layer.nodes, x, received)
            if self.backward:
                received = self._send(layout, layer, x, blocks, related, received)
        return x

    def _updated(self, nodes: Tensor, x: Tensor, received: Tensor) -> Tensor:
        state = x[:, nodes]
        message = self.norm(self.message(received[:, nodes]))
        new = self.update(message.flatten(0, 1), state.flatten(0, 1))
        return x.index_copy(1, nodes, new.view_as(state))

    def _send(
        self,
        layout: DenseLayout,
        layer: Layer,
        x: Tensor,
        blocks: list[Tensor],
        related: Tensor,
        received: Tensor,
    ) -> Tensor:
        """What nodes have received after the edges that end in a layer have been at work."""
        for number in layer.blocks:
            nodes, message = self._along(layout.blocks[number], blocks[number], x)
            received = received.index_add(1, nodes, message)
        if len(layer.relations):
            ends = [
                layout.relations.sources[layer.relations],
                layout.relations.targets[layer.relations],
            ]
            shares = layout.relations.into
            if self.backward:
                ends, shares = ends[::-1], layout.relations.out_of
            edge = related[:, layer.relations]
            value = self.value(x[:, ends[0]]).unflatten(-1, (self.heads, -1))
            message = torch.cat([(edge[..., None] * value).flatten(-2), edge], dim=-1)
            message = message * shares[layer.relations, None]
            received = received.index_add(1, ends[1], message)
        return received

    def _along(
        self,
        block: Block,
        edge: Float[Tensor, "networks groups targets sources heads"],
        x: Float[Tensor, "networks nodes channels"],
    ) -> tuple[Tensor, Float[Tensor, "networks receivers message"]]:
        """The means over a block, and the nodes that get them."""
        senders, receivers = block.sources, block.targets
        if self.backward:
            senders, receivers, edge = receivers, senders, edge.transpose(2, 3)
        value = self.value(x)[:, senders].unflatten(-1, (self.heads, -1))
        sums = torch.einsum("bgrsc,bgscw->bgrcw", edge, value).flatten(-2)
        message = torch.cat([sums / edge.shape[3], edge.mean(3)], dim=-1)
        if self.backward:
            message = message * block.share[..., None]
        return receivers.reshape(-1), message.flatten(1, 2)


class ForwardPropagation(nn.Module):
    """Sweeps forward and back, in turns.

    Args:
        channels: Channels of the nodes, a multiple of the edges'.
        edge_channels: Channels of the edges.
        rounds: Number of pairs of sweeps.
    """

    def __init__(self, channels: int, edge_channels: int, rounds: int) -> None:
        super().__init__()
        self.sweeps = nn.ModuleList(
            Sweep(channels, edge_channels, backward=backward)
            for _ in range(rounds)
            for backward in (False, True)
        )

    def forward(self, layout: DenseLayout, x: Tensor, edges: Tensor) -> Signals:
        """The signal on nodes after all sweeps; edges keep theirs."""
        for sweep in self.sweeps:
            x = sweep(layout, x, edges)
        return x, edges


class ForwardPropagationPredictor(MetanetworkPredictor):
    """A recurrent signal in the network's own order of computation.

    The layer-by-layer order with a gated update is that of Wu et al., "Dynamic Neural Graph", 2026;
    the sweep back gives early layers what later ones know.
    """

    name: ClassVar[str] = "forward_propagation"
    defaults: ClassVar[dict[str, Any]] = {**MetanetworkPredictor.defaults, "rounds": 1}

    def _body(self) -> nn.Module:
        channels, edge_channels = self.options["channels"], self.options["edge_channels"]
        if channels % edge_channels:
            raise PredictorError(
                f"channels of {self.name!r} must be a multiple of edge_channels "
                f"{edge_channels}, got {channels}"
            )
        return ForwardPropagation(channels, edge_channels, self.options["rounds"])
