"""The metanetwork: embedding, body, read-out, for networks of any architectures at once."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

from gnncore.training import RaggedRows
from graphwsl.populations.dense_layout import DenseLayout
from graphwsl.populations.layer_statistics import PER_LAYER
from graphwsl.properties.metanetwork.inputs import InputEmbedding
from graphwsl.properties.metanetwork.read_out import LayerReadOut
from graphwsl.properties.metanetwork.statistics import LayerStatistics
from graphwsl.properties.network_predictor import by_kind

Signals = tuple[
    Float[Tensor, "networks nodes channels"], Float[Tensor, "networks edges edge_channels"]
]


@runtime_checkable
class Body(Protocol):
    """What tells metanetworks apart: how signals move on nodes and edges."""

    def __call__(self, layout: DenseLayout, x: Tensor, edges: Tensor) -> Signals:
        """The next signals of networks of one architecture."""
        ...


class Metanetwork(nn.Module):
    """Predictions for networks from their weights.

    Args:
        body: Between embedding and read-out; keeps the channels.
        channels: Channels of the nodes.
        edge_channels: Channels of the edges.
        hidden_channels: Width of the read-out.
        out_channels: Predictions a network.
        kernel: Positions of the largest kernel.
        fan_in_exponent: See :class:`InputEmbedding`.
        dropout: Share of the head's hidden numbers that are dropped in training.
        statistics: Whether the read-out also gets the statistics of every layer.

    Attributes:
        layouts: The architectures that :meth:`forward` knows, by number.
    """

    def __init__(
        self,
        body: nn.Module,
        channels: int,
        edge_channels: int,
        hidden_channels: int,
        out_channels: int,
        *,
        kernel: int,
        fan_in_exponent: float,
        dropout: float,
        statistics: bool,
    ) -> None:
        super().__init__()
        self.layouts: Sequence[DenseLayout] = ()
        self.embedding = InputEmbedding(channels, edge_channels, kernel, fan_in_exponent)
        self.body = body
        self.statistics = LayerStatistics() if statistics else None
        columns = PER_LAYER if statistics else 0
        self.read_out = LayerReadOut(
            channels, edge_channels, columns, hidden_channels, out_channels, dropout
        )

    def fit_scales(
        self, groups: Sequence[tuple[DenseLayout, Float[Tensor, "networks entries"]]]
    ) -> None:
        """Take the scales of all inputs from networks: the training set."""
        self.embedding.fit_scales(groups)
        if self.statistics is not None:
            self.statistics.fit_scales(groups)

    def forward(
        self, states: RaggedRows, kind: Int[Tensor, " networks"]
    ) -> Float[Tensor, "networks out_channels"]:
        """Predictions for a batch.

        Args:
            states: The flattened state of every network.
            kind: Number of every network's architecture.
        """
        return by_kind(states, kind, self._predict)

    def _predict(
        self, kind: int, states: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks out_channels"]:
        layout = self.layouts[kind].to(states.device)
        x, edges = self.body(layout, *self.embedding(layout, states))
        statistics = states.new_zeros(len(states), len(layout.layers), 0)
        if self.statistics is not None:
            statistics = self.statistics(layout, states)
        return self.read_out(layout, x, edges, statistics)
