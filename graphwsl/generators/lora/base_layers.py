"""Networks of common layers as plain values, so that a file says what adapters belong to.

A description holds no code: names of layers that are listed here, and their options. Networks with
a class of one's own in them have none.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from graphwsl.errors import GeneratorError
from graphwsl.generators.lora.low_rank import LowRankLinear
from graphwsl.populations.population import Function
from graphwsl.zoo.architectures.layered import LayeredNetwork
from graphwsl.zoo.architectures.registry import LARGEST_ACTIVATION, largest_activation

CHAINS: dict[str, type[nn.Module]] = {"Sequential": nn.Sequential, "Layered": LayeredNetwork}
LAYERS: dict[str, type[nn.Module]] = {
    layer.__name__: layer
    for layer in (
        nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding, nn.Flatten, nn.Identity, nn.Dropout,
        nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm,
        nn.AdaptiveAvgPool2d, nn.AvgPool2d, nn.MaxPool1d, nn.MaxPool2d,
        nn.ELU, nn.GELU, nn.LeakyReLU, nn.ReLU, nn.SELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Tanh,
    )
}  # fmt: skip
ADAPTED = "LowRankLinear"
PLAIN = (bool, int, float, str, type(None))
DEEPEST = 32
"""Chains within one another, at most."""

Description = dict[str, Any]


def described(function: Function) -> Description | None:
    """What :func:`function_of` makes the same function of; None where it cannot.

    Args:
        function: What networks do.
    """
    inputs = function.inputs
    if not isinstance(inputs, torch.Tensor):
        return None
    network = _described(function.module)
    if network is None:
        return None
    dtype = str(inputs.dtype).removeprefix("torch.")
    found = {"network": network, "inputs": [*inputs.shape], "dtype": dtype}
    try:
        same = function_of(found, function.architecture.num_entries, function.architecture.name)
    except GeneratorError:  # it has double precision, say
        return None
    # What options do not say, such as names of parts, is seen here.
    is_same = same.program == function.program
    return found if is_same and same.architecture.digest == function.architecture.digest else None


def function_of(description: Mapping[str, Any], entries: int, name: str) -> Function:
    """The function of a description; of its weights nothing is known.

    Args:
        description: What :func:`described` gave.
        entries: Numbers of a state, more than which are never made.
        name: As in messages.

    Raises:
        GeneratorError: It is none of these networks, or of another size.
    """
    try:
        with torch.device("meta"):
            network = _built(description["network"], DEEPEST).eval()
        size = sum(tensor.numel() for tensor in network.state_dict().values())
        shape, dtype = description["inputs"], getattr(torch, description["dtype"])
        sample = torch.zeros(shape, dtype=dtype, device="meta")
        if size == entries and largest_activation(network, sample) <= LARGEST_ACTIVATION:
            network = network.to_empty(device="cpu")
            with torch.no_grad():
                for tensor in network.state_dict().values():
                    tensor.zero_()
            return Function.of(network, torch.zeros(shape, dtype=dtype), name)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise GeneratorError(f"this describes no network: {reason}") from error
    raise GeneratorError(
        f"this describes a network of {size:,} numbers for inputs of {shape}, not one of "
        f"{entries:,} that fits into memory"
    )


def _described(module: nn.Module) -> Description | None:
    kind = type(module)
    if module._forward_hooks or module._forward_pre_hooks:
        return None
    if isinstance(module, LowRankLinear):
        rank, base = module.lora_A.out_features, _described(module.base_layer)
        return base and {"layer": ADAPTED, "base": base, "rank": rank, "scaling": module.scaling}
    for name, chain in CHAINS.items():
        if kind is chain:
            parts = module.module_list if isinstance(module, LayeredNetwork) else module
            children = [_described(child) for child in parts.children()]
            return None if None in children else {"layer": name, "parts": children}
    if LAYERS.get(kind.__name__) is not kind:
        return None
    options = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        is_option = parameter.kind is parameter.POSITIONAL_OR_KEYWORD and not name.startswith("_")
        if not is_option or name in ("device", "dtype"):
            continue
        value = getattr(module, name, None)
        if name == "bias":
            value = value is not None
        if isinstance(value, tuple | torch.Size):
            value = [*value]
        if not all(isinstance(v, PLAIN) for v in (value if isinstance(value, list) else [value])):
            return None
        options[name] = value
    return {"layer": kind.__name__, "options": options}


def _built(description: Mapping[str, Any], deepest: int) -> nn.Module:
    name = description["layer"]
    if deepest <= 0:
        raise ValueError(f"more than {DEEPEST} chains are within one another")
    if name == ADAPTED:
        base = _built(description["base"], deepest - 1)
        if not isinstance(base, nn.Linear):
            raise ValueError("only linear layers are adapted")
        return LowRankLinear(base, description["rank"], float(description["scaling"]))
    if name in CHAINS:
        parts = [_built(part, deepest - 1) for part in description["parts"]]
        return nn.Sequential(*parts) if name == "Sequential" else LayeredNetwork(parts)
    options = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in description["options"].items()
    }
    return LAYERS[name](**options)
