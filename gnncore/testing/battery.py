"""The whole battery, in one call."""

import copy
from collections.abc import Callable, Collection, Sequence

import torch
from torch import nn

from gnncore.testing.compilation import assert_compiles
from gnncore.testing.degenerate import assert_handles_degenerate_graphs, assert_shapes
from gnncore.testing.gradients import assert_gradients
from gnncore.testing.graphs import random_graph
from gnncore.testing.state import assert_readable_repr, assert_resets, assert_state_round_trip
from gnncore.testing.symmetry import (
    assert_batch_invariant,
    assert_edge_order_invariant,
    assert_permutation_equivariant,
)


def check_layer(
    layer: nn.Module,
    *,
    dtypes: Sequence[torch.dtype] = (torch.float64, torch.float32),
    compiled: bool = False,
    unused_parameters: Collection[str] = (),
    seed: int = 0,
) -> None:
    """Everything that a layer promises: shapes, symmetry, batches, edge cases, derivatives, state.

    In every dtype: shapes and untouched inputs, equivariance to the numbering of nodes,
    invariance to the order of edges, independence of the graphs of a batch, and degenerate graphs
    in training and in evaluation. Once: derivatives in double precision, saving and loading,
    ``reset_parameters``, ``repr``, and on demand compilation.

    Args:
        layer: A module of the form of :class:`gnncore.layers.GraphLayer`, with ``in_channels``,
            ``out_channels``, ``edge_channels``, ``edge_out_channels`` and ``reset_parameters``;
            copies are tested.
        dtypes: Types to test in.
        compiled: Whether to run :func:`assert_compiles` as well, which takes long.
        unused_parameters: As of :func:`assert_gradients`.
        seed: Seed of the graphs and permutations.

    Raises:
        AssertionError: The first property that fails, with the name of its check.

    Example:
        >>> from gnncore.layers import make_layer
        >>> check_layer(make_layer("tag", 4, 4))
    """
    __tracebackhide__ = True
    in_channels, out_channels, edge_channels, edge_out_channels = (
        getattr(layer, name)
        for name in ("in_channels", "out_channels", "edge_channels", "edge_out_channels")
    )
    for dtype in dtypes:
        graph = random_graph(12, in_channels, edge_channels, seed=seed, dtype=dtype)
        typed = copy.deepcopy(layer).to(dtype)
        _check(assert_shapes, dtype, typed, graph, out_channels, edge_out_channels)
        _check(assert_permutation_equivariant, dtype, typed, graph, seed=seed)
        _check(assert_edge_order_invariant, dtype, typed, graph, seed=seed)
        _check(assert_batch_invariant, dtype, typed, graph)
        for training in (True, False):
            _check(
                assert_handles_degenerate_graphs,
                dtype,
                copy.deepcopy(typed).train(training),
                in_channels,
                edge_channels,
                dtype=dtype,
            )
    dtype = torch.float64
    double = copy.deepcopy(layer).to(dtype)
    graph = random_graph(6, in_channels, edge_channels, num_extra_edges=3, seed=seed, dtype=dtype)
    _check(assert_gradients, dtype, double, graph, unused_parameters=unused_parameters)
    _check(assert_state_round_trip, dtype, double, graph)
    _check(assert_resets, dtype, double, graph, seed=seed)
    _check(assert_readable_repr, dtype, double)
    if compiled:
        _check(assert_compiles, dtype, double, graph)


def _check(
    check: Callable[..., None], dtype: torch.dtype, /, *arguments: object, **options: object
) -> None:
    __tracebackhide__ = True
    try:
        check(*arguments, **options)
    except Exception as error:
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        raise AssertionError(f"{check.__name__} in {dtype}: {kind}{error}") from error
