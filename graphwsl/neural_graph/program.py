"""A network as a flat program of ATen operators, recorded while it runs on example inputs."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch._dynamo
from torch import Tensor, nn
from torch._subclasses.functional_tensor import FunctionalTensorMode, dispatch_functionalize
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from graphwsl.errors import UnsupportedModelError

ExampleInputs = Tensor | tuple[Any, ...] | list[Any] | Mapping[str, Any]


@dataclass(frozen=True)
class Program:
    """What a network computes, as a list of operators without side effects.

    Attributes:
        graph_module: The operators; its placeholders are the state in the order of ``state``, then
            the tensors of the inputs in the order of ``inputs``.
        state: Parameters and persistent buffers by name, tied ones once.
        aliases: Further names of tied tensors, each with the name that ``state`` holds.
        parameters: Which names of ``state`` are parameters.
        inputs: The example tensors.
    """

    graph_module: GraphModule
    state: dict[str, Tensor]
    aliases: dict[str, str]
    parameters: frozenset[str]
    inputs: tuple[Tensor, ...]


def trace_program(model: nn.Module, example_inputs: ExampleInputs) -> Program:
    """Run ``model`` once, in evaluation mode, and record its operators.

    Operators are recorded below autograd, with the values of the example: control flow in Python
    is followed as it happens, attention and recurrent cells fall apart into matrix products, and
    in-place operators are replaced by their functional twins.

    Args:
        model: Any module that runs on the CPU. It is left as it was.
        example_inputs: A tensor, the positional arguments, or a mapping of keyword arguments.

    Raises:
        UnsupportedModelError: The network does not run on these inputs, or cannot be recorded.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise UnsupportedModelError(
            f"{type(model).__name__} is a TorchScript program, whose operators cannot be recorded; "
            "give the module that it was made of, or export it to ONNX and import that"
        )
    arguments, keywords = _arguments(example_inputs)
    leaves, structure = pytree.tree_flatten((arguments, keywords))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
    inputs = tuple(leaves[i].detach() for i in places)
    state, aliases, parameters = _state_of(model)
    names = list(state)

    def run(values: list[Tensor], tensors: list[Tensor]) -> list[Tensor]:
        filled = list(leaves)
        for i, tensor in zip(places, tensors, strict=True):
            filled[i] = tensor
        positional, named = pytree.tree_unflatten(filled, structure)
        result = torch.func.functional_call(
            model, dict(zip(names, values, strict=True)), tuple(positional), named
        )
        return [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]

    with _plain_operators(), evaluating(model):
        try:
            module = make_fx(
                dispatch_functionalize(run, mode=FunctionalTensorMode()),
                tracing_mode="real",
                _allow_non_fake_inputs=True,
                # Control flow may look at values: it is followed as the example has it.
                _error_on_data_dependent_ops=False,
            )([state[name] for name in names], list(inputs))
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise UnsupportedModelError(
                f"{type(model).__name__} cannot be traced on the example inputs "
                f"{[tuple(tensor.shape) for tensor in inputs]}: {type(error).__name__}: {reason}"
            ) from error
    return Program(module, state, aliases, parameters, inputs)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every submodule into evaluation mode, and back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _arguments(example_inputs: ExampleInputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example_inputs, Mapping):
        return (), dict(example_inputs)
    if isinstance(example_inputs, tuple | list):
        return tuple(example_inputs), {}
    return (example_inputs,), {}


def _state_of(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, str], frozenset[str]]:
    state: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    first: dict[int, str] = {}
    parameters = set()
    # keep_vars: tied tensors are one object, and parameters are told from buffers.
    for name, tensor in model.state_dict(keep_vars=True).items():
        if not isinstance(tensor, Tensor):
            continue
        if id(tensor) in first:
            aliases[name] = first[id(tensor)]
            continue
        first[id(tensor)] = name
        state[name] = tensor.detach()
        if isinstance(tensor, nn.Parameter):
            parameters.add(name)
    return state, aliases, frozenset(parameters)


@contextmanager
def _plain_operators() -> Iterator[None]:
    """No fused kernels: attention and recurrent cells as the matrix products that they are."""
    fastpath = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(torch.no_grad())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        # Compiled modules are run as they were before.
        stack.enter_context(torch._dynamo.config.patch(error_on_nested_fx_trace=False))
        torch.backends.mha.set_fastpath_enabled(False)
        stack.callback(torch.backends.mha.set_fastpath_enabled, fastpath)
        yield
