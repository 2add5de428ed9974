"""Network measures of every node, the inputs of the baselines that know no graph.

The small set is that of Nauck et al. 2022 (arXiv:2206.06369). The large one follows the network
science of Nauck, Lindner et al. 2024 (arXiv:2402.17500), with four differences: every line has
weight one, where the published measures mix weights 9 and 1 between data sets; degree and load
centrality, nearly the degree and the betweenness again, and two measures that an outage of a
bridge leaves undefined are omitted; the Fiedler vector enters without its arbitrary sign; depth,
size and power of tree-shaped parts are added.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

import gridstab.features.grid_measures
import gridstab.features.position_measures
import gridstab.features.tree_measures  # noqa: F401  registers its measures, as do the others
from gridstab.features.feature import node_feature
from gridstab.features.grid_network import GridNetwork
from gridstab.features.measure import MEASURES as MEASURES
from gridstab.grids.power_grid import PowerGrid

PUBLISHED_MEASURES = (
    "power",
    "degree",
    "average_neighbor_degree",
    "clustering",
    "current_flow_betweenness",
    "closeness",
)
"""The small set, in its published order."""


def node_measures(
    grid: PowerGrid, names: Iterable[str] = PUBLISHED_MEASURES
) -> Float[np.ndarray, "nodes measures"]:
    """Measures of every node, one column each; those of the whole grid repeat in every row.

    Args:
        grid: A connected grid. Measures of loads need its operating point.
        names: Names from :data:`MEASURES`.

    Raises:
        InvalidParameterError: An unknown name.
        DisconnectedGridError: The grid has more than one component.
        NoOperatingPointError: A load was asked for, and there is no operating point.
    """
    measures = [MEASURES.find(name) for name in names]
    network = GridNetwork(grid)
    columns = np.zeros((grid.num_nodes, len(measures)))
    for column, measure in enumerate(measures):
        columns[:, column] = measure.function(network)
    return columns


def _parities(names: Iterable[str]) -> tuple[int, ...]:
    return tuple(MEASURES[name].parity for name in names)


@node_feature(columns=PUBLISHED_MEASURES, parity=_parities(PUBLISHED_MEASURES))
def published_measures(grid: PowerGrid) -> Float[np.ndarray, "nodes measures"]:
    """The small set as one feature."""
    return node_measures(grid, PUBLISHED_MEASURES)


@node_feature(columns=tuple(MEASURES), parity=_parities(MEASURES))
def network_measures(grid: PowerGrid) -> Float[np.ndarray, "nodes measures"]:
    """The large set as one feature."""
    return node_measures(grid, MEASURES)
