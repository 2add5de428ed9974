"""Where to draw the nodes of a grid that comes without coordinates."""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse.csgraph import dijkstra

from gridstab.grids.power_grid import PowerGrid

PIVOTS = 50
STEPS = 100


def node_positions(grid: PowerGrid) -> Float[np.ndarray, "nodes 2"]:
    """The grid's coordinates or, without any, positions whose distances follow the lines'.

    The positions minimise the sparse stress of Ortmann, Klimenta and Brandes 2017
    (doi:10.7155/jgaa.00440): every node's distances to its neighbours and to some pivots spread
    over the grid approach the numbers of lines between them. It takes a second for thousands of
    nodes where networkx's layouts take a minute, and the same grid always gets the same picture.
    """
    if grid.coordinates is not None:
        return grid.coordinates
    if grid.num_nodes == 1:
        return np.zeros((1, 2))
    adjacency = grid.adjacency()
    pivot, distance = _spread_pivots(grid)
    position = _pivot_scaling(distance)

    neighbours = adjacency.tocoo()
    node = np.concatenate([np.tile(np.arange(grid.num_nodes), len(pivot)), neighbours.row])
    other = np.concatenate([np.repeat(pivot, grid.num_nodes), neighbours.col])
    target = np.concatenate([distance.T.ravel(), np.ones(neighbours.nnz)])
    apart = target > 0
    node, other, target = node[apart], other[apart], target[apart]
    # Pivots stand for all the nodes around them, but neighbours must not lie on top of another.
    weight = np.where(target == 1, 2.0, target**-2.0)
    total = np.bincount(node, weight, minlength=grid.num_nodes)
    for _ in range(STEPS):
        offset = position[node] - position[other]
        length = np.maximum(np.linalg.norm(offset, axis=1), 1e-6)
        wish = position[other] + offset * (target / length)[:, None]
        moved = np.stack(
            [np.bincount(node, weight * w, minlength=grid.num_nodes) / total for w in wish.T],
            axis=1,
        )
        position = (position + moved) / 2
    return position


def _spread_pivots(
    grid: PowerGrid,
) -> tuple[Int[np.ndarray, " pivots"], Float[np.ndarray, "nodes pivots"]]:
    """Pivots, each the farthest from those before it, and all distances to them in lines."""
    pivot, columns = [0], []
    nearest = np.full(grid.num_nodes, np.inf)
    for _ in range(min(PIVOTS, grid.num_nodes)):
        columns.append(dijkstra(grid.adjacency(), indices=pivot[-1], unweighted=True))
        nearest = np.minimum(nearest, columns[-1])
        pivot.append(int(nearest.argmax()))
    distance = np.stack(columns, axis=1)
    # Pieces of a grid that falls apart are drawn side by side.
    finite = np.isfinite(distance)
    distance[~finite] = 1.5 * distance[finite].max() + 1
    return np.array(pivot[:-1]), distance


def _pivot_scaling(distance: Float[np.ndarray, "nodes pivots"]) -> Float[np.ndarray, "nodes 2"]:
    """Classical scaling on the pivots' columns (Brandes and Pich 2007): a global first layout."""
    squared = distance**2
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    plane = -0.5 * centred @ axes[:2].T
    scale = distance.std() / max(plane.std(), 1e-12)
    # Nodes at equal positions, as the leaves of a star, need a start from which they can part.
    angle = np.arange(len(plane)) * np.pi * (3 - np.sqrt(5))
    return plane * scale + 0.05 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
