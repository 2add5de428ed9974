"""Dense tokens: the numbers of a layer in chunks, of which only the last is padded."""

from dataclasses import replace

import torch

from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.populations.sparse_tokens import widest
from graphwsl.populations.token_layout import TokenLayout
from graphwsl.populations.unit_entries import UnitEntries


def dense_layout(graph: NeuralGraph, width: int | None = None) -> TokenLayout:
    """The entries of layer after layer, in a layer in the order of the state.

    Args:
        graph: Graph of the architecture.
        width: Numbers of a token; as many as a sparse token has by default.
    """
    owned = UnitEntries.of(graph)
    width = width or widest(owned, graph.num_nodes)
    # The first use tells the type of the layer, whose entries are sorted after it.
    starts = torch.searchsorted(owned.layers, owned.layers)
    types = owned.types[starts]
    order = owned.entries.argsort()
    order = order[owned.layers[order].argsort(stable=True)]
    in_order = replace(owned, entries=owned.entries[order], types=types)
    return TokenLayout.cut(in_order, owned.layers, width, torch.full_like(owned.units, -1))
