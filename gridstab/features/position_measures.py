"""Measures of a node's position in the network: neighbourhood, paths, walks and currents."""

import networkx as nx
import numpy as np

from gridstab.features.grid_network import GridNetwork
from gridstab.features.measure import Values, inverse, measure, odd_measure, over_lines


@odd_measure
def power(network: GridNetwork) -> Values:
    """The power P of the node."""
    return network.grid.power


@odd_measure
def power_after_one_step(network: GridNetwork) -> Values:
    """A P: total power of the neighbours."""
    return network.adjacency @ network.grid.power


@odd_measure
def power_after_two_steps(network: GridNetwork) -> Values:
    """A² P: power summed over the ends of all walks of two lines."""
    return network.adjacency @ power_after_one_step(network)


@odd_measure
def power_after_three_steps(network: GridNetwork) -> Values:
    """A³ P: power summed over the ends of all walks of three lines."""
    return network.adjacency @ power_after_two_steps(network)


@measure
def degree(network: GridNetwork) -> Values:
    """Number of lines."""
    return network.degree


@measure
def walks_of_two_steps(network: GridNetwork) -> Values:
    """A² 1: number of walks of two lines."""
    return network.adjacency @ network.degree


@measure
def walks_of_three_steps(network: GridNetwork) -> Values:
    """A³ 1: number of walks of three lines."""
    return network.adjacency @ walks_of_two_steps(network)


@measure
def average_neighbor_degree(network: GridNetwork) -> Values:
    """Mean degree of the neighbours."""
    return walks_of_two_steps(network) / np.maximum(network.degree, 1)


@measure
def min_neighbor_degree(network: GridNetwork) -> Values:
    """Least degree of a neighbour."""
    return over_lines(network, np.minimum, network.degree[network.grid.edge_index[1]])


@measure
def max_neighbor_degree(network: GridNetwork) -> Values:
    """Largest degree of a neighbour."""
    return over_lines(network, np.maximum, network.degree[network.grid.edge_index[1]])


@measure
def clustering(network: GridNetwork) -> Values:
    """Share of the pairs of neighbours that are joined."""
    pairs = network.degree * (network.degree - 1) / 2
    return network.triangles / np.maximum(pairs, 1)


@measure
def square_clustering(network: GridNetwork) -> Values:
    """Share of the possible squares that exist at the node (Lind et al. 2005)."""
    values = nx.square_clustering(network.graph)
    return np.array([values[node] for node in range(network.num_nodes)], dtype=np.float64)


@measure
def closeness(network: GridNetwork) -> Values:
    """(N − 1) over the sum of distances to all other nodes."""
    return (network.num_nodes - 1) / np.maximum(network.distance.sum(axis=1), 1)


@measure
def harmonic_centrality(network: GridNetwork) -> Values:
    """Sum of the inverse distances to all other nodes."""
    with np.errstate(divide="ignore"):
        inverse = 1 / network.distance
    np.fill_diagonal(inverse, 0)
    return inverse.sum(axis=1)


@measure
def eccentricity(network: GridNetwork) -> Values:
    """Largest distance to another node."""
    return network.distance.max(axis=1)


@measure
def betweenness(network: GridNetwork) -> Values:
    """Share of the shortest paths between other nodes that pass through."""
    return network.betweenness


@measure
def eigenvector_centrality(network: GridNetwork) -> Values:
    """Entry of the leading eigenvector of A, of unit norm."""
    return np.abs(network.adjacency_spectrum[1][:, -1])


@measure
def katz_centrality(network: GridNetwork) -> Values:
    """(I − a A)⁻¹ 1 scaled to unit norm, a = 0.1 or 0.9 / λ_max(A) if that is less."""
    largest = network.adjacency_spectrum[0][-1]
    attenuation = min(0.1, 0.9 / largest) if largest > 0 else 0.1
    system = np.eye(network.num_nodes) - attenuation * network.adjacency.toarray()
    katz = np.linalg.solve(system, np.ones(network.num_nodes))
    return katz / np.linalg.norm(katz)


@measure
def second_order_centrality(network: GridNetwork) -> Values:
    """Standard deviation of the return times of a random walk that stays where lines are few.

    A walk that takes each line with probability 1/max(degree) and otherwise waits is uniform in
    the long run. Its return times have mean N and second moment N (2 N max(degree) L⁺_ii + 1).
    Kermarrec et al. 2011 (doi:10.1016/j.comcom.2010.06.003).
    """
    nodes = network.num_nodes
    diagonal = network.inverse_laplacian.diagonal()
    return np.sqrt(nodes * (2 * nodes * network.degree.max() * diagonal + 1) - nodes**2)


@measure
def fiedler_magnitude(network: GridNetwork) -> Values:
    """Size of the node's entry in the eigenvector of the Laplacian's second eigenvalue."""
    return np.abs(network.spectrum[1][:, min(1, network.num_nodes - 1)])


@measure
def current_flow_closeness(network: GridNetwork) -> Values:
    """One over the sum of effective resistances to all other nodes."""
    return inverse(network.resistance(network.inverse_laplacian))


@measure
def current_flow_betweenness(network: GridNetwork) -> Values:
    """Mean current through the node for all pairs of other nodes as source and sink."""
    return network.current_flow_betweenness
