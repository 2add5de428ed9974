"""What every layer is: a map from the signal on nodes and edges to the next one."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from gnncore.errors import SpecificationError


class GraphLayer(nn.Module):
    """Base of all layers; a layer that does not update edges hands ``edge_attr`` on unchanged.

    Subclasses define ``forward`` with exactly this signature, and ``reset_parameters``.

    Attributes:
        in_channels: Channels of the nodes that come in.
        out_channels: Channels of the nodes that go out.
        edge_channels: Channels of the edges that come in; 0 where the layer uses none.
        edge_out_channels: Channels of the edges that go out.
    """

    in_channels: int
    out_channels: int
    edge_channels: int
    edge_out_channels: int

    def __init__(self, in_channels: int, out_channels: int, edge_channels: int = 0) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.edge_channels = edge_channels
        self.edge_out_channels = edge_channels

    def forward(
        self,
        x: Float[Tensor, "nodes in_channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges edge_channels"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
    ) -> tuple[Float[Tensor, "nodes out_channels"], Float[Tensor, "edges edge_out"] | None]:
        """The next signal on the nodes and on the edges.

        Args:
            x: Signal on the nodes.
            edge_index: Source and target of every directed edge; undirected edges stand in both
                directions.
            edge_attr: Signal on the edges.
            batch: Graph of every node; None for a single graph.
        """
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        raise NotImplementedError

    def require_edge_attr(
        self, edge_attr: Float[Tensor, "edges channels"] | None
    ) -> Float[Tensor, "edges channels"]:
        """``edge_attr``, if it is there and has the channels that the layer was built for.

        Raises:
            SpecificationError: It is missing or has other channels.
        """
        channels = None if edge_attr is None else edge_attr.shape[1]
        if edge_attr is None or channels != self.edge_channels:
            raise SpecificationError(
                f"{type(self).__name__} was built with edge_channels={self.edge_channels}, "
                f"got edge_attr with {'none' if channels is None else channels}"
            )
        return edge_attr
