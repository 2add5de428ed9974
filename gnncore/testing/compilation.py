"""The same numbers from ``torch.compile``."""

import torch
from torch import nn
from torch_geometric.data import Data

from gnncore.testing.running import assert_close, evaluate


def assert_compiles(
    module: nn.Module, graph: Data, *, tolerance: float | None = None, backend: str = "inductor"
) -> None:
    """The compiled module gives the module's output, on this graph and on a smaller one.

    It takes seconds to minutes. Run it where no import hook has wrapped the module's functions
    (jaxtyping's, for example): the compiler cannot see through them.

    Args:
        module: Layer or model, run in evaluation.
        graph: Data with ``x``, ``edge_index``, and where it applies ``edge_attr`` and ``batch``.
        tolerance: Allowed relative difference; None takes it from :data:`TOLERANCES`.
        backend: Name of the compiler's backend.

    Raises:
        AssertionError: The compiler fails, or the outputs differ.
    """
    __tracebackhide__ = True
    smaller = graph.subgraph(torch.arange(len(graph.x) // 2))
    compiled = torch.compile(module, backend=backend, dynamic=True)
    try:
        for part in (graph, smaller):
            actual = evaluate(compiled, part)
            expected = evaluate(module, part)
            assert_close(actual.nodes, expected.nodes, "the compiled output differs", tolerance)
            assert_close(actual.edges, expected.edges, "the compiled edges differ", tolerance)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise AssertionError(f"the compiler fails: {reason}") from error
    finally:
        torch.compiler.reset()
