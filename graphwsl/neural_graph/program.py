"""A network as a flat program of ATen operators, recorded while it runs on example inputs."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.functional_tensor import FunctionalTensorMode, dispatch_functionalize
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph.modules import ModuleNames
from graphwsl.neural_graph.outputs import output_tensors
from graphwsl.neural_graph.restoring import as_before
from graphwsl.neural_graph.state import State, state_of
from graphwsl.neural_graph.ties import Ties, shares_memory

PLAINLY = {
    "data is not allocated yet": "an operator reads tensors past PyTorch, as recurrent layers do "
    "with packed sequences; give padded ones",
    "Could not find a token for effect": "torch.linalg checks what it has solved (by "
    "_linalg_check_errors, in solve, inv, cholesky …), which cannot be recorded; use the operator "
    "that leaves the check to you (torch.linalg.solve_ex, inv_ex, cholesky_ex)",
}
"""What errors of PyTorch mean, by a part of their text."""

ExampleInputs = Tensor | tuple[Any, ...] | list[Any] | Mapping[str, Any]


@dataclass(frozen=True)
class Arguments:
    """How a network is called: the example, without its tensors.

    Attributes:
        leaves: What the arguments hold besides tensors, None in place of those.
        tensor_indices: Which of the leaves are tensors.
        structure: How the leaves make positional and keyword arguments.
    """

    leaves: tuple[Any, ...]
    tensor_indices: tuple[int, ...]
    structure: pytree.TreeSpec

    def filled(self, tensors: Sequence[Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments with these tensors."""
        leaves = list(self.leaves)
        for index, tensor in zip(self.tensor_indices, tensors, strict=True):
            leaves[index] = tensor
        positional, named = pytree.tree_unflatten(leaves, self.structure)
        return tuple(positional), named


@dataclass(frozen=True)
class Program:
    """What a network computes, as a list of operators without side effects.

    Attributes:
        graph_module: The operators; its placeholders are the state in the order of ``state``, then
            the tensors of the inputs in the order of ``inputs``. Which module called an
            operator, :func:`graphwsl.neural_graph.modules.module_of` says.
        state: Parameters and persistent buffers by name, tied ones once.
        ties: Further tensors of the state, which share the memory of those.
        extra_state: What else the network's ``state_dict`` holds.
        parameters: Which names of ``state`` are parameters.
        frozen: Which of these no training moves (``requires_grad=False``).
        inputs: The example tensors.
        arguments: How the network is called with tensors like them.

    All tensors are copies: what becomes of the network's own does not touch them.
    """

    graph_module: GraphModule
    state: dict[str, Tensor]
    ties: Ties
    extra_state: dict[str, Any]
    parameters: frozenset[str]
    frozen: frozenset[str]
    inputs: tuple[Tensor, ...]
    arguments: Arguments


def trace_program(model: nn.Module, example_inputs: ExampleInputs) -> Program:
    """Run ``model`` once, in evaluation mode, and record its operators.

    Operators are recorded below autograd, with the values of the example: control flow in Python
    is followed as it happens, attention and recurrent cells fall apart into matrix products, and
    in-place operators are replaced by their functional twins.

    Args:
        model: Any module that runs on the CPU. It is left as it was, with all that it keeps.
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
    indices = tuple(i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor))
    inputs = tuple(leaves[i].detach().clone() for i in indices)
    others = tuple(None if isinstance(leaf, Tensor) else leaf for leaf in leaves)
    call = Arguments(others, indices, structure)
    _check_inputs(model, inputs)
    state = state_of(model)
    names = list(state.tensors)
    modules = ModuleNames(model)

    def run(values: list[Tensor], tensors: list[Tensor]) -> list[Tensor]:
        positional, named = call.filled(tensors)
        given = state.attributes(dict(zip(names, values, strict=True)))
        return output_tensors(torch.func.functional_call(model, given, positional, named))

    with as_before(model, leaves, state=state.originals), _plain_operators(), evaluating(model):
        try:
            with modules.noted():
                module = make_fx(
                    dispatch_functionalize(run, mode=FunctionalTensorMode()),
                    tracing_mode="real",
                    _allow_non_fake_inputs=True,
                    # Control flow may look at values: it is followed as the example has it.
                    _error_on_data_dependent_ops=False,
                )(list(state.tensors.values()), list(inputs))
        except UnsupportedModelError:
            raise
        except Exception as error:
            reason = next((one for text, one in PLAINLY.items() if text in str(error)), str(error))
            reason = " ".join(reason.split())[:300]
            raise UnsupportedModelError(
                f"{type(model).__name__} cannot be traced on the example inputs "
                f"{[tuple(tensor.shape) for tensor in inputs]}{modules.at_work}: "
                f"{type(error).__name__}: {reason}"
            ) from error
    _check_constants(model, module, state)
    if not _returned(module):
        raise UnsupportedModelError(
            f"{type(model).__name__} returns no tensor, so that any weights would do; give a "
            "module that returns what it computes"
        )
    _own_constants(module)
    return Program(
        graph_module=module,
        state={name: tensor.clone() for name, tensor in state.tensors.items()},
        ties=state.ties,
        extra_state=state.extra,
        parameters=state.parameters,
        frozen=state.frozen,
        inputs=inputs,
        arguments=call,
    )


def run_module(
    model: nn.Module, program: Program, weights: Mapping[str, Tensor], inputs: Sequence[Tensor]
) -> list[Tensor]:
    """Run the network itself in evaluation mode, not its program, and leave it as it was.

    Args:
        model: The network that was traced, or one of its architecture.
        program: Its program.
        weights: Tensors by the names of ``program.state``.
        inputs: Tensors like those of the example.

    Raises:
        UnsupportedModelError: The network has other parameters and buffers than the program.
    """
    state = state_of(model)
    shapes = {name: tensor.shape for name, tensor in state.tensors.items()}
    if shapes != {name: tensor.shape for name, tensor in program.state.items()}:
        raise UnsupportedModelError(
            f"{type(model).__name__} has other parameters and buffers than the network that was "
            "traced; give that network, or one of its architecture"
        )
    given = state.attributes({name: tensor.clone() for name, tensor in weights.items()})
    positional, named = program.arguments.filled([tensor.clone() for tensor in inputs])
    with as_before(model, positional, named, state=state.originals), evaluating(model):
        with torch.no_grad():
            result = torch.func.functional_call(model, given, positional, named)
        return output_tensors(result)


def random_operators(program: Program) -> list[str]:
    """Names of the operators that draw numbers."""
    names = []
    for node in program.graph_module.graph.nodes:
        tags = getattr(node.target, "tags", ())
        if node.op == "call_function" and torch.Tag.nondeterministic_seeded in tags:
            names.append(str(node.target))
    return names


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every submodule into evaluation mode, and back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    # What a network keeps of its weights for evaluation is made anew after training.
    model.train()
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


def _check_inputs(model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    shapes = [tuple(tensor.shape) for tensor in inputs]
    if inputs and not any(tensor.numel() for tensor in inputs):
        raise UnsupportedModelError(
            f"the example inputs {shapes} of {type(model).__name__} are empty, and nothing can be "
            "followed through them; give at least one sample"
        )


def _check_constants(model: nn.Module, module: GraphModule, state: State) -> None:
    """Weights that are read past the state would look like constants."""
    by_storage: dict[int, list[str]] = {}
    for name, tensor in state.tensors.items():
        if tensor.layout == torch.strided:
            by_storage.setdefault(tensor.untyped_storage().data_ptr(), []).append(name)
    for node in module.graph.nodes:
        if node.op != "get_attr":
            continue
        constant = getattr(module, str(node.target))
        if not isinstance(constant, Tensor) or constant.layout != torch.strided:
            continue
        for name in by_storage.get(constant.untyped_storage().data_ptr(), []):
            if shares_memory(state.tensors[name], constant):
                raise UnsupportedModelError(
                    f"{type(model).__name__} reads {name} past its state, by a tensor "
                    f"{tuple(constant.shape)} of the same memory that is no parameter or buffer of "
                    "it; register that tensor, or use the parameter itself"
                )


def _own_constants(module: GraphModule) -> None:
    """Copies in place of tensors that the network still holds."""
    for node in module.graph.nodes:
        if node.op == "get_attr" and isinstance(
            constant := getattr(module, str(node.target)), Tensor
        ):
            setattr(module, str(node.target), constant.detach().clone())


def _returned(module: GraphModule) -> Any:
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    return output.args[0]


@contextmanager
def _plain_operators() -> Iterator[None]:
    """No fused kernels: attention and recurrent cells as the matrix products that they are."""
    from torch._dynamo import config as compiler  # which takes as long to import as torch

    fastpath = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(torch.no_grad())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        # Compiled modules are run as they were before.
        stack.enter_context(compiler.patch(error_on_nested_fx_trace=False))
        torch.backends.mha.set_fastpath_enabled(False)
        stack.callback(torch.backends.mha.set_fastpath_enabled, fastpath)
        yield
