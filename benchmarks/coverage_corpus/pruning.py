"""Networks of the corpus whose channels are pruned, and what is left of them without the dead.

Small architectures are pruned layer by layer; real networks, whichever way they are written, by the
orbits of their neural graph: neurons, channels, units of recurrent cells and heads with all that
belongs to them.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.coverage_corpus.checks import Loaded, doubled
from benchmarks.timing import repeat_for
from graphwsl import neural_graph
from graphwsl.errors import GraphwslError
from graphwsl.neural_graph import NeuralGraph
from graphwsl.neural_graph.outputs import output_tensors
from graphwsl.neural_graph.program import trace_program
from graphwsl.sparsification import compact, compared
from graphwsl.sparsification.compaction import CompactNetwork
from graphwsl.symmetries import symmetries
from graphwsl.symmetries.orbits import Orbit

LARGEST_ERROR = 1e-6
"""Of an output of the compacted network, relative to the largest output."""

REPETITIONS = 5
"""Of which the shortest time counts."""

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)


def prune_channels(module: nn.Module, share: float) -> int:
    """Set the output channels of least norm to zero, in every linear layer and convolution.

    Args:
        module: The network; it is changed.
        share: Of the channels of each layer.

    Returns:
        How many layers there were.
    """
    layers = 0
    with torch.no_grad():
        for part in module.modules():
            channels = _channels(part)
            if channels is None:
                continue
            layers += 1
            norms = channels.flatten(1).norm(dim=1)
            dead = norms.argsort(stable=True)[: round(share * len(norms))]
            channels[dead] = 0
            if isinstance(bias := getattr(part, "bias", None), Tensor):
                bias[dead] = 0
    return layers


def prune_units(module: nn.Module, inputs: Any, share: float) -> list[int]:
    """Set to zero all parameters of the units of least norm, in every orbit of the neural graph.

    Args:
        module: The network, in double precision; it is changed.
        inputs: An example of its inputs.
        share: Of the units of each orbit.

    Returns:
        How many units each orbit has.

    Raises:
        GraphwslError: It cannot be traced.
    """
    graph = neural_graph(module, inputs)
    orbits = symmetries(graph).orbits
    flat = graph.flat()
    is_weight = graph.flat(
        {
            name: torch.full_like(tensor, name in graph.parameters)
            for name, tensor in graph.completed(graph.state).items()
            if isinstance(tensor, Tensor)
        }
    ).bool()
    gone = torch.zeros_like(is_weight)
    for orbit in orbits:
        norms = torch.zeros(len(orbit.nodes), dtype=flat.dtype)
        touched = list(_entries_of(graph, orbit))
        for units, entries in touched:
            norms.index_add_(0, units, flat[entries].square() * is_weight[entries])
        dead = torch.zeros(len(norms), dtype=torch.bool)
        dead[norms.argsort(stable=True)[: round(share * len(norms))]] = True
        for units, entries in touched:
            gone[entries[dead[units]]] = True
    gone &= is_weight
    state = dict(module.named_parameters())
    with torch.no_grad():
        for name in graph.parameters:
            start, size = graph.offsets[name], graph.state[name].numel()
            state[name][gone[start : start + size].view(state[name].shape)] = 0
    return [len(orbit.nodes) for orbit in orbits]


def _entries_of(graph: NeuralGraph, orbit: Orbit) -> Iterator[tuple[Tensor, Tensor]]:
    """Entries of the state at the nodes of an orbit, each with its unit."""
    unit_of = torch.full((graph.num_nodes + 1,), -1)  # the last is that of no node
    unit_of[orbit.nodes] = torch.arange(len(orbit.nodes))[:, None]
    for block in graph.blocks:
        entries = block.entries
        for units in (unit_of[block.targets][:, :, None], unit_of[block.sources][:, None, :]):
            units = units[..., None].expand(entries.shape)
            known = (units >= 0) & (entries >= 0)
            if known.any():
                yield units[known], entries[known]
    for use in graph.node_parameters:
        units = unit_of[use.nodes]
        known = (units >= 0) & (use.entries >= 0)
        yield units[known], use.entries[known]


def compacted_by_orbits(load: Callable[[], Loaded], share: float) -> dict[str, Any]:
    """What compaction makes of a network whose orbits are pruned, as plain JSON values.

    The function is compared in double precision; bytes and times are those in single precision. A
    time is the shortest of several, beside that of the operators of the network alone, without
    what reads files of their kind in Python.

    Raises:
        GraphwslError: It cannot be loaded, traced or compacted.
    """
    module, inputs = load()
    precise, precise_inputs = deepcopy(module).double().eval(), doubled(inputs)
    orbits = prune_units(precise, precise_inputs, share)
    small = compact(precise, precise_inputs)
    record = {"orbits": len(orbits), "units": sum(orbits)}
    record |= _compared(precise, small, precise_inputs)
    module = precise.float()
    program = trace_program(module, inputs)
    given = list(program.state.values()), list(program.inputs)
    small = _in_single_precision(small, module, inputs)
    table = compared(module, small, inputs, repetitions=REPETITIONS)
    with torch.no_grad():
        turns = repeat_for(lambda: program.graph_module(*given), repeats=REPETITIONS)
    return {
        **record,
        "bytes_before": table.before.bytes,
        "bytes_after": table.after.bytes,
        "milliseconds": table.before.milliseconds,
        "milliseconds_of_operators": 1000 * min(turn.wall for turn in turns),
        "milliseconds_after": table.after.milliseconds,
    }


def _in_single_precision(small: CompactNetwork, module: nn.Module, inputs: Any) -> nn.Module:
    """A compacted network in single precision; compacted again if its program has other types."""
    try:
        cast = small.float()
        with torch.no_grad():
            _called(cast, inputs)
    except (GraphwslError, RuntimeError):
        return compact(module, inputs)
    return cast


def compacted(load: Callable[[], Loaded], share: float) -> dict[str, Any]:
    """What compaction makes of a network, as plain JSON values; in float64.

    Where a network looks at its inputs to warn of padding, it is given the mask that says that
    there is none.

    Raises:
        GraphwslError: It cannot be loaded or compacted.
    """
    module, inputs = load()
    module, inputs = deepcopy(module).double().eval(), doubled(inputs)
    layers = prune_channels(module, share)
    try:
        small = compact(module, inputs)
    except GraphwslError:
        if not isinstance(inputs, Mapping) or "input_ids" not in inputs:
            raise
        inputs = {**inputs, "attention_mask": torch.ones_like(inputs["input_ids"])}
        small = compact(module, inputs)
    return {"layers": layers, **_compared(module, small, inputs)}


def _compared(module: nn.Module, small: CompactNetwork, inputs: Any) -> dict[str, Any]:
    """Parameters before and after, and the largest change of an output."""
    with torch.no_grad():
        expected, own = (output_tensors(_called(one, inputs)) for one in (module, small))
    pairs = list(zip(expected, own, strict=True))
    scale = max(float(one.abs().max()) for one in expected)
    error = max(float((one - other).abs().max()) for one, other in pairs)
    return {
        "before": sum(one.numel() for one in module.parameters()),
        "after": sum(one.numel() for one in small.parameters()),
        "error": error / max(scale, 1e-12),
        "any_batch": small.any_batch,
    }


def failure_of(record: Mapping[str, Any]) -> str | None:
    """What is wrong with the record of a network, if anything."""
    if "refused" in record:
        return f"refused: {record['refused']}"
    if not record["error"] <= LARGEST_ERROR:
        return f"the function changes by {record['error']:.1e}"
    return None if record["after"] < record["before"] else "nothing was taken out"


def _channels(part: nn.Module) -> Tensor | None:
    """The weights of a layer, a row an output channel; a view."""
    weight = getattr(part, "weight", None)
    if not isinstance(weight, Tensor):
        return None
    if isinstance(part, TRANSPOSED):
        return weight.transpose(0, 1) if part.groups == 1 else None
    if type(part).__name__ == "Conv1D":  # that of GPT-2, which is a linear layer
        return weight.T
    return weight if isinstance(part, LAYERS) else None


def _called(module: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return module(**inputs)
    return module(*inputs) if isinstance(inputs, tuple) else module(inputs)
