"""The neural graph as a picture: layers are columns, nodes dots, weights lines by sign and size."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from graphwsl.neural_graph.elements import EdgeBlock
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.neural_graph.units import NodeKind, occurrences

LARGEST = 32
"""Layers of more nodes are drawn as one bar."""

POSITIVE, NEGATIVE, PLAIN = "#2a6f97", "#c8553d", "#8d99ae"
COLOURS = {
    NodeKind.INPUT: "#f4a261",
    NodeKind.NEURON: "#264653",
    NodeKind.OPAQUE: "#d00000",
    NodeKind.PARAMETER: "#2a9d8f",
}
"""Colours of the kinds of nodes that hold or receive something; all others are operations."""
OPERATION = "#b8c0cc"


def draw(graph: NeuralGraph, *, largest: int = LARGEST) -> Figure:
    """A figure of any graph; it stays readable because large layers become bars.

    Between layers of dots every weight is a line: blue if positive, red if negative (of a kernel
    the sum decides), the thicker the larger it is among the weights of its layer; grey lines are
    relations without weights. Next to a bar all lines of one layer to another are one.

    Args:
        graph: The graph.
        largest: Number of nodes above which a layer is a bar.
    """
    x = _columns(graph)
    columns = int(x.max()) + 1 if graph.num_nodes else 1
    sizes = torch.bincount(x, minlength=columns)
    y = _heights(x, sizes)
    is_bar = sizes > largest
    extent = max([0.1, *y.abs().tolist()])
    width, height = min(max(1.1 * columns, 5), 24), 1.2 + 9 * extent
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.02, 0.5 / height, 0.96, 1 - 0.7 / height))
    points, bundles = torch.stack([x.float(), y], 1), _Bundles(x, is_bar)
    flat = graph.flat()
    flat = flat.abs() if flat.is_complex() else flat  # there is no sign to show
    for block in graph.blocks:
        if not bundles.hold(*_ends(block), True):
            axes.add_collection(_weights(block, flat, points))
    for relation in graph.relations:
        if not bundles.hold(relation.sources, relation.targets, False):
            ends = torch.stack([relation.sources, relation.targets], 1)
            lines: Any = points[ends].numpy()
            axes.add_collection(LineCollection(lines, colors=PLAIN, linewidths=0.6, zorder=1))
    axes.add_collection(bundles.lines())
    _nodes(axes, graph, points, ~is_bar[x])
    for column in torch.nonzero(is_bar).flatten().tolist():
        colour = _bar_colour(graph.kinds[x == column])
        axes.plot([column, column], [-extent, extent], lw=5, color=colour, zorder=3)
    if columns <= 60:
        for column, size in enumerate(sizes.tolist()):
            axes.text(column, 1.1 * extent, f"{size:,}", ha="center", va="bottom", fontsize=8)
    axes.set(xlim=(-0.6, columns - 0.4), ylim=(-1.1 * extent, 1.25 * extent))
    axes.axis("off")
    _legend(figure, width, height)
    return figure


def _ends(block: EdgeBlock) -> tuple[Int[Tensor, " edges"], Int[Tensor, " edges"]]:
    """Both ends of enough of a block's edges to tell from where to where they lead."""
    sources = block.sources[block.sources >= 0].unique()
    targets = block.targets.flatten()
    return sources, targets[:1].expand(len(sources))


def _columns(graph: NeuralGraph) -> Int[Tensor, " nodes"]:
    """Layers, those whose nodes follow from one another (a sum of products) in several columns."""
    pairs = [(one.sources, one.targets) for one in graph.relations]
    for block in graph.blocks:
        pairs += [
            _ends(block),
            (block.sources.max().expand(block.targets.numel()), block.targets.flatten()),
        ]
    source = torch.cat([graph.calls[:0], *(first for first, _ in pairs)])
    target = torch.cat([graph.calls[:0], *(second for _, second in pairs)])
    inside = graph.calls[source] == graph.calls[target]
    source, target = source[inside], target[inside]
    stage = torch.zeros_like(graph.calls)
    for _ in range(8):  # no operator makes nodes in more steps
        stage = stage.scatter_reduce(0, target, stage[source] + 1, "amax")
    return (graph.calls * 16 + stage).unique(return_inverse=True)[1]


def _heights(x: Int[Tensor, " nodes"], sizes: Int[Tensor, " columns"]) -> Float[Tensor, " nodes"]:
    """Nodes of a column evenly from top to bottom, the closer together the more there are."""
    size = sizes[x].float()
    spread = (0.1 * (size - 1)).clamp(max=0.84)
    rank = occurrences(x[None])[0] / (size - 1).clamp(min=1)
    return torch.where(size > 1, (0.5 - rank) * spread, 0.0)


def _weights(
    block: EdgeBlock, flat: Float[Tensor, " entries"], points: Float[Tensor, "nodes 2"]
) -> LineCollection:
    shape = block.entries.shape[:3]
    ends = torch.stack(
        [block.sources[:, None, :].expand(shape), block.targets[:, :, None].expand(shape)], 3
    )
    real = (ends[..., 0] >= 0) & (block.entries >= 0).any(dim=3)
    kernels = torch.where(block.entries >= 0, flat[block.entries.clamp(min=0)], 0.0)[real]
    size = kernels.norm(dim=1)
    strength = (size / size.max().clamp(min=1e-30)).nan_to_num(0.0) if len(size) else size
    lines: Any = points[ends[real]].numpy()
    return LineCollection(
        lines,
        colors=[POSITIVE if up else NEGATIVE for up in (kernels.sum(1) >= 0).tolist()],
        linewidths=(0.2 + 1.4 * strength).numpy(),
        alpha=(0.1 + 0.8 * strength).numpy(),
        zorder=1,
    )


class _Bundles:
    """Lines between columns of which one is a bar, all of a kind as one."""

    def __init__(self, x: Int[Tensor, " nodes"], is_bar: Bool[Tensor, " columns"]) -> None:
        self.x, self.is_bar = x, is_bar
        self.found: dict[tuple[int, int], bool] = {}

    def hold(
        self, sources: Int[Tensor, " edges"], targets: Int[Tensor, " edges"], is_weight: bool
    ) -> bool:
        """Take edges in if they touch a bar, and say so."""
        ends = self.x[torch.stack([sources, targets])].unique(dim=1)
        if not bool(self.is_bar[ends].any()):
            return False
        for first, last in ends.T.tolist():
            self.found[first, last] = self.found.get((first, last), False) or is_weight
        return True

    def lines(self) -> LineCollection:
        """All of them."""
        return LineCollection(
            list(_arcs(self.found)),
            colors=[COLOURS[NodeKind.NEURON] if one else PLAIN for one in self.found.values()],
            linewidths=[1.6 if one else 0.8 for one in self.found.values()],
            alpha=0.6,
            zorder=0,
        )


def _arcs(pairs: Iterable[tuple[int, int]]) -> Iterator[list[tuple[float, float]]]:
    """Straight to the next layer, in an arc over those that are left out."""
    for first, last in pairs:
        rise = 0.0 if abs(last - first) <= 1 else min(0.06 * abs(last - first), 0.5)
        yield [
            (first + (last - first) * i / 24, 4 * rise * (i / 24) * (1 - i / 24)) for i in range(25)
        ]


def _nodes(
    axes: Any,
    graph: NeuralGraph,
    points: Float[Tensor, "nodes 2"],
    shown: Bool[Tensor, " nodes"],
) -> None:
    kinds = [NodeKind(kind) for kind in graph.kinds[shown].tolist()]
    axes.scatter(
        *points[shown].T,
        s=[26 if kind in COLOURS else 12 for kind in kinds],
        c=[COLOURS.get(kind, OPERATION) for kind in kinds],
        edgecolors=["black" if one else "white" for one in graph.is_output[shown].tolist()],
        linewidths=0.8,
        zorder=4,
    )


def _bar_colour(kinds: Int[Tensor, " nodes"]) -> str:
    return COLOURS.get(NodeKind(int(kinds.mode().values)), OPERATION)


def _legend(figure: Figure, width: float, height: float) -> None:
    entries = [
        ("input", COLOURS[NodeKind.INPUT]),
        ("neuron", COLOURS[NodeKind.NEURON]),
        ("operation", OPERATION),
        ("weight > 0", POSITIVE),
        ("weight < 0", NEGATIVE),
    ]
    for number, (name, colour) in enumerate(entries):
        left = 0.15 + 0.95 * number  # inches
        figure.text(left / width, 0.15 / height, "●", color=colour, fontsize=10)
        figure.text((left + 0.17) / width, 0.17 / height, name, fontsize=8.5)
