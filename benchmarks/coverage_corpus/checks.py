"""What is checked of one network, and what counts as a failure."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.timing import timed
from graphwsl import neural_graph
from graphwsl.imports import from_transformers
from graphwsl.neural_graph import NeuralGraph
from graphwsl.symmetries import symmetries, verify
from graphwsl.testing import assert_exact

LARGEST_ERROR = 1e-6
"""Of an output under a symmetry in float64, relative to the largest output: some networks, such as
those with the RMS norm of transformers, round to float32 on the way."""

KINDS = ("permutations", "scalings", "signs")
"""Of symmetries."""

Loaded = tuple[nn.Module, Any]


def small(kind: str, settings: Mapping[str, Any]) -> Loaded:
    """An architecture of transformers with random values everywhere, also where it has 0 and 1."""
    module, inputs = from_transformers(kind, **settings)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                noise = 0.2 * torch.randn(tensor.shape, generator=generator)
                tensor.copy_(tensor * noise.exp() if "running_var" in name else tensor + noise)
    return module, inputs


def checked(load: Callable[[], Loaded]) -> dict[str, Any]:
    """Everything about one network, as plain JSON values; times are processor seconds.

    Raises:
        GraphwslError: It cannot be loaded or traced.
    """
    module, inputs = load()
    tracing = timed(lambda: neural_graph(module, inputs))
    graph: NeuralGraph = tracing.result
    coverage = graph.coverage()
    try:
        assert_exact(graph, module, mapped=False)
        exact = True
    except AssertionError:
        exact = False
    record: dict[str, Any] = {
        "parameters": coverage.num_parameters,
        "mapped": coverage.share_mapped,
        "opaque_operators": list(coverage.opaque_operators),
        "unread": {
            row.name: row.unread for row in coverage.tensors if row.is_parameter and row.unread
        },
        "exact": exact,
        "nodes": graph.num_nodes,
        "tracing_seconds": tracing.cpu,
    }
    del graph, tracing
    group = symmetries(neural_graph(deepcopy(module).double(), doubled(inputs)))
    finding = timed(lambda: (group.orbits, group.positive, group.sign))
    for name in KINDS:
        only = {other: other == name for other in KINDS}
        found = verify(group.random(torch.Generator().manual_seed(0), **only))
        record[name] = {"error": found.error, "change": found.change}
    record["orbits"] = len(group.orbits)
    record["log_permutations"] = group.log_permutations
    record["symmetry_seconds"] = finding.cpu
    return record


def failures_of(record: Mapping[str, Any]) -> list[str]:
    """What is wrong with a network's record."""
    if "refused" in record:
        return [f"refused: {record['refused']}"]
    found = [] if record["exact"] else ["the weights came back changed"]
    return found + [
        f"{name} change the function by {record[name]['error']:.1e}"
        for name in KINDS
        if not record[name]["error"] <= LARGEST_ERROR
    ]


def doubled(inputs: Any) -> Any:
    """Inputs in double precision; whole numbers as they are."""
    if isinstance(inputs, Tensor):
        return inputs.double() if inputs.is_floating_point() else inputs
    if isinstance(inputs, Mapping):
        return {name: doubled(one) for name, one in inputs.items()}
    return tuple(map(doubled, inputs))
