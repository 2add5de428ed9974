"""Tokens of tensors: the numbers of every tensor of a state in chunks, each for itself.

Wang et al., "Recurrent Diffusion for Large-Scale Parameter Generation" (RPG), 2025, whose layers
are the entries of a ``state_dict``.
"""

from dataclasses import replace

import torch

from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.populations.sparse_tokens import widest
from graphwsl.populations.token_layout import TokenLayout
from graphwsl.populations.unit_entries import UnitEntries


def tensor_layout(graph: NeuralGraph, width: int | None = None) -> TokenLayout:
    """Tensor after tensor in the order of the state; the last token of each is padded.

    Args:
        graph: Graph of the architecture.
        width: Numbers of a token; as many as a sparse token has by default.
    """
    owned = UnitEntries.of(graph)
    width = width or widest(owned, graph.num_nodes)
    sizes = torch.tensor([tensor.numel() for tensor in graph.state.values()]).long()
    # Empty tensors make no token, so they are not counted.
    tensors = torch.arange(int((sizes > 0).sum())).repeat_interleave(sizes[sizes > 0])
    order = owned.entries.argsort()
    in_order = replace(
        owned, entries=owned.entries[order], layers=tensors, types=owned.types[order]
    )
    return TokenLayout.cut(in_order, tensors, width, torch.full_like(tensors, -1))
