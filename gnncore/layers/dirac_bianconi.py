"""The Dirac–Bianconi layer: nodes and edges both carry a signal, and drive each other."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn.resolver import activation_resolver
from torch_geometric.utils import scatter

from gnncore.errors import SpecificationError
from gnncore.layers.incidence import Incidence
from gnncore.layers.layer import GraphLayer
from gnncore.layers.registry import register_layer


@register_layer("dirac_bianconi")
class DiracBianconiConv(GraphLayer):
    r"""``num_steps`` explicit steps of the nonlinear Dirac–Bianconi equation, with one set of
    weights.

    A step maps the old signal on nodes and directed edges to the new one, both at once:

    .. math::
        x_v &← σ\left(\mathrm{drop}\left(x_v + β_n x_v
            + W_{ne}^⊤ \sum_{u → v} e_{uv}\right)\right) \\
        e_{uv} &← σ\left(\mathrm{drop}\left(e_{uv} + β_e e_{uv}
            + W_{en}^⊤ (x_v - x_u)\right)\right)

    Convolutions such as a GCN's average a node with its neighbours: a signal diffuses, its
    differences shrink with every layer, and far nodes cannot tell what it was. Here the edges have
    a state of their own. Differences of nodes drive edges, which drive nodes, so that a signal
    travels as a wave. The coupling of both is the topological Dirac operator, whose square on the
    nodes is the graph Laplacian (:func:`gnncore.testing.dirac_oracle.dirac_matrix`): where
    diffusion damps a mode of eigenvalue λ, waves turn it at a frequency of √λ, and keep it. β
    gives nodes and edges a mass. A signal needs two steps to the next node.

    Source: Nauck, Gorantla, Lindner et al., "Dirac–Bianconi Graph Neural Networks: Enabling
    Non-Diffusive Long-Range Graph Predictions", 2024, arXiv 2407.12419. Parameters have the names,
    shapes and initial values of the authors' implementation. Embeddings before the layers and
    skips between them are the model's.

    Args:
        in_channels: Channels of the nodes.
        out_channels: The same number.
        edge_channels: Channels of the edges, at least 1.
        num_steps: Number of steps T.
        act: Activation σ of nodes and edges, by its name in torch; None for the linear equation.
        dropout: Probability of dropout before the activation, of nodes.
        edge_dropout: The same of edges; None for the same value.
        delta: Scale Δ of the initial weights: W is Δ times standard normal, :math:`β_e = Δ I`,
            :math:`β_n = -Δ I`.
        normalize: Whether every step ends with a division by the mean of the node signal's mean
            and the edge signal's. Means are those of each graph in ``batch``; the authors' are
            those of all that is given at once, as here without ``batch``.
        degree_power: A node divides its sum of edges by its degree to this power: 0 for the sum as
            published, 1 for the mean. The frequencies of sums grow with the largest degree, those
            of means do not.

    Raises:
        SpecificationError: Channels that differ or are missing, no step, no probability, a
            ``degree_power`` outside [0, 1].
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        edge_channels: int = 0,
        *,
        num_steps: int = 1,
        act: str | None = "leaky_relu",
        dropout: float = 0.0,
        edge_dropout: float | None = None,
        delta: float = 0.01,
        normalize: bool = False,
        degree_power: float = 0.0,
    ) -> None:
        super().__init__(in_channels, out_channels, edge_channels)
        if in_channels != out_channels:
            raise SpecificationError(
                "a Dirac–Bianconi layer keeps the channels of its nodes; "
                f"got {in_channels} to {out_channels}"
            )
        if edge_channels < 1:
            raise SpecificationError(
                "a Dirac–Bianconi layer needs a signal on the edges; "
                f"edge_channels must be at least 1, got {edge_channels}"
            )
        if num_steps < 1:
            raise SpecificationError(f"num_steps must be at least 1, got {num_steps}")
        edge_dropout = dropout if edge_dropout is None else edge_dropout
        for what, rate in (("dropout", dropout), ("edge_dropout", edge_dropout)):
            if not 0 <= rate <= 1:
                raise SpecificationError(f"{what} must lie in [0, 1], got {rate}")
        if not 0 <= degree_power <= 1:
            raise SpecificationError(f"degree_power must lie in [0, 1], got {degree_power}")
        self.num_steps = num_steps
        self.activation = nn.Identity() if act is None else activation_resolver(act)
        if hasattr(self.activation, "inplace"):  # it is only applied to fresh tensors
            self.activation.inplace = True
        self.dropout = dropout
        self.edge_dropout = edge_dropout
        self.delta = delta
        self.normalize = normalize
        self.degree_power = degree_power
        self.W_ne = nn.Parameter(torch.empty(edge_channels, in_channels))
        self.W_en = nn.Parameter(torch.empty(in_channels, edge_channels))
        self.beta_n = nn.Parameter(torch.empty(in_channels, in_channels))
        self.beta_e = nn.Parameter(torch.empty(edge_channels, edge_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws W anew and resets β, both at the scale ``delta``."""
        with torch.no_grad():
            for weight in (self.W_ne, self.W_en):
                weight.normal_().mul_(self.delta)
            self.beta_n.copy_(-self.delta * torch.eye(self.in_channels))
            self.beta_e.copy_(self.delta * torch.eye(self.edge_channels))

    def forward(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges edge_channels"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
    ) -> tuple[Float[Tensor, "nodes channels"], Float[Tensor, "edges edge_channels"]]:
        """Nodes and edges after all steps.

        Args:
            x: Signal on the nodes.
            edge_index: Source and target of every directed edge; undirected edges stand in both
                directions.
            edge_attr: Signal on the edges.
            batch: Graph of every node; only ``normalize`` looks at it.

        Raises:
            SpecificationError: ``edge_attr`` is missing or has other channels.
        """
        edge_attr = self.require_edge_attr(edge_attr)
        # Many steps add up small changes, which half precision would round away.
        if torch.is_autocast_enabled(x.device.type):
            x, edge_attr = x.to(self.W_en.dtype), edge_attr.to(self.W_en.dtype)
        with torch.autocast(x.device.type, enabled=False):
            graph = Incidence(edge_index, len(x), x.dtype)
            for _ in range(self.num_steps):
                x, edge_attr = self._step(x, edge_attr, graph)
                if self.normalize:
                    x, edge_attr = _normalised(x, edge_attr, edge_index, batch)
        return x, edge_attr

    def _step(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_attr: Float[Tensor, "edges edge_channels"],
        graph: Incidence,
    ) -> tuple[Float[Tensor, "nodes channels"], Float[Tensor, "edges edge_channels"]]:
        return self._activated(
            self._driven_nodes(x, graph.incoming(edge_attr, self.degree_power)),
            self._driven_edges(x, edge_attr, graph),
        )

    def _driven_nodes(
        self, x: Float[Tensor, "nodes channels"], sums: Float[Tensor, "nodes edge_channels"]
    ) -> Float[Tensor, "nodes channels"]:
        return torch.addmm(x, x, self.beta_n.T).addmm_(sums, self.W_ne)

    def _driven_edges(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_attr: Float[Tensor, "edges edge_channels"],
        graph: Incidence,
    ) -> Float[Tensor, "edges edge_channels"]:
        # W is linear: multiplied on the nodes, which are fewer, before the difference is taken.
        drive = graph.differences(x @ self.W_en)
        return torch.addmm(edge_attr, edge_attr, self.beta_e.T).add_(drive)

    def _activated(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_attr: Float[Tensor, "edges edge_channels"],
    ) -> tuple[Float[Tensor, "nodes channels"], Float[Tensor, "edges edge_channels"]]:
        x = nn.functional.dropout(x, self.dropout, self.training)
        edge_attr = nn.functional.dropout(edge_attr, self.edge_dropout, self.training)
        return self.activation(x), self.activation(edge_attr)

    def extra_repr(self) -> str:
        """The arguments, in the line that ``print`` shows."""
        return (
            f"{self.in_channels}, {self.out_channels}, edge_channels={self.edge_channels}, "
            f"num_steps={self.num_steps}, dropout={self.dropout}, "
            f"edge_dropout={self.edge_dropout}, delta={self.delta}, normalize={self.normalize}, "
            f"degree_power={self.degree_power:g}"
        )


@register_layer("dirac_bianconi_semi_implicit")
class SemiImplicitDiracBianconiConv(DiracBianconiConv):
    r"""Steps in which nodes already see the new edges, before dropout and activation.

    .. math::
        \tilde{e}_{uv} &= e_{uv} + β_e e_{uv} + W_{en}^⊤ (x_v - x_u) \\
        x_u &← σ\left(\mathrm{drop}\left(x_u + β_n x_u
            + W_{ne}^⊤ \sum_{u → v} \tilde{e}_{uv}\right)\right) \\
        e_{uv} &← σ\left(\mathrm{drop}(\tilde{e}_{uv})\right)

    A node sums the edges that *leave* it. Where both directions of an edge carry the same signal
    at first, this is the sum over those that arrive with the sign of :math:`W_{en}` turned. A
    signal needs one step to the next node. With W as transposes of each other and without β and
    activation this is the symplectic Euler method, which keeps a wave's amplitude where explicit
    steps let it grow.

    Source: the implementation that accompanies Nauck et al., "Learning Dynamic Stability
    Landscapes in Synchronization Networks", 2026, arXiv 2605.23708. Arguments and parameters are
    those of :class:`DiracBianconiConv`.
    """

    def _step(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_attr: Float[Tensor, "edges edge_channels"],
        graph: Incidence,
    ) -> tuple[Float[Tensor, "nodes channels"], Float[Tensor, "edges edge_channels"]]:
        edges = self._driven_edges(x, edge_attr, graph)
        sums = graph.outgoing(edges, self.degree_power)
        return self._activated(self._driven_nodes(x, sums), edges)


def _normalised(
    x: Float[Tensor, "nodes channels"],
    edge_attr: Float[Tensor, "edges edge_channels"],
    edge_index: Int[Tensor, "2 edges"],
    batch: Int[Tensor, " nodes"] | None,
) -> tuple[Float[Tensor, "nodes channels"], Float[Tensor, "edges edge_channels"]]:
    if batch is None:
        batch = edge_index.new_zeros(len(x))
    edge_batch = batch[edge_index[0]]
    graphs = int(batch.max()) + 1 if len(batch) else 0
    scales = (
        scatter(x.mean(1), batch, dim_size=graphs, reduce="mean")
        + scatter(edge_attr.mean(1), edge_batch, dim_size=graphs, reduce="mean")
    ) / 2
    return x / scales[batch, None], edge_attr / scales[edge_batch, None]
