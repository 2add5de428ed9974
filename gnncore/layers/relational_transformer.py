"""Attention along the edges of a graph that also updates the signal on them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn.resolver import activation_resolver
from torch_geometric.utils import scatter, softmax

from gnncore.errors import SpecificationError
from gnncore.layers.layer import GraphLayer
from gnncore.layers.registry import register_layer


@register_layer("relational_transformer")
class RelationalTransformerLayer(GraphLayer):
    r"""Relational attention and an edge update, in memory proportional to the edges.

    With :math:`h = \mathrm{LN}(x)` and :math:`g = \mathrm{LN}(e)`, every node :math:`v` attends
    over its incoming edges :math:`(u, v)` and itself (an edge without signal), in several heads:

    .. math::
        q_{uv} &= W_q h_v + U_q g_{uv}, \quad k_{uv} = W_k h_u + U_k g_{uv}, \quad
        z_{uv} = (1 + U_m g_{uv}) \odot W_z h_u + U_z g_{uv} \\
        x_v &\leftarrow x_v + W_o \sum_u \mathrm{softmax}_u\Bigl(
            \tfrac{1}{\sqrt{d}} q_{uv} \cdot k_{uv} \Bigr) z_{uv}, \quad
        x_v \leftarrow x_v + \mathrm{MLP}(\mathrm{LN}(x_v)) \\
        e_{uv} &\leftarrow e_{uv} + \mathrm{MLP}\bigl(
            [\mathrm{LN}(x_u), \mathrm{LN}(x_v), g_{uv}, g_{vu}] \bigr)

    where :math:`d` is the width of a head and :math:`g_{vu}` is zero where the reverse edge is
    missing and the mean where there are several. Linear maps bring :math:`x` and :math:`e` to
    their output widths first where these differ.

    The originals attend over all pairs of nodes and normalise after each step; this layer attends
    over the given edges alone and normalises before (pre-norm), which trains at greater depth.

    Args:
        in_channels: Width of the node signal.
        out_channels: Width of the next node signal; a multiple of ``heads``.
        edge_channels: Width of the edge signal; 0 for attention without one.
        edge_out_channels: Width of the next edge signal; None for ``out_channels``.
        heads: Number of attention heads.
        expansion: Hidden width of both MLPs over the width of the signal that they update.
        dropout: Probability with which an entry of an update is dropped in training.
        act: Activation of both MLPs, by its name in torch.

    Raises:
        SpecificationError: Heads do not divide ``out_channels``; ``edge_out_channels`` without
            ``edge_channels``.

    References:
        Diao and Loynd, "Relational Attention: Generalizing Transformers for Graph-Structured
        Tasks" (ICLR 2023); the modulation of the values :math:`U_m` is that of Kofinas et al.,
        "Graph Neural Networks for Learning Equivariant Representations of Neural Networks"
        (ICLR 2024).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        edge_channels: int = 0,
        *,
        edge_out_channels: int | None = None,
        heads: int = 4,
        expansion: int = 2,
        dropout: float = 0.0,
        act: str = "gelu",
    ) -> None:
        super().__init__(in_channels, out_channels, edge_channels)
        if heads < 1 or out_channels % heads:
            raise SpecificationError(
                f"out_channels of layer 'relational_transformer' must be a multiple of "
                f"heads={heads}, got {out_channels}"
            )
        if edge_out_channels and not edge_channels:
            raise SpecificationError(
                f"relational_transformer cannot give edge_out_channels={edge_out_channels} "
                f"without an edge signal; set edge_channels too"
            )
        self.edge_out_channels = (edge_out_channels or out_channels) if edge_channels else 0
        self.heads = heads
        self.dropout = nn.Dropout(dropout)

        self.embed_nodes = _embedding(in_channels, out_channels)
        self.attention_norm = _norm(out_channels)
        self.node_projection = nn.Linear(out_channels, 3 * out_channels, bias=False)
        self.attention_output = nn.Linear(out_channels, out_channels)
        self.feed_forward = nn.Sequential(
            _norm(out_channels),
            nn.Linear(out_channels, expansion * out_channels),
            activation_resolver(act),
            nn.Linear(expansion * out_channels, out_channels),
        )
        if edge_channels:
            edge_width = self.edge_out_channels
            self.embed_edges = _embedding(edge_channels, edge_width)
            self.edge_norm = _norm(edge_width)
            self.edge_projection = nn.Linear(edge_width, 4 * out_channels, bias=False)
            self.edge_update = _EdgeUpdate(out_channels, edge_width, expansion, act)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.LayerNorm):
                module.reset_parameters()

    def forward(
        self,
        x: Float[Tensor, "nodes in_channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges edge_channels"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
    ) -> tuple[Float[Tensor, "nodes out_channels"], Float[Tensor, "edges edge_out"] | None]:
        """The next signal on nodes and edges; without ``edge_channels`` edges keep theirs."""
        del batch  # edges never join two graphs, so attention along them cannot either
        signal = self.require_edge_attr(edge_attr) if self.edge_channels else None
        x = self.embed_nodes(x)
        if signal is None:
            x = x + self.dropout(self._attend(x, edge_index, None))
            return x + self.dropout(self.feed_forward(x)), edge_attr
        edge_attr = self.embed_edges(signal)
        edge_signal = self.edge_norm(edge_attr)
        x = x + self.dropout(self._attend(x, edge_index, edge_signal))
        x = x + self.dropout(self.feed_forward(x))
        return x, edge_attr + self.dropout(self.edge_update(x, edge_index, edge_signal))

    def _attend(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_signal: Float[Tensor, "edges edge_out"] | None,
    ) -> Float[Tensor, "nodes channels"]:
        source, target = edge_index
        num_nodes = x.size(0)
        projected = self._split_heads(self.node_projection(self.attention_norm(x)))
        query, key, value = projected.chunk(3, dim=-1)  # (nodes, heads, d)
        edge_query, edge_key, edge_value = query[target], key[source], value[source]
        if edge_signal is not None:
            projected = self._split_heads(self.edge_projection(edge_signal))
            to_query, to_key, scale, shift = projected.chunk(4, dim=-1)  # (edges, heads, d)
            edge_query, edge_key = edge_query + to_query, edge_key + to_key
            edge_value = edge_value * (1 + scale) + shift

        scores = torch.cat([(edge_query * edge_key).sum(-1), (query * key).sum(-1)])
        receivers = torch.cat([target, torch.arange(num_nodes, device=x.device)])
        weights = softmax(scores * query.size(-1) ** -0.5, receivers, num_nodes=num_nodes)
        to_neighbours, to_self = weights.unsqueeze(-1).split([source.numel(), num_nodes])
        gathered = scatter(to_neighbours * edge_value, target, dim_size=num_nodes, reduce="sum")
        return self.attention_output((gathered + to_self * value).flatten(1))

    def _split_heads(
        self, signal: Float[Tensor, "items channels"]
    ) -> Float[Tensor, "items heads width"]:
        return signal.view(len(signal), self.heads, signal.size(-1) // self.heads)

    def __repr__(self) -> str:
        edges = f", edges={self.edge_channels}->{self.edge_out_channels}"
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, heads={self.heads}"
            f"{edges if self.edge_channels else ''})"
        )


class _EdgeUpdate(nn.Module):
    """MLP of (x_u, x_v, e_uv, e_vu); its first map acts before nodes are copied to edges."""

    def __init__(self, channels: int, edge_channels: int, expansion: int, act: str) -> None:
        super().__init__()
        hidden = expansion * edge_channels
        self.norm = _norm(channels)
        self.from_nodes = nn.Linear(channels, 2 * hidden, bias=False)
        self.from_edges = nn.Linear(edge_channels, 2 * hidden)
        self.output = nn.Sequential(activation_resolver(act), nn.Linear(hidden, edge_channels))

    def forward(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_signal: Float[Tensor, "edges edge_channels"],
    ) -> Float[Tensor, "edges edge_channels"]:
        source, target = edge_index
        from_source, from_target = self.from_nodes(self.norm(x)).chunk(2, dim=-1)
        from_edge, from_reverse = self.from_edges(edge_signal).chunk(2, dim=-1)
        hidden = from_source[source] + from_target[target] + from_edge
        return self.output(hidden + _reversed(from_reverse, edge_index, x.size(0)))


def _reversed(
    signal: Float[Tensor, "edges channels"], edge_index: Int[Tensor, "2 edges"], num_nodes: int
) -> Float[Tensor, "edges channels"]:
    """For every edge (u, v) the mean signal of the edges (v, u), zero where there is none."""
    source, target = edge_index
    pairs, pair_of_edge = (source * num_nodes + target).unique(return_inverse=True)
    mean = scatter(signal, pair_of_edge, dim_size=pairs.numel(), reduce="mean")
    reverse = target * num_nodes + source
    match = torch.searchsorted(pairs, reverse).clamp(max=pairs.numel() - 1)
    return mean[match] * (pairs[match] == reverse).unsqueeze(-1)


def _embedding(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Identity() if in_channels == out_channels else nn.Linear(in_channels, out_channels)


def _norm(channels: int) -> nn.Module:
    # The layer norm of a single channel is a constant: it would erase the signal.
    return nn.LayerNorm(channels) if channels > 1 else nn.Identity()
