"""GCNII: a deep convolution that remembers where it began."""

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn import GCN2Conv
from torch_geometric.nn.resolver import activation_resolver

from gnncore.errors import SpecificationError
from gnncore.layers.layer import GraphLayer
from gnncore.layers.message_passing import check_edge_channels
from gnncore.layers.registry import register_layer


@register_layer("gcn2")
class GCN2Layer(GraphLayer):
    r"""``num_layers`` GCNII convolutions with the layer's own input as the initial signal.

    .. math::
        x^{(k+1)} = σ\left( \left((1-α) \hat{A} x^{(k)} + α x^{(0)}\right)
        \left((1-β_k) I + β_k Θ_k\right) \right), \qquad β_k = \ln(θ/k + 1)

    with the normalised adjacency :math:`\hat{A}` of a GCN. Source: Chen et al., "Simple and Deep
    Graph Convolutional Networks", ICML 2020, arXiv 2007.02133.

    Args:
        in_channels: Channels of the nodes.
        out_channels: The same number.
        edge_channels: 1 for edge weights, 0 for none.
        num_layers: Number of convolutions, each with its own weights.
        alpha: Share α of the initial signal.
        theta: Strength θ of the weights.
        shared_weights: Whether the initial signal shares :math:`Θ_k` with the propagated one.
        dropout: Probability of dropout before every convolution.
        act: Activation σ after every convolution, by its name in torch; None for none.
        add_self_loops: Whether nodes are their own neighbours.
        normalize: Whether the adjacency is normalised.

    Raises:
        SpecificationError: Channels that differ, no convolution, more than one edge channel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        edge_channels: int = 0,
        *,
        num_layers: int = 1,
        alpha: float = 0.1,
        theta: float = 0.5,
        shared_weights: bool = True,
        dropout: float = 0.0,
        act: str | None = "relu",
        add_self_loops: bool = True,
        normalize: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, edge_channels)
        if in_channels != out_channels:
            raise SpecificationError(
                f"gcn2 keeps the channels of its nodes; got {in_channels} to {out_channels}"
            )
        if num_layers < 1:
            raise SpecificationError(f"num_layers of gcn2 must be at least 1, got {num_layers}")
        check_edge_channels("GCN2Conv", edge_channels, "edge_weight")
        self.dropout = dropout
        self.activation = nn.Identity() if act is None else activation_resolver(act)
        self.operators = nn.ModuleList(
            GCN2Conv(
                in_channels,
                alpha,
                theta,
                layer,
                shared_weights,
                add_self_loops=add_self_loops,
                normalize=normalize,
            )
            for layer in range(1, num_layers + 1)
        )

    def reset_parameters(self) -> None:
        """Draws all parameters anew, as PyG does."""
        for operator in self.operators:
            operator.reset_parameters()  # type: ignore[operator]

    def forward(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges edge_channels"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
    ) -> tuple[Float[Tensor, "nodes channels"], Float[Tensor, "edges edge_channels"] | None]:
        """All convolutions on nodes; see :meth:`GraphLayer.forward`."""
        weight = self.require_edge_attr(edge_attr)[:, 0] if self.edge_channels else None
        initial = x
        for operator in self.operators:
            x = nn.functional.dropout(x, self.dropout, self.training)
            x = self.activation(operator(x, initial, edge_index, weight))
        return x, edge_attr
