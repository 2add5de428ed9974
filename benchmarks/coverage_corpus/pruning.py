"""Networks of the corpus whose channels are pruned, and what is left of them without the dead."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.coverage_corpus.checks import Loaded, doubled
from graphwsl.errors import GraphwslError
from graphwsl.neural_graph.outputs import output_tensors
from graphwsl.sparsification import compact

LARGEST_ERROR = 1e-6
"""Of an output of the compacted network, relative to the largest output."""

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
    with torch.no_grad():
        expected, own = (output_tensors(_called(one, inputs)) for one in (module, small))
    pairs = list(zip(expected, own, strict=True))
    scale = max(float(one.abs().max()) for one in expected)
    error = max(float((one - other).abs().max()) for one, other in pairs)
    return {
        "layers": layers,
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
