"""Running what is under test, and comparing what it returns; shared by all assertions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

GraphFunction = Callable[
    [Tensor, Tensor, Tensor | None, Tensor | None], Tensor | tuple[Tensor, Tensor | None]
]
"""A layer, a model or any function of ``(x, edge_index, edge_attr, batch)``.

It returns the signal on nodes (or one row a graph), alone or with the signal on edges.
"""

Level = Literal["node", "graph"]
"""Whether the first output has a row for every node or for every graph."""

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}
"""Largest difference by dtype, relative to the largest value (absolute below 1)."""


@dataclass(frozen=True)
class Output:
    """What a :data:`GraphFunction` returned.

    Attributes:
        nodes: Signal on nodes, or on graphs. Shape ``(nodes or graphs, channels)``.
        edges: Signal on edges, or None. Shape ``(edges, channels)``.
    """

    nodes: Tensor
    edges: Tensor | None


def apply(function: GraphFunction, graph: Data) -> Output:
    """The function's output for a graph, or for a batch of graphs, in training or evaluation."""
    batch = graph.batch if "batch" in graph else None
    result = function(graph.x, graph.edge_index, graph.edge_attr, batch)
    return Output(*result) if isinstance(result, tuple) else Output(result, None)


def evaluate(function: GraphFunction, graph: Data) -> Output:
    """As :func:`apply`, without dropout, updates of statistics or gradients."""
    with evaluation(function), torch.no_grad():
        return apply(function, graph)


@contextmanager
def evaluation(function: object) -> Iterator[None]:
    """Puts a module into evaluation, and every part of it back as it was."""
    modules = list(function.modules()) if isinstance(function, nn.Module) else []
    states = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module, training in zip(modules, states, strict=True):
            module.training = training


def assert_close(
    actual: Tensor | None, expected: Tensor | None, claim: str, tolerance: float | None = None
) -> None:
    """Passes if the tensors agree; ``claim`` opens the message if they do not.

    Args:
        actual: One tensor; None agrees with None.
        expected: The other, which sets the dtype and the scale.
        claim: What a difference would refute.
        tolerance: Allowed difference; None takes it from :data:`TOLERANCES`.

    Raises:
        AssertionError: They differ in shape, in what is finite, or by more than the tolerance.
    """
    __tracebackhide__ = True
    if actual is None and expected is None:
        return
    if actual is None or expected is None or actual.shape != expected.shape:
        shapes = [None if value is None else tuple(value.shape) for value in (actual, expected)]
        raise AssertionError(f"{claim}: shape {shapes[0]} instead of {shapes[1]}")
    if not expected.numel():
        return
    allowed = TOLERANCES[expected.dtype] if tolerance is None else tolerance
    difference = float((actual - expected).abs().max())
    scale = max(float(expected.abs().max()), 1.0)
    # Written so that a difference of NaN fails.
    if not difference <= allowed * scale:
        raise AssertionError(
            f"{claim}: values up to {scale:.3g} differ by {difference:.3g}, "
            f"allowed is {allowed * scale:.3g} in {expected.dtype}"
        )


def assert_rows(output: Output, graph: Data, name: str) -> None:
    """Passes if there is a row for every node and, where edges have an output, for every edge.

    Args:
        output: What was returned.
        graph: What went in.
        name: How the message calls it.

    Raises:
        AssertionError: There are more or fewer.
    """
    __tracebackhide__ = True
    nodes, edges = len(graph.x), graph.edge_index.size(1)
    if len(output.nodes) != nodes:
        raise AssertionError(f"{name} has {len(output.nodes)} rows for {nodes} nodes")
    if output.edges is not None and len(output.edges) != edges:
        raise AssertionError(f"{name} has {len(output.edges)} rows for {edges} edges")
