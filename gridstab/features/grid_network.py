"""A grid as a network: the dense matrices from which its measures are read, each computed once."""

from functools import cached_property

import networkx as nx
import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, shortest_path

from gridstab.errors import DisconnectedGridError
from gridstab.features.operating_state import OperatingState, operating_state
from gridstab.features.tree_parts import TreeParts
from gridstab.grids.power_grid import PowerGrid


class GridNetwork:
    """The graph of a connected grid; lines have weight one unless said otherwise.

    Matrices are dense, of shape ``(nodes, nodes)``: 29 MB each at the 1,910 nodes of Texas.

    Args:
        grid: A connected grid.

    Raises:
        DisconnectedGridError: The grid has more than one component.
    """

    def __init__(self, grid: PowerGrid) -> None:
        components = connected_components(grid.adjacency(), directed=False)[0]
        if components > 1:
            raise DisconnectedGridError(
                f"{grid.name!r} falls into {components} components; join them or keep the largest"
            )
        self.grid = grid
        self.num_nodes = grid.num_nodes

    @cached_property
    def adjacency(self) -> csr_array:
        """Ones where a line joins two nodes."""
        return self.grid.adjacency()

    @cached_property
    def graph(self) -> nx.Graph:
        """The same network as a networkx graph."""
        return self.grid.to_networkx()

    @cached_property
    def degree(self) -> Float[np.ndarray, " nodes"]:
        """Lines at every node."""
        return self.grid.degree.astype(np.float64)

    @cached_property
    def distance(self) -> Float[np.ndarray, "nodes nodes"]:
        """Number of lines on a shortest path."""
        return shortest_path(self.adjacency, directed=False, unweighted=True)

    @cached_property
    def triangles(self) -> Float[np.ndarray, " nodes"]:
        """Triangles through every node."""
        return (self.adjacency @ self.adjacency).multiply(self.adjacency).sum(axis=1) / 2

    @cached_property
    def spectrum(self) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, "nodes nodes"]]:
        """Ascending eigenvalues of the Laplacian, and their eigenvectors as columns."""
        values, vectors = np.linalg.eigh(self.grid.laplacian().toarray())
        return values, vectors

    @cached_property
    def adjacency_spectrum(
        self,
    ) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, "nodes nodes"]]:
        """Ascending eigenvalues of the adjacency matrix, and their eigenvectors as columns."""
        values, vectors = np.linalg.eigh(self.adjacency.toarray())
        return values, vectors

    @cached_property
    def inverse_laplacian(self) -> Float[np.ndarray, "nodes nodes"]:
        """Pseudo-inverse of the Laplacian."""
        return _pseudo_inverse(self.grid.laplacian())

    @cached_property
    def operating_state(self) -> OperatingState:
        """Phases and stiffness of the lines at the operating point."""
        return operating_state(self.grid)

    @cached_property
    def line_load(self) -> Float[np.ndarray, " lines"]:
        """Flow at the operating point as a share of what the line can carry: |sin(θ*_a − θ*_b)|."""
        return np.abs(np.sin(self.operating_state.difference))

    @property
    def most_loaded_line(self) -> Int[np.ndarray, " ends"]:
        """Ends of the line with the largest load; none in a grid without lines."""
        return self.grid.lines[self.line_load.argmax()] if self.grid.num_lines else np.zeros(0, int)

    @property
    def most_loaded_is_bridge(self) -> bool:
        """Whether the grid falls apart without the line of the largest load.

        A bridge is the only way for a current between its ends: their effective resistance is one.
        """
        if not self.grid.num_lines:
            return False
        a, b = self.most_loaded_line
        inverse = self.inverse_laplacian
        return bool(inverse[a, a] + inverse[b, b] - 2 * inverse[a, b] > 1 - 1e-9)

    @cached_property
    def tree_parts(self) -> TreeParts:
        """What hangs on the meshed part of the grid, and how."""
        return TreeParts.of(self.grid)

    @cached_property
    def betweenness(self) -> Float[np.ndarray, " nodes"]:
        """Share of the shortest paths between other nodes that pass through every node.

        Brandes 2001 (doi:10.1080/0022250X.2001.9990249), for all sources at once, one distance
        after the other.
        """
        distance, adjacency = self.distance.astype(np.int32), self.adjacency
        paths = np.eye(self.num_nodes)
        for length in range(1, distance.max() + 1):
            shorter = np.where(distance == length - 1, paths, 0.0)
            paths += np.where(distance == length, shorter @ adjacency, 0.0)
        dependency = np.zeros_like(paths)
        for length in range(distance.max(), 0, -1):
            handed = np.where(distance == length, (1 + dependency) / paths, 0.0) @ adjacency
            dependency += np.where(distance == length - 1, handed * paths, 0.0)
        np.fill_diagonal(dependency, 0.0)
        return dependency.sum(axis=0) / max((self.num_nodes - 1) * (self.num_nodes - 2), 1)

    @cached_property
    def current_flow_betweenness(self) -> Float[np.ndarray, " nodes"]:
        """Mean current through every node when a unit current enters and leaves at two others.

        Newman 2005 (doi:10.1016/j.socnet.2004.11.009), all lines of resistance one. The current
        on a line (a, b) between s and t is r_s − r_t with r = L⁺_a − L⁺_b; the sum of |r_s − r_t|
        over all pairs follows from the sorted r, which makes O(lines · nodes log nodes) after the
        pseudo-inverse L⁺ of the Laplacian.
        """
        nodes = self.num_nodes
        tail, head = self.grid.lines.T
        potential = np.sort(self.inverse_laplacian[tail] - self.inverse_laplacian[head], axis=1)
        total = potential @ (2.0 * np.arange(nodes) - nodes + 1)
        through = np.bincount(tail, total, nodes) + np.bincount(head, total, nodes)
        # Half of it leaves again; a source or sink counts only what passes by, which is nothing.
        return (through - (nodes - 1)) / max((nodes - 1) * (nodes - 2), 1)

    def resistance(self, inverse: Float[np.ndarray, "nodes nodes"]) -> Float[np.ndarray, " nodes"]:
        """Sum of every node's effective resistances to all others.

        Args:
            inverse: Pseudo-inverse of a Laplacian.
        """
        return self.num_nodes * inverse.diagonal() + np.trace(inverse)

    def assortativity(self, values: Float[np.ndarray, " nodes"]) -> float:
        """Correlation of the values at both ends of a line; 0 if all are equal.

        Newman 2003 (doi:10.1103/PhysRevE.67.026126). Of two values it is also the assortativity
        of two classes.
        """
        one, other = values[self.grid.edge_index]
        if one.size == 0 or np.ptp(one) == 0:
            return 0.0
        return float(np.corrcoef(one, other)[0, 1])


def _pseudo_inverse(laplacian: csr_array) -> Float[np.ndarray, "nodes nodes"]:
    """Of a connected graph: the constant vector spans the kernel."""
    nodes = laplacian.shape[0]
    return np.linalg.inv(laplacian.toarray() + 1 / nodes) - 1 / nodes
