"""Properties that every graph layer and model should have, as assertions for anyone's tests.

Each takes a layer, a model or any function of ``(x, edge_index, edge_attr, batch)`` and a small
:class:`torch_geometric.data.Data`; modules are run in evaluation and left as they are.

>>> from torch_geometric.nn import GCNConv
>>> from gnncore.testing import assert_permutation_equivariant, random_graph
>>> convolution = GCNConv(4, 2).double()
>>> assert_permutation_equivariant(
...     lambda x, edge_index, edge_attr, batch: convolution(x, edge_index), random_graph()
... )

:func:`check_layer` runs the whole battery over a layer of :mod:`gnncore.layers`.
"""

from gnncore.lazy import lazy
from gnncore.testing.battery import check_layer
from gnncore.testing.compilation import assert_compiles
from gnncore.testing.degenerate import assert_handles_degenerate_graphs, assert_shapes
from gnncore.testing.gradients import assert_gradients
from gnncore.testing.graphs import degenerate_graphs, permute_edges, permute_nodes, random_graph
from gnncore.testing.running import TOLERANCES, GraphFunction, Level
from gnncore.testing.state import assert_readable_repr, assert_resets, assert_state_round_trip
from gnncore.testing.symmetry import (
    assert_batch_invariant,
    assert_edge_order_invariant,
    assert_permutation_equivariant,
)

__all__ = [
    "TOLERANCES",
    "GraphFunction",
    "Level",
    "assert_batch_invariant",
    "assert_compiles",
    "assert_edge_order_invariant",
    "assert_gradients",
    "assert_handles_degenerate_graphs",
    "assert_permutation_equivariant",
    "assert_readable_repr",
    "assert_resets",
    "assert_shapes",
    "assert_state_round_trip",
    "check_layer",
    "degenerate_graphs",
    "permute_edges",
    "permute_nodes",
    "random_graph",
]

__getattr__, __dir__ = lazy(__name__, {})
