"""One layer of a model with what follows it."""

import inspect

from jaxtyping import Float, Int
from torch import Tensor, nn

from gnncore.layers import make_layer
from gnncore.models.parts import make_activation, make_normalisation, reset_all
from gnncore.models.specification import BlockSpecification


class Block(nn.Module):
    """Layer, normalisation, activation, dropout.

    Args:
        specification: Specification of this layer.
        edge_channels: Channels of the edges that come in.

    Attributes:
        needs_batch: Whether the normalisation is over graphs.

    Raises:
        SpecificationError: An unknown layer, or options that it or the normalisation rejects.
    """

    def __init__(self, specification: BlockSpecification, edge_channels: int) -> None:
        super().__init__()
        s = specification
        self.layer = make_layer(
            s.layer, s.in_channels, s.out_channels, edge_channels, **s.layer_options
        )
        self.normalisation = make_normalisation(
            s.normalisation, s.out_channels, s.normalisation_options
        )
        self.activation = make_activation(s.activation)
        self.dropout = nn.Dropout(s.dropout)
        self.edge_dropout = nn.Dropout(s.edge_dropout)
        self.needs_batch = "batch" in inspect.signature(self.normalisation.forward).parameters

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        reset_all(self.children())

    def forward(
        self,
        x: Float[Tensor, "nodes in_channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges edge_channels"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
        num_graphs: int | None = None,
    ) -> tuple[Float[Tensor, "nodes out_channels"], Float[Tensor, "edges edge_out"] | None]:
        """The next signal on the nodes and on the edges.

        Args:
            x: Signal on the nodes.
            edge_index: Source and target of every directed edge.
            edge_attr: Signal on the edges.
            batch: Graph of every node; must be given where ``needs_batch``.
            num_graphs: Number of graphs; as ``batch``.
        """
        x, edge_attr = self.layer(x, edge_index, edge_attr, batch)
        graphs = (batch, num_graphs) if self.needs_batch else ()
        x = self.normalisation(x, *graphs)
        x = self.dropout(self.activation(x))
        if edge_attr is not None:
            edge_attr = self.edge_dropout(edge_attr)
        return x, edge_attr
