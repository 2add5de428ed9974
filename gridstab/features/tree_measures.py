"""Measures of a node's position in the tree-shaped parts of the grid."""

import numpy as np

from gridstab.features.grid_network import GridNetwork
from gridstab.features.measure import Values, measure, odd_measure


@measure
def bulk(network: GridNetwork) -> Values:
    """Whether the node is in the meshed part, without anything hanging from it."""
    return (~network.tree_parts.is_tree & ~network.tree_parts.is_root).astype(np.float64)


@measure
def root(network: GridNetwork) -> Values:
    """Whether a tree-shaped part hangs from the node."""
    return network.tree_parts.is_root.astype(np.float64)


@measure
def inner_tree_node(network: GridNetwork) -> Values:
    """Whether the node is inside a tree-shaped part."""
    return (network.tree_parts.is_tree & (network.tree_parts.depth > 0)).astype(np.float64)


@measure
def proper_leaf(network: GridNetwork) -> Values:
    """Whether the node is a leaf that hangs from a node inside a tree-shaped part."""
    parts = network.tree_parts
    return (parts.is_tree & (parts.depth == 0) & (parts.height > 1)).astype(np.float64)


@measure
def sparse_sprout(network: GridNetwork) -> Values:
    """Whether the node is a leaf that hangs from a root of fewer than five lines."""
    return network.tree_parts.is_sparse_sprout.astype(np.float64)


@measure
def dense_sprout(network: GridNetwork) -> Values:
    """Whether the node is a leaf that hangs from a root of at least five lines."""
    return network.tree_parts.is_dense_sprout.astype(np.float64)


@measure
def tree_depth(network: GridNetwork) -> Values:
    """Lines down to the deepest leaf below."""
    return network.tree_parts.depth.astype(np.float64)


@measure
def tree_height(network: GridNetwork) -> Values:
    """Lines up to the root of the tree-shaped part."""
    return network.tree_parts.height.astype(np.float64)


@measure
def branch_size(network: GridNetwork) -> Values:
    """Nodes of the branch below, with the node itself."""
    return network.tree_parts.branch_size.astype(np.float64)


@odd_measure
def branch_power(network: GridNetwork) -> Values:
    """Total power of the branch below, with the node itself."""
    return network.tree_parts.branch_power
