"""The statistics of each layer, on one scale, for read-outs that must not learn them first."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.populations.dense_layout import Block, BlockKind, DenseLayout
from graphwsl.populations.layer_statistics import PER_LAYER, PER_SET, QUANTILES

_LEAST = 1e-12


class LayerStatistics(nn.Module):
    """Mean, spread and quantiles of the weights that enter a layer, and of its biases.

    What networks of :mod:`graphwsl.populations.layer_statistics` see, made for networks: weights
    are scaled by the root of the fan-in, spreads are logarithms, the rest is compressed by arsinh,
    and every column is standardised by the training set, apart for layers that read inputs, that
    make outputs, and others.
    """

    def __init__(self) -> None:
        super().__init__()
        self.center = nn.Buffer(torch.zeros(len(BlockKind), PER_LAYER))
        self.spread = nn.Buffer(torch.ones(len(BlockKind), PER_LAYER))

    def fit_scales(
        self, groups: Iterable[tuple[DenseLayout, Float[Tensor, "networks entries"]]]
    ) -> None:
        """Take the scales from networks: the training set."""
        columns: list[list[Tensor]] = [[] for _ in BlockKind]
        for layout, states in groups:
            for layer in layout.layers:
                if layer.blocks:
                    kind = layout.blocks[layer.blocks[0]].kind
                    columns[kind].append(self._of_layer(layout, layer.blocks, states))
        for kind, parts in zip(BlockKind, columns, strict=True):
            if parts:
                values = torch.cat(parts)
                self.center[kind] = values.mean(0)
                spread = values.std(0, correction=0)
                self.spread[kind] = torch.where(spread > 1e-6, spread, 1.0)

    @torch.no_grad()
    def forward(
        self, layout: DenseLayout, states: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks layers statistics"]:
        """The statistics of every layer; zero where no weights enter."""
        result = states.new_zeros(len(states), len(layout.layers), PER_LAYER)
        for number, layer in enumerate(layout.layers):
            if layer.blocks:
                kind = layout.blocks[layer.blocks[0]].kind
                values = self._of_layer(layout, layer.blocks, states)
                result[:, number] = (values - self.center[kind]) / self.spread[kind]
        return result.clamp(-5, 5)

    def _of_layer(
        self,
        layout: DenseLayout,
        numbers: tuple[int, ...],
        states: Float[Tensor, "networks entries"],
    ) -> Float[Tensor, "networks statistics"]:
        blocks = [layout.blocks[number] for number in numbers]
        weights = torch.cat([_scaled(block, states) for block in blocks], dim=1)
        targets = torch.cat([block.targets.reshape(-1) for block in blocks]).unique()
        return torch.cat([_summary(weights), _summary(layout.x(states)[:, targets, 0])], dim=1)


def _scaled(block: Block, states: Tensor) -> Float[Tensor, "networks weights"]:
    entries = block.entries if block.there is None else block.entries[block.there]
    return states[:, entries.reshape(-1)] * block.fan_in**0.5


def _summary(values: Float[Tensor, "networks items"]) -> Float[Tensor, "networks statistics"]:
    ordered = values.sort(dim=1).values
    ranks = torch.tensor(QUANTILES, device=values.device) * (values.shape[1] - 1)
    low, share = ranks.floor().long(), ranks.frac()
    high = (low + 1).clamp(max=values.shape[1] - 1)
    quantiles = ordered[:, low] * (1 - share) + ordered[:, high] * share
    mean, variance = values.mean(1, keepdim=True), values.var(1, correction=0, keepdim=True)
    columns = [torch.asinh(10 * mean), (variance + _LEAST).log(), torch.asinh(10 * quantiles)]
    summary = torch.cat(columns, dim=1)
    assert summary.shape[1] == PER_SET
    return summary
