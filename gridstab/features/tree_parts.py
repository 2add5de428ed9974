"""Tree-shaped parts of a grid: what falls off when leaves are removed until none is left.

The classes are those of Nitzbon, Schultz, Heitzig, Kurths and Hellmann 2017
(doi:10.1088/1367-2630/aa6321), who show that they explain much of single-node basin stability.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gridstab.grids.power_grid import PowerGrid

DENSE_SPROUT_DEGREE = 5
"""A sprout is dense if its only neighbour has at least this many lines."""


@dataclass(frozen=True, eq=False)
class TreeParts:
    """Every node's position in a tree-shaped part, if it has one.

    Attributes:
        is_tree: Whether the node is in a tree-shaped part, its root excluded.
        is_root: The node of the rest to which a tree-shaped part is attached. A grid that is a
            tree as a whole has its centre, of one or two nodes, as root.
        depth: Steps down to the deepest leaf below; 0 for leaves and where nothing hangs.
        height: Steps up to the root; 0 outside tree-shaped parts.
        branch_size: Nodes of the branch below, with the node itself.
        branch_power: Their total power; in a tree-shaped part the line above must carry it.
        is_dense_sprout: A leaf at a root with at least five lines.
        is_sparse_sprout: A leaf at a root with fewer.
    """

    is_tree: Bool[np.ndarray, " nodes"]
    is_root: Bool[np.ndarray, " nodes"]
    depth: Int[np.ndarray, " nodes"]
    height: Int[np.ndarray, " nodes"]
    branch_size: Int[np.ndarray, " nodes"]
    branch_power: Float[np.ndarray, " nodes"]
    is_dense_sprout: Bool[np.ndarray, " nodes"]
    is_sparse_sprout: Bool[np.ndarray, " nodes"]

    @classmethod
    def of(cls, grid: PowerGrid) -> "TreeParts":
        """The tree-shaped parts of a connected grid."""
        adjacency = grid.adjacency()
        left = np.ones(grid.num_nodes)
        parent = np.full(grid.num_nodes, -1)
        depth = np.zeros(grid.num_nodes, np.int64)
        size = np.ones(grid.num_nodes, np.int64)
        power = grid.power.copy()
        layers = []
        while True:
            leaf = (left == 1) & (adjacency @ left == 1)
            # Two leaves that are joined are the centre of a tree: both stay, as its root.
            leaf &= adjacency @ leaf.astype(np.float64) == 0
            if not leaf.any():
                break
            left[leaf] = 0
            layer = np.flatnonzero(leaf)
            up = adjacency[layer].multiply(left).argmax(axis=1)  # its only neighbour that is left
            parent[layer] = up
            np.maximum.at(depth, up, depth[layer] + 1)
            np.add.at(size, up, size[layer])
            np.add.at(power, up, power[layer])
            layers.append(layer)
        height = np.zeros(grid.num_nodes, np.int64)
        for layer in reversed(layers):
            height[layer] = height[parent[layer]] + 1
        is_tree = left == 0
        is_root = (left == 1) & (size > 1)
        sprout = is_tree & (depth == 0) & (height == 1)
        dense = sprout & (grid.degree[parent] >= DENSE_SPROUT_DEGREE)
        return cls(
            is_tree=is_tree,
            is_root=is_root,
            depth=depth,
            height=height,
            branch_size=size,
            branch_power=power,
            is_dense_sprout=dense,
            is_sparse_sprout=sprout & ~dense,
        )
