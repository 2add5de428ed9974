"""The message-passing operators of PyTorch Geometric, as layers with names.

Nothing is computed here: options are those of PyG's own constructors, and PyG takes compiled
kernels by itself where ``torch_scatter`` is installed.

An edge signal reaches the operator as PyG has it. ``gcn``, ``arma``, ``tag``, ``sg`` and
``graph`` take one weight an edge (``edge_channels=1``); all but ``graph`` normalise by the square
root of its sum at a node, so weights must not be negative. ``gatv2``, ``transformer``,
``gated_gcn``, ``gine`` and ``pna`` take any number of channels. ``sage`` and ``gin`` take none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn import (
    MLP,
    ARMAConv,
    GATv2Conv,
    GCNConv,
    GINConv,
    GINEConv,
    GraphConv,
    PNAConv,
    ResGatedGraphConv,
    SAGEConv,
    SGConv,
    TAGConv,
    TransformerConv,
)
from torch_geometric.nn.resolver import activation_resolver

from gnncore.errors import SpecificationError
from gnncore.layers.layer import GraphLayer
from gnncore.layers.registry import register_layer

EdgeArgument = Literal["edge_weight", "edge_attr"]


class MessagePassingLayer(GraphLayer):
    """A node-updating operator of PyG as a layer; edges are handed on unchanged.

    Args:
        operator: The operator, which maps ``in_channels`` to ``out_channels``.
        in_channels: Channels of the nodes that come in.
        out_channels: Channels of the nodes that go out.
        edge_channels: Channels of the edge signal that the operator takes; 0 for none.
        edge_argument: What the operator calls it; None for none.

    Raises:
        SpecificationError: Edge channels that the operator cannot take.
    """

    def __init__(
        self,
        operator: nn.Module,
        in_channels: int,
        out_channels: int,
        edge_channels: int = 0,
        *,
        edge_argument: EdgeArgument | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, edge_channels)
        check_edge_channels(type(operator).__name__, edge_channels, edge_argument)
        self.operator = operator
        self.edge_argument = edge_argument

    def reset_parameters(self) -> None:
        """Draws all parameters anew, as PyG does."""
        self.operator.reset_parameters()  # type: ignore[operator]

    def forward(
        self,
        x: Float[Tensor, "nodes in_channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges edge_channels"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
    ) -> tuple[Float[Tensor, "nodes out_channels"], Float[Tensor, "edges edge_channels"] | None]:
        """The operator on nodes; see :meth:`GraphLayer.forward`."""
        if not self.edge_channels:
            return self.operator(x, edge_index), edge_attr
        signal = self.require_edge_attr(edge_attr)
        if self.edge_argument == "edge_weight":
            return self.operator(x, edge_index, edge_weight=signal[:, 0]), edge_attr
        return self.operator(x, edge_index, edge_attr=signal), edge_attr

    def extra_repr(self) -> str:
        """The channels, which the operator's own text counts by heads."""
        return f"{self.in_channels}, {self.out_channels}, edge_channels={self.edge_channels}"


@dataclass(frozen=True)
class _Operator:
    """A PyG class whose constructor takes channels and plain values."""

    cls: type[nn.Module]
    edge_argument: EdgeArgument | None
    options: tuple[str, ...]


# Options that would keep one graph's normalisation for the next (`cached`) are left out.
_OPERATORS = {
    "gcn": _Operator(GCNConv, "edge_weight", ("improved", "add_self_loops", "normalize", "bias")),
    "sage": _Operator(SAGEConv, None, ("aggr", "normalize", "root_weight", "project", "bias")),
    "arma": _Operator(
        ARMAConv,
        "edge_weight",
        ("num_stacks", "num_layers", "shared_weights", "act", "dropout", "bias"),
    ),
    "tag": _Operator(TAGConv, "edge_weight", ("K", "normalize", "bias")),
    "sg": _Operator(SGConv, "edge_weight", ("K", "add_self_loops", "bias")),
    "graph": _Operator(GraphConv, "edge_weight", ("aggr", "bias")),
    "gatv2": _Operator(
        GATv2Conv,
        "edge_attr",
        (
            "heads",
            "concat",
            "negative_slope",
            "dropout",
            "add_self_loops",
            "share_weights",
            "residual",
            "bias",
        ),
    ),
    "transformer": _Operator(
        TransformerConv,
        "edge_attr",
        ("heads", "concat", "beta", "dropout", "root_weight", "bias"),
    ),
    "gated_gcn": _Operator(ResGatedGraphConv, "edge_attr", ("act", "root_weight", "bias")),
}


_COUNTS = ("K", "heads", "num_stacks", "num_layers")


def _make(
    name: str, in_channels: int, out_channels: int, edge_channels: int, **options: Any
) -> MessagePassingLayer:
    operator = _OPERATORS[name]
    for what in _COUNTS:
        count = options.get(what, 1)
        if not isinstance(count, int):
            raise SpecificationError(
                f"{what} of layer {name!r} must be a whole number, got {count!r}"
            )
        if count < 1:
            raise SpecificationError(f"{what} of layer {name!r} must be at least 1, got {count}")
    check_edge_channels(operator.cls.__name__, edge_channels, operator.edge_argument)
    heads = options.get("heads", 1) if options.get("concat", True) else 1
    if out_channels % heads:
        raise SpecificationError(
            f"out_channels of layer {name!r} must be a multiple of heads={heads}, "
            f"got {out_channels}"
        )
    if isinstance(options.get("act"), str):
        options["act"] = activation_resolver(options["act"])
    if edge_channels and operator.edge_argument == "edge_attr":
        options["edge_dim"] = edge_channels
    return MessagePassingLayer(
        operator.cls(in_channels, out_channels // heads, **options),
        in_channels,
        out_channels,
        edge_channels,
        edge_argument=operator.edge_argument,
    )


for _name, _operator in _OPERATORS.items():
    register_layer(_name, options=_operator.options)(partial(_make, _name))


def _perceptron(
    in_channels: int, hidden_channels: int | None, out_channels: int, act: str, norm: str | None
) -> MLP:
    return MLP([in_channels, hidden_channels or out_channels, out_channels], act=act, norm=norm)


@register_layer("gin")
def gin(
    in_channels: int,
    out_channels: int,
    edge_channels: int = 0,
    *,
    hidden_channels: int | None = None,
    act: str = "relu",
    norm: str | None = None,
    eps: float = 0.0,
    train_eps: bool = False,
) -> MessagePassingLayer:
    """PyG's ``GINConv`` with a perceptron of one hidden layer.

    Args:
        in_channels: Channels of the nodes that come in.
        out_channels: Channels of the nodes that go out.
        edge_channels: 0; the operator takes no edge signal.
        hidden_channels: Width of the perceptron; None for ``out_channels``.
        act: Its activation, by its name in torch.
        norm: Its normalisation, by its name in PyG; None for none.
        eps: Weight of a node beside its neighbours, less one.
        train_eps: Whether that weight is trained.
    """
    perceptron = _perceptron(in_channels, hidden_channels, out_channels, act, norm)
    operator = GINConv(perceptron, eps, train_eps)
    return MessagePassingLayer(operator, in_channels, out_channels, edge_channels)


@register_layer("gine")
def gine(
    in_channels: int,
    out_channels: int,
    edge_channels: int = 0,
    *,
    hidden_channels: int | None = None,
    act: str = "relu",
    norm: str | None = None,
    eps: float = 0.0,
    train_eps: bool = False,
) -> MessagePassingLayer:
    """PyG's ``GINEConv``: as :func:`gin`, with at least one edge channel.

    Raises:
        SpecificationError: No edge channels.
    """
    if edge_channels < 1:
        raise SpecificationError(
            f"layer 'gine' needs edge_channels of at least 1, got {edge_channels}; use 'gin'"
        )
    perceptron = _perceptron(in_channels, hidden_channels, out_channels, act, norm)
    operator = GINEConv(perceptron, eps, train_eps, edge_dim=edge_channels)
    return MessagePassingLayer(
        operator, in_channels, out_channels, edge_channels, edge_argument="edge_attr"
    )


@register_layer("pna")
def pna(
    in_channels: int,
    out_channels: int,
    edge_channels: int = 0,
    *,
    aggregators: Sequence[str] = ("mean", "min", "max", "std"),
    scalers: Sequence[str] = ("identity", "amplification", "attenuation"),
    deg: Sequence[int] = (0, 0, 0, 1),
    towers: int = 1,
    pre_layers: int = 1,
    post_layers: int = 1,
    divide_input: bool = False,
    act: str | None = "relu",
    train_norm: bool = False,
) -> MessagePassingLayer:
    """Principal neighbourhood aggregation, PyG's ``PNAConv``.

    Args:
        in_channels: Channels of the nodes that come in.
        out_channels: Channels of the nodes that go out, a multiple of ``towers``.
        edge_channels: Channels of the edges; 0 if there are none.
        aggregators: Names of aggregations in PyG.
        scalers: Names of degree scalers in PyG.
        deg: Number of training nodes with in-degree 0, 1, 2, …, from which the scalers take a
            typical degree. It enters as one constant factor a scaler, which the weights behind
            it can undo; the default says that the typical degree is 3.
        towers: Number of independent channel groups.
        pre_layers: Depth of the perceptron before aggregation.
        post_layers: Depth of the perceptron behind it.
        divide_input: Whether each tower sees only its share of the channels.
        act: Activation inside the perceptrons, by its name in torch.
        train_norm: Whether the typical degree is trained.

    Raises:
        SpecificationError: A histogram that says nothing about a positive degree.
    """
    if min(deg, default=0) < 0 or sum(deg[1:]) <= 0:
        raise SpecificationError(
            f"deg of layer 'pna' must count nodes by degree 0, 1, 2, …, some of them above 0, "
            f"got {list(deg)}"
        )
    operator = PNAConv(
        in_channels,
        out_channels,
        list(aggregators),
        list(scalers),
        torch.tensor(deg),
        edge_dim=edge_channels or None,
        towers=towers,
        pre_layers=pre_layers,
        post_layers=post_layers,
        divide_input=divide_input,
        act=act,
        train_norm=train_norm,
    )
    return MessagePassingLayer(
        operator, in_channels, out_channels, edge_channels, edge_argument="edge_attr"
    )


def check_edge_channels(operator: str, channels: int, argument: EdgeArgument | None) -> None:
    """Raises what is wrong with the edge channels of an operator that calls them so.

    Raises:
        SpecificationError: Channels where it takes none, or several where it takes a weight.
    """
    if argument is None and channels:
        raise SpecificationError(
            f"{operator} takes no edge signal; edge_channels must be 0, got {channels}"
        )
    if argument == "edge_weight" and channels > 1:
        raise SpecificationError(
            f"{operator} takes one weight an edge; edge_channels must be 0 or 1, got {channels}"
        )
