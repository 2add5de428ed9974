"""A graph is exact: its state is the network's bitwise, and accounts for every entry."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.symmetries.element import GroupElement, require_graph


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors agree in shape, type and every bit, NaN and the sign of zero included."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    first, second = (one.detach().cpu().contiguous().reshape(-1) for one in (first, second))
    return torch.equal(first.view(torch.uint8), second.view(torch.uint8))


def assert_exact(
    graph: NeuralGraph, model: nn.Module | Mapping[str, Any], *, mapped: bool = True
) -> None:
    """The graph gives back the state of ``model`` bitwise and accounts for every entry of it.

    So does the symmetry that moves nothing.

    Args:
        graph: A graph.
        model: The network that it was traced from, or its state.
        mapped: Whether every parameter must also be on an edge or at a node.

    Raises:
        AssertionError: A tensor or an entry is lost; it is named.
    """
    require_graph(graph)
    arguments.instance(
        "model", model, (nn.Module, Mapping), "a module or its state", "give what was traced"
    )
    state = model.state_dict() if isinstance(model, nn.Module) else model
    given = graph.to_state_dict()
    assert given.keys() == state.keys(), f"names differ: {sorted(given.keys() ^ state.keys())}"
    changed = _changed(state, given)
    assert not changed, f"{changed} came back changed"
    moved = _changed(state, GroupElement.identity(graph).apply())
    assert not moved, f"{moved} were changed by the symmetry that moves nothing"
    coverage = graph.coverage()
    counts = {row.name: row.entries for row in coverage.tensors}
    wrong = {name for name, tensor in graph.state.items() if counts[name] != tensor.numel()}
    assert not wrong, f"entries of {sorted(wrong)} are counted wrongly"
    if mapped:
        assert coverage.mapped == coverage.num_parameters, str(coverage)


def _changed(state: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    return [
        name
        for name, value in state.items()
        if isinstance(value, Tensor) and not same_bits(value, given[name])
    ]
