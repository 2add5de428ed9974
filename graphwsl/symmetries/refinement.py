"""Colour refinement: nodes that differ in what they are related to cannot be exchanged.

Every symmetry keeps the classes of the coarsest equitable partition (Weisfeiler and Leman, 1968),
so exchanges need to be tried within them only. The partition is cheap, and on real networks it
separates almost all nodes that no symmetry exchanges.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.values import mixed


def refined(
    colours: Int[Tensor, " nodes"],
    nodes: Int[Tensor, " edges"],
    relations: Int[Tensor, " edges"],
    neighbours: Int[Tensor, " edges"],
) -> Int[Tensor, " nodes"]:
    """Classes of nodes with as many neighbours of every class in every relation.

    Args:
        colours: Colours of the nodes to begin with.
        nodes: The node of every edge, in both directions of a relation.
        relations: Number of the relation and direction of every edge.
        neighbours: The node at its other end.

    Returns:
        Number of the class of every node, from 0.
    """
    _, colours = colours.unique(return_inverse=True)
    count = int(colours.max()) + 1 if len(colours) else 0
    keys = mixed(relations + 1)
    while count < len(colours):
        # Sums of hashes do not depend on an order. Should two ever collide, classes are coarser
        # than they could be, which costs time and nothing else.
        sums = torch.zeros_like(colours)
        sums.index_add_(0, nodes, mixed(mixed(colours + 1)[neighbours] ^ keys))
        _, finer = torch.stack([colours, sums]).unique(dim=1, return_inverse=True)
        if int(finer.max()) + 1 == count:
            break
        colours, count = finer, int(finer.max()) + 1
    return colours
