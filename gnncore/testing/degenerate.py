"""Graphs without nodes or edges, and what a layer owes to its caller's tensors."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from gnncore.testing.graphs import degenerate_graphs
from gnncore.testing.running import GraphFunction, apply, assert_rows


def assert_handles_degenerate_graphs(
    function: GraphFunction, in_channels: int, edge_channels: int = 0, *, dtype: torch.dtype
) -> None:
    """Empty graphs, single and isolated nodes: the right shapes, all values and derivatives finite.

    Modules are run in the mode, training or evaluation, that they are in.

    Args:
        function: Layer, model or function with rows of nodes as output.
        in_channels: Channels of ``x``.
        edge_channels: Channels of ``edge_attr``; 0 for none.
        dtype: Type of the signals.

    Raises:
        AssertionError: It raises, loses nodes or edges, or gives NaN or infinities.
    """
    __tracebackhide__ = True
    for name, graph in degenerate_graphs(in_channels, edge_channels, dtype=dtype).items():
        graph.x.requires_grad_()
        try:
            output = apply(function, graph)
        except Exception as error:
            raise AssertionError(f"{name} raises {type(error).__name__}: {error}") from error
        assert_rows(output, graph, name)
        values = [value for value in (output.nodes, output.edges) if value is not None]
        _assert_finite(values, f"the output of {name}")
        sources = [graph.x]
        if isinstance(function, nn.Module):
            sources += [p for p in function.parameters() if p.requires_grad]
        total = torch.stack([value.sum() for value in values]).sum()
        if total.requires_grad:
            gradients = torch.autograd.grad(total, sources, allow_unused=True)
            _assert_finite(gradients, f"a derivative on {name}")


def assert_shapes(
    function: GraphFunction, graph: Data, out_channels: int, edge_out_channels: int | None = None
) -> None:
    """The output has a row for every node and edge, the promised channels and the input's dtype.

    The tensors that come in must be left as they are: other layers may still need them.

    Args:
        function: Layer, model or function with rows of nodes as output.
        graph: Data with ``x``, ``edge_index``, and where it applies ``edge_attr`` and ``batch``.
        out_channels: Channels that nodes must have.
        edge_out_channels: Channels that edges must have; None or 0 where edges do not matter.

    Raises:
        AssertionError: Other shapes or dtypes, or changed inputs.
    """
    __tracebackhide__ = True
    before = {name: value.clone() for name, value in graph.to_dict().items()}
    output = apply(function, graph)
    assert_rows(output, graph, "the output")
    if output.nodes.size(1) != out_channels:
        raise AssertionError(f"{output.nodes.size(1)} channels instead of {out_channels}")
    if edge_out_channels:
        found = None if output.edges is None else output.edges.size(1)
        if found != edge_out_channels:
            raise AssertionError(f"{found} edge channels instead of {edge_out_channels}")
    if output.nodes.dtype != graph.x.dtype:
        raise AssertionError(f"{graph.x.dtype} came in, {output.nodes.dtype} went out")
    for name, value in before.items():
        if not torch.equal(graph[name], value):
            raise AssertionError(f"{name} was changed in place")


def _assert_finite(values: Iterable[Tensor | None], name: str) -> None:
    __tracebackhide__ = True
    if not all(value is None or bool(value.isfinite().all()) for value in values):
        raise AssertionError(f"{name} is not finite")
