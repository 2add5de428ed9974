"""Sparse tokens: a unit with its incoming weights, bias and normalisation, padded.

Schürholt et al., "Towards Scalable and Versatile Weight Space Learning" (SANE), 2024, for any
architecture: the units come from the neural graph, so that normalisations join the channel that
they normalise, and nothing depends on names.
"""

from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.populations.token_layout import TokenLayout
from graphwsl.populations.unit_entries import UnitEntries


def sparse_layout(graph: NeuralGraph, width: int | None = None) -> TokenLayout:
    """A token a unit, in the order of layers and of units in them.

    Args:
        graph: Graph of the architecture.
        width: Numbers of a token; what a unit has more continues in further tokens. As many as the
            unit with the most by default.
    """
    owned = UnitEntries.of(graph)
    # Units are of one layer, and what belongs to none is known by its layer.
    groups = owned.layers * (graph.num_nodes + 1) + owned.units + 1
    return TokenLayout.cut(owned, groups, width or widest(owned, graph.num_nodes), owned.units)


def widest(owned: UnitEntries, num_nodes: int) -> int:
    """The most entries of a unit; of a layer where nothing belongs to a unit."""
    has_unit = owned.units >= 0
    if bool(has_unit.any()):
        return int(owned.units[has_unit].bincount(minlength=num_nodes).max())
    return max(int(owned.layers.bincount(minlength=1).max()), 1)
