"""What a metanetwork sees of weights: signals on nodes and on edges, on one scale."""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from graphwsl.errors import PredictorError
from graphwsl.neural_graph.data import NODE_FEATURES
from graphwsl.neural_graph.units import NodeKind
from graphwsl.populations.dense_layout import NUM_RELATION_KINDS, Block, BlockKind, DenseLayout

INDEX_CHANNELS = 16
_CENTRE = torch.tensor([float(name in ("scale", "variance")) for name in NODE_FEATURES])
_LEAST = 1e-6


class InputEmbedding(nn.Module):
    r"""Embeds the weights, and where they are.

    A weight of a layer with :math:`n` weights a neuron is scaled to :math:`n^{p} w / s`, where
    :math:`s` is the root mean square of :math:`n^{p} w` over the training set, for weights that
    read inputs, that make outputs, and others apart. :math:`p = 1/2` brings the usual
    initialisations to one scale whatever the width; :math:`p = 1` makes the mean over a neuron's
    weights its sum, so that doubled neurons change nothing. Parameters of nodes are scaled in the
    same way without :math:`n`, after subtracting the neutral 1 of scales and variances. Large
    values are compressed by arsinh, since weights of diverging trainings are orders of magnitude
    away.

    A node also gets its kind, its depth and, for inputs and outputs only, its index among these;
    an edge gets its depth, its block's kind and, where a neuron is read at several positions of a
    feature map, the position.

    Args:
        channels: Channels of the nodes.
        edge_channels: Channels of the edges.
        kernel: Positions of the largest kernel; smaller ones are centred.
        fan_in_exponent: The p above.
    """

    def __init__(
        self, channels: int, edge_channels: int, kernel: int, fan_in_exponent: float
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.fan_in_exponent = fan_in_exponent
        hidden = 2 * edge_channels
        self.embed_nodes = nn.Linear(len(NODE_FEATURES) + 1, channels)
        self.node_kind = nn.Embedding(len(NodeKind), channels)
        # Modules keep the names under which predictors are saved.
        self.input_place = nn.Linear(INDEX_CHANNELS, channels, bias=False)
        self.output_place = nn.Linear(INDEX_CHANNELS, channels, bias=False)
        self.embed_kernel = nn.Linear(kernel, hidden, bias=False)
        self.block_place = nn.Embedding(len(BlockKind), hidden)
        self.edge_depth = nn.Linear(1, hidden)
        self.edge_tag = nn.Linear(INDEX_CHANNELS, hidden, bias=False)
        self.embed_edges = nn.Sequential(nn.GELU(), nn.Linear(hidden, edge_channels))
        self.relation_kind = nn.Embedding(NUM_RELATION_KINDS, edge_channels)
        # A kernel has one entry that matters in a linear layer, and all of them in a convolution.
        nn.init.normal_(self.embed_kernel.weight, std=1.0)
        self.node_scale = nn.Buffer(torch.ones(len(NODE_FEATURES)))
        self.edge_scale = nn.Buffer(torch.ones(len(BlockKind)))

    def fit_scales(
        self, groups: Iterable[tuple[DenseLayout, Float[Tensor, "networks entries"]]]
    ) -> None:
        """Take the scales from networks: the training set."""
        node = torch.zeros(2, len(NODE_FEATURES), dtype=torch.float64)
        edge = torch.zeros(2, len(BlockKind), dtype=torch.float64)
        for layout, states in groups:
            has = torch.zeros(layout.num_nodes * len(NODE_FEATURES)).index_fill(
                0, layout.node_elements, 1.0
            )
            x = (layout.x(states) - _CENTRE).square().mean(0) * has.view(layout.num_nodes, -1)
            node += len(states) * torch.stack([x.sum(0), has.view(layout.num_nodes, -1).sum(0)])
            for block in layout.blocks:
                values = self._rescaled(block, block.weights(states)).square()
                edge[:, block.kind] += torch.stack(
                    [values.double().sum(), torch.tensor(float(values.numel()))]
                )
        for buffer, (squares, counts) in ((self.node_scale, node), (self.edge_scale, edge)):
            scale = (squares / counts.clamp(min=1)).sqrt().float()
            buffer.copy_(torch.where(scale > _LEAST, scale, 1.0))

    def forward(
        self, layout: DenseLayout, states: Float[Tensor, "networks entries"]
    ) -> tuple[
        Float[Tensor, "networks nodes channels"], Float[Tensor, "networks edges edge_channels"]
    ]:
        """Signals on the nodes and edges of networks of one architecture.

        Raises:
            PredictorError: A larger kernel than the embedding was made for.
        """
        if layout.largest_kernel > self.kernel:
            raise PredictorError(
                f"the network has kernels of {layout.largest_kernel} positions, the predictor was "
                f"trained on at most {self.kernel}; train it on a zoo with such kernels"
            )
        centred = layout.x(states) - _CENTRE.to(states.device)
        x = torch.asinh(centred / self.node_scale)
        depth = layout.depth[:, None].expand(len(states), -1, 1)
        constant = self.node_kind(layout.node_kind)
        encoding = index_encoding(layout.node_index)
        constant = constant + layout.is_input[:, None] * self.input_place(encoding)
        constant = constant + layout.is_output[:, None] * self.output_place(encoding)
        x = self.embed_nodes(torch.cat([x, depth], dim=2)) + constant
        edges = [self._embed_block(layout, block, states).flatten(1, 3) for block in layout.blocks]
        related = self.relation_kind(layout.relations.kind)
        return x, torch.cat([*edges, related.expand(len(states), -1, -1)], dim=1)

    def _embed_block(
        self, layout: DenseLayout, block: Block, states: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks groups targets sources edge_channels"]:
        weights = self._rescaled(block, block.weights(states)) / self.edge_scale[block.kind]
        kernel = weights.shape[-1]
        start = self.kernel // 2 - kernel // 2
        hidden = torch.asinh(weights) @ self.embed_kernel.weight[:, start : start + kernel].T
        depth = layout.depth[block.targets[0, :1]]
        constant = self.block_place.weight[block.kind] + self.edge_depth(depth)
        if bool(block.tags.any()):
            constant = constant + self.edge_tag(index_encoding(block.tags))[:, None]
        return self.embed_edges(hidden + constant)

    def _rescaled(self, block: Block, weights: Tensor) -> Tensor:
        return weights * float(block.fan_in) ** self.fan_in_exponent


def index_encoding(index: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape channels"]:
    """Sines and cosines of wavelengths from 4 to 4,000 entries, for indices of any size."""
    count = INDEX_CHANNELS // 2
    exponents = torch.arange(count, device=index.device) / (count - 1)
    angle = index[..., None] * (2 * math.pi / 4) * 1000.0**-exponents
    return torch.cat([angle.sin(), angle.cos()], dim=-1)
