"""Message passing along edges together with attention over the whole graph (GPS)."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GPSConv
from torch_geometric.nn.attention import PerformerAttention
from torch_geometric.nn.attention.performer import generalized_kernel, linear_attention
from torch_geometric.nn.resolver import normalization_resolver

from gnncore.errors import SpecificationError
from gnncore.layers.layer import GraphLayer
from gnncore.layers.registry import make_layer, register_layer

_ATTENTIONS = ("multihead", "performer")

_PADDING = 2**16
"""Pairs of a node and padding in one call of attention, at which another call costs less."""


@register_layer("gps")
class GPSLayer(GraphLayer):
    r"""A local layer and attention over all nodes side by side: PyG's ``GPSConv``.

    .. math::
        h &= \mathrm{Norm}(x + \mathrm{Local}(x, e)) + \mathrm{Norm}(x + \mathrm{Attention}(x)) \\
        x' &= \mathrm{Norm}(h + \mathrm{MLP}(h))

    Attention joins the nodes of one graph only. What ``GPSConv`` leaves open is settled here: the
    nodes of a batch come in any order, graphs may be empty or a single node (in training too),
    the padding of a batch does not enter performer attention, and :meth:`reset_parameters` draws
    the output map of the attention as well.

    Multi-head attention takes time and memory proportional to the squares of the graphs' sizes;
    graphs of similar sizes attend together, so that the largest of a batch does not set the price
    of all. Performer attention, an approximation by random features, takes what is proportional
    to the size of the largest.

    Args:
        in_channels: Channels of the nodes that come in; a linear map brings them to
            ``out_channels`` where these differ.
        out_channels: Channels of the nodes that go out, a multiple of ``heads``.
        edge_channels: Channels of the edges, for the local layer.
        local: Name of the local layer; None for attention alone.
        local_options: Options of the local layer.
        heads: Number of attention heads.
        attention: ``"multihead"`` or ``"performer"``.
        dropout: Probability of dropout behind the local layer, behind the attention and in the MLP.
        attention_dropout: Probability of dropout of attention weights (of results, for performer).
        act: Activation of the MLP, by its name in torch.
        norm: Normalisation by its name in PyG; None for none. In training, the recipe's batch
            norm lets the graphs of a batch see each other; ``"layer_norm"`` and ``"graph_norm"``
            do not.

    Raises:
        SpecificationError: Heads that do not divide ``out_channels``, an unknown attention, or
            what :func:`make_layer` raises for the local layer.

    References:
        Rampášek et al., "Recipe for a General, Powerful, Scalable Graph Transformer",
        NeurIPS 2022, arXiv 2205.12454.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        edge_channels: int = 0,
        *,
        local: str | None = "gated_gcn",
        local_options: dict[str, Any] | None = None,
        heads: int = 4,
        attention: str = "multihead",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        act: str = "relu",
        norm: str | None = "batch_norm",
    ) -> None:
        super().__init__(in_channels, out_channels, edge_channels)
        if heads < 1 or out_channels % heads:
            raise SpecificationError(
                f"out_channels of layer 'gps' must be a multiple of heads={heads}, "
                f"got {out_channels}"
            )
        if attention not in _ATTENTIONS:
            raise SpecificationError(
                f"layer 'gps' has no attention {attention!r}; choose {' or '.join(_ATTENTIONS)}"
            )
        self.embed = (
            nn.Identity() if in_channels == out_channels else nn.Linear(in_channels, out_channels)
        )
        self.local: GraphLayer | None = None
        if local is not None:
            self.local = make_layer(
                local, out_channels, out_channels, edge_channels, **(local_options or {})
            )
            self.edge_out_channels = self.local.edge_out_channels
        self.conv = GPSConv(
            out_channels,
            None if local is None else _Given(),
            heads,
            dropout,
            act,
            norm=norm,
            norm_kwargs=_norm_options(norm, out_channels),
            attn_type=attention,
            attn_kwargs={"dropout": attention_dropout},
        )
        if local is None:
            self.conv.norm1 = None  # PyG makes the local layer's norm even so
        if attention == "performer":
            self.conv.attn = _MaskedPerformerAttention(
                out_channels, heads, dropout=attention_dropout
            )
        else:
            self.conv.attn = _AttentionBySize.of(self.conv.attn)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        if isinstance(self.embed, nn.Linear):
            self.embed.reset_parameters()
        if self.local is not None:
            self.local.reset_parameters()
        if isinstance(self.conv.attn, nn.MultiheadAttention):
            # PyG resets the attention by its private method, which leaves this map as it is.
            self.conv.attn.out_proj.reset_parameters()
        self.conv.reset_parameters()

    def forward(
        self,
        x: Float[Tensor, "nodes in_channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges edge_channels"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
    ) -> tuple[Float[Tensor, "nodes out_channels"], Float[Tensor, "edges edge_out"] | None]:
        """The next signal on nodes; edges as the local layer leaves them."""
        x = self.embed(x)
        given = {}
        if self.local is not None:
            given["signal"], edge_attr = self.local(x, edge_index, edge_attr, batch)
        if not len(x):
            return x, edge_attr
        if batch is None:
            # Some norms of PyG round differently where no batch is given.
            batch = torch.zeros(len(x), dtype=torch.long, device=x.device)
        # The dense layout needs nodes in the order of their graphs. Numbers are made consecutive
        # too, so that graphs without nodes take no rows and no softmax is over padding alone.
        batch, order = torch.unique(batch, return_inverse=True)[1].sort(stable=True)
        given = {name: signal[order] for name, signal in given.items()}
        x = self.conv(x[order], edge_index, batch, **given)
        return x[order.argsort()], edge_attr

    def __repr__(self) -> str:
        attention = "performer" if isinstance(self.conv.attn, PerformerAttention) else "multihead"
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, local={self.local}, "
            f"attention={attention}, heads={self.conv.heads})"
        )


class _Given(nn.Module):
    """Local operator that returns a signal computed before, so that edges can be updated too."""

    def reset_parameters(self) -> None:
        """Nothing to draw."""

    def forward(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_index: Int[Tensor, "2 edges"],
        signal: Float[Tensor, "nodes channels"],
    ) -> Float[Tensor, "nodes channels"]:
        return signal


class _AttentionBySize(nn.MultiheadAttention):
    """Torch's attention of nodes to all nodes of their graph, in groups of graphs of similar sizes.

    The parameters, and up to rounding the values, are torch's.
    """

    @classmethod
    def of(cls, attention: nn.MultiheadAttention) -> "_AttentionBySize":
        """The same attention, whose parameters stay those that were drawn for it."""
        with torch.random.fork_rng(devices=[]):
            found = cls(
                attention.embed_dim, attention.num_heads, attention.dropout, batch_first=True
            )
        found.load_state_dict(attention.state_dict())
        return found

    def forward(  # type: ignore[override] # GPSConv passes nothing else
        self,
        query: Float[Tensor, "graphs nodes channels"],
        key: Float[Tensor, "graphs nodes channels"],
        value: Float[Tensor, "graphs nodes channels"],
        key_padding_mask: Bool[Tensor, "graphs nodes"],
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "graphs nodes channels"], None]:
        """What nodes hear; ``key`` and ``value`` are ``query``, and padding stands at the end."""
        present = ~key_padding_mask
        order, counts = _groups(present.sum(1).tolist())
        projected = functional.linear(query, self.in_proj_weight, self.in_proj_bias)
        if len(counts) == 1:
            return self.out_proj(self._attend(projected, present)), None
        heard = []
        for part, has_node in zip(
            projected[order].split(counts), present[order].split(counts), strict=True
        ):
            nodes = int(has_node.sum(1).max())
            own = self._attend(part[:, :nodes], has_node[:, :nodes])
            heard.append(functional.pad(own, (0, 0, 0, query.shape[1] - nodes)))
        restored = sorted(range(len(order)), key=order.__getitem__)
        return self.out_proj(torch.cat(heard)[restored]), None

    def _attend(
        self,
        projected: Float[Tensor, "graphs nodes three_times_channels"],
        has_node: Bool[Tensor, "graphs nodes"],
    ) -> Float[Tensor, "graphs nodes channels"]:
        heads = projected.unflatten(-1, (3, self.num_heads, self.head_dim))
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        heard = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=has_node[:, None, None],
            dropout_p=self.dropout if self.training else 0.0,
        )  # (graphs, heads, nodes, head_dim)
        return heard.transpose(1, 2).flatten(2)


def _groups(sizes: list[int]) -> tuple[list[int], list[int]]:
    """The graphs from the largest to the smallest, and how many stand in each group of those that
    are worth one call of attention together."""
    order = sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True)
    counts: list[int] = []
    largest = padding = 0
    for number in order:
        padding += largest**2 - sizes[number] ** 2
        if not counts or padding > _PADDING:
            largest, padding = sizes[number], 0
            counts.append(0)
        counts[-1] += 1
    return order, counts


class _MaskedPerformerAttention(PerformerAttention):
    """PyG's performer attention with padding masked in the keys, hence in the denominator too."""

    def forward(
        self,
        x: Float[Tensor, "graphs nodes channels"],
        mask: Bool[Tensor, "graphs nodes"] | None = None,
    ) -> Float[Tensor, "graphs nodes channels"]:
        query, key, value = (
            projection(x).unflatten(-1, (self.heads, self.head_channels)).transpose(1, 2)
            for projection in (self.q, self.k, self.v)
        )  # (graphs, heads, nodes, head_channels)
        features = self.fast_attn
        query = generalized_kernel(query, features.projection_matrix, features.kernel)
        key = generalized_kernel(key, features.projection_matrix, features.kernel)
        if mask is not None:
            key = key * mask[:, None, :, None]
        attended = linear_attention(query, key, value)
        return self.dropout(self.attn_out(attended.transpose(1, 2).flatten(2)))


def _norm_options(norm: str | None, channels: int) -> dict[str, Any]:
    """Lets a batch norm pass a batch of one node in training, where it has no variance."""
    known = None if norm is None else normalization_resolver(norm, channels)
    return {"allow_single_element": True} if hasattr(known, "allow_single_element") else {}
