"""Positional encodings as a specification names them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnncore.layers.encodings import laplacian_encoding, random_walk_encoding
from gnncore.models.specification import LaplacianEncoding, RandomWalkEncoding


def encode(
    encoding: RandomWalkEncoding | LaplacianEncoding,
    edge_index: Int[Tensor, "2 edges"],
    num_nodes: int,
    training: bool,
) -> Float[Tensor, "nodes channels"]:
    """The encoding of every node; of any number of graphs, as if each were alone.

    Args:
        encoding: Which.
        edge_index: Source and target of every directed edge.
        num_nodes: Number of nodes.
        training: Whether random signs are drawn, from torch's default generator.
    """
    if isinstance(encoding, RandomWalkEncoding):
        return random_walk_encoding(edge_index, num_nodes, encoding.steps)
    return laplacian_encoding(
        edge_index,
        num_nodes,
        encoding.channels,
        torch.default_generator if training and encoding.signs == "random" else None,
        sign_invariant=encoding.signs == "invariant",
    )
