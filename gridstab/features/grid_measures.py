"""Measures of the operating point, and of the grid as a whole."""

import numpy as np

from gridstab.features.grid_network import GridNetwork
from gridstab.features.measure import Values, inverse, measure, over_lines


@measure
def min_line_load(network: GridNetwork) -> Values:
    """Least |sin(θ*_a − θ*_b)| of the node's lines."""
    return over_lines(network, np.minimum, np.repeat(network.line_load, 2))


@measure
def max_line_load(network: GridNetwork) -> Values:
    """Largest |sin(θ*_a − θ*_b)| of the node's lines."""
    return over_lines(network, np.maximum, np.repeat(network.line_load, 2))


@measure
def mean_line_load(network: GridNetwork) -> Values:
    """Mean |sin(θ*_a − θ*_b)| of the node's lines."""
    loads = np.repeat(network.line_load, 2)
    total = np.bincount(network.grid.edge_index[0], loads, network.num_nodes)
    return total / np.maximum(network.degree, 1)


@measure
def touches_largest_load(network: GridNetwork) -> Values:
    """Whether the most loaded line of the grid ends at the node."""
    touches = np.zeros(network.num_nodes)
    touches[network.most_loaded_line] = 1
    return touches


@measure
def loaded_current_flow_closeness(network: GridNetwork) -> Values:
    """Current-flow closeness with conductances K cos(θ*_a − θ*_b), the lines' stiffness."""
    return inverse(network.resistance(network.operating_state.compliance))


@measure
def degree_assortativity(network: GridNetwork) -> Values:
    """Correlation of the degrees at both ends of a line."""
    return network.assortativity(network.degree)


@measure
def power_assortativity(network: GridNetwork) -> Values:
    """Correlation of the powers at both ends of a line."""
    return network.assortativity(network.grid.power)


@measure
def opposite_power_share(network: GridNetwork) -> Values:
    """Share of the lines that join a producer and a consumer."""
    tail, head = np.sign(network.grid.power)[network.grid.lines.T]
    return float((tail * head < 0).mean()) if tail.size else 0.0


@measure
def transitivity(network: GridNetwork) -> Values:
    """Share of the pairs of lines with a common node that a third line closes."""
    pairs = network.degree @ (network.degree - 1) / 2
    return float(network.triangles.sum() / max(pairs, 1))


@measure
def diameter(network: GridNetwork) -> Values:
    """Largest distance of two nodes."""
    return float(network.distance.max())


@measure
def kirchhoff_mean(network: GridNetwork) -> Values:
    """Mean over the nodes of the sum of effective resistances to all others."""
    return float(network.resistance(network.inverse_laplacian).mean())


@measure
def loaded_kirchhoff_mean(network: GridNetwork) -> Values:
    """The same with conductances K cos(θ*_a − θ*_b)."""
    return float(network.resistance(network.operating_state.compliance).mean())


@measure
def inverse_algebraic_connectivity(network: GridNetwork) -> Values:
    """1 / λ₂ of the Laplacian; 0 for a single node."""
    return float(1 / network.spectrum[0][1]) if network.num_nodes > 1 else 0.0


@measure
def eigenratio(network: GridNetwork) -> Values:
    """λ₂ / λ_N of the Laplacian: how well it synchronises."""
    values = network.spectrum[0]
    return float(values[1] / values[-1]) if network.num_nodes > 1 else 0.0


@measure
def largest_load(network: GridNetwork) -> Values:
    """Largest |sin(θ*_a − θ*_b)| of the grid."""
    return float(network.line_load.max(initial=0.0))


@measure
def order_parameter(network: GridNetwork) -> Values:
    """Mean cos(θ*_a − θ*_b) over the lines (Schröder et al. 2017)."""
    cosine = np.cos(network.operating_state.difference)
    return float(cosine.mean()) if cosine.size else 1.0


@measure
def outage_leaves_connected(network: GridNetwork) -> Values:
    """Whether the grid stays connected without its most loaded line."""
    return float(not network.most_loaded_is_bridge)
