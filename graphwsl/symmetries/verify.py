"""Does a symmetry leave the function unchanged? Run both and see."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from graphwsl import arguments
from graphwsl.errors import InvalidArgumentError, VerificationError
from graphwsl.neural_graph.graph import NeuralGraph, is_weights
from graphwsl.neural_graph.program import Program, random_operators, run_module
from graphwsl.neural_graph.ties import same_values
from graphwsl.symmetries.element import GroupElement
from graphwsl.symmetries.general_linear import LinearElement


@dataclass(frozen=True)
class Verification:
    """The outputs of a network before and after.

    Attributes:
        error: Largest difference of an output, relative to the largest output of its tensor.
            Infinite where something else than a number differs: the indices of infinities and
            not-a-number, integers, text. Infinite as well where nothing can be said: a factor or a
            parameter is not finite, or an output holds no number on any of the inputs.
        change: Share of the parameters' entries that differ: a check that moved nothing proves
            nothing.
    """

    error: float
    change: float


def verify(
    element: GroupElement | LinearElement,
    *,
    inputs: Tensor | Sequence[Tensor] | None = None,
    module: nn.Module | None = None,
    seed: int = 0,
    draws: int = 2,
) -> Verification:
    """Compare a network's outputs under ``element`` with those of its own weights.

    Numbers that the network draws while it runs are the same on both sides, others for each input.
    What runs is the traced program, which went the way of the example: on inputs for which the
    network looks at other numbers it may be another network. Give ``module`` to run that.

    Args:
        element: A symmetry of the network.
        inputs: Inputs of the shapes of the example, one tensor or several. By default the
            example itself, then normal random numbers in place of what is floating-point in it, as
            far as the program holds for them.
        module: The network itself, to be run in place of its program, in evaluation mode.
        seed: Seed of those random numbers, and of what the network draws.
        draws: How many random inputs are tried.

    Raises:
        InvalidArgumentError: ``element`` is no symmetry, ``inputs`` are none of the example's
            shapes, or ``seed`` or ``draws`` are no whole numbers.
        VerificationError: The network has no outputs, or others for the same weights, inputs and
            seed; or, without ``module``, it looks at other numbers than on the example.
        UnsupportedModelError: ``module`` is another network.
    """
    advice = "give graphwsl.symmetries.symmetries(graph).random()"
    if not isinstance(element, LinearElement):
        arguments.instance("element", element, GroupElement, "a GroupElement", advice)
    arguments.whole("seed", seed, -(2**62), 2**62)
    arguments.whole("draws", draws, 0, 2**31)
    graph = element.graph
    moved = graph.with_weights(element.apply())
    pairs = [(graph.state[name], moved.state[name]) for name in graph.parameters]
    # Not a number is like itself.
    changed = sum(int(((one != two) & ((one == one) | (two == two))).sum()) for one, two in pairs)
    change = changed / max(sum(one.numel() for one, _ in pairs), 1)
    is_finite = bool(element.factors.isfinite().all())
    is_finite &= all(
        bool(one.isfinite().all()) for pair in pairs for one in pair if is_weights(one)
    )
    if not is_finite:
        return Verification(math.inf, change)
    examples = [_given(graph, inputs)] if inputs is not None else _examples(graph, seed, draws)
    error, is_conclusive = 0.0, torch.zeros(0, dtype=torch.bool)
    for number, some in enumerate(examples):
        if module is None and not _holds(graph, some, seed + number):
            if inputs is None:
                continue
            raise VerificationError(
                "on these inputs the network looks at other numbers than on the example that it "
                "was traced with, so that the traced program does not hold for them; give "
                "module=, the network itself, or trace it with inputs of this kind"
            )
        before = outputs(graph, some, seed=seed + number, module=module)
        _check_outputs(graph, before, some, seed + number, module)
        after = outputs(moved, some, seed=seed + number, module=module)
        if graph.looked_at and module is None:
            before += _looked_at(graph, some, seed + number)
            after += _looked_at(moved, some, seed + number)
        error = max([error, *map(difference, before, after)])
        if len(before) != len(after):
            error = math.inf
        informative = torch.tensor([_is_informative(one) for one in before])
        is_conclusive = informative | is_conclusive if number else informative
    return Verification(error if bool(is_conclusive.all()) else math.inf, change)


def outputs(
    graph: NeuralGraph,
    inputs: tuple[Tensor, ...],
    *,
    seed: int = 0,
    module: nn.Module | None = None,
) -> list[Tensor]:
    """Run the traced program, or the network itself, with the weights of a graph.

    Args:
        graph: The graph.
        inputs: Tensors of the shapes of the example.
        seed: Seed of what the network draws.
        module: The network, if it is to be run.
    """
    program = graph.program
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if module is not None:
            return run_module(module, program, graph.state, inputs)
        values = [graph.state[name] for name in program.state]
        return list(program.graph_module(values, list(inputs)))


class _Looking(fx.Interpreter):
    """Runs a program and notes the numbers that it looks at."""

    def __init__(self, program: Program) -> None:
        super().__init__(program.graph_module)
        self.numbers: list[Tensor] = []

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if hasattr(node.target, "_schema") and isinstance(result, bool | int | float | complex):
            self.numbers.append(torch.tensor(result))
        return result


def _looked_at(graph: NeuralGraph, inputs: tuple[Tensor, ...], seed: int) -> list[Tensor]:
    looking = _Looking(graph.program)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        looking.run([graph.state[name] for name in graph.program.state], list(inputs))
    return looking.numbers


def _holds(graph: NeuralGraph, inputs: tuple[Tensor, ...], seed: int) -> bool:
    """Whether the program looks at the numbers of the example, by which it went its way."""
    if not graph.looked_at:
        return True
    here = _looked_at(graph, inputs, seed)
    return all(map(same_values, here, _looked_at(graph, graph.program.inputs, seed)))


def difference(before: Tensor, after: Tensor) -> float:
    """How far two outputs are from one another, relative to the largest number of the first."""
    if before.shape != after.shape or before.dtype != after.dtype:
        return math.inf
    if before.is_complex():
        before, after = torch.view_as_real(before), torch.view_as_real(after)
    if not before.is_floating_point():
        return 0.0 if torch.equal(before, after) else math.inf
    finite = before.isfinite()
    if not same_values(before[~finite], after[~finite]) or not bool(after[finite].isfinite().all()):
        return math.inf
    before, after = before[finite].double(), after[finite].double()
    if not before.numel():
        return 0.0
    return float((before - after).abs().max()) / max(float(before.abs().max()), 1e-30)


def _given(graph: NeuralGraph, inputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The inputs of a caller, as many and of such shapes as those of the example."""
    wanted = [(tuple(tensor.shape), tensor.dtype) for tensor in graph.program.inputs]
    shapes = ", ".join(f"{shape} of {dtype}" for shape, dtype in wanted)
    advice = f"give tensors of the shapes of the example: {shapes}"
    given = [inputs] if isinstance(inputs, Tensor) else inputs
    arguments.listed("inputs", given, Tensor, "a tensor", advice)
    if [(tuple(tensor.shape), tensor.dtype) for tensor in given] != wanted:
        found = ", ".join(f"{tuple(tensor.shape)} of {tensor.dtype}" for tensor in given)
        raise InvalidArgumentError(f"inputs are {found or 'none'}; {advice}")
    return tuple(given)


def _examples(graph: NeuralGraph, seed: int, draws: int) -> list[tuple[Tensor, ...]]:
    examples = [graph.program.inputs]
    for number in range(draws):
        generator = torch.Generator().manual_seed(seed + number)
        examples.append(
            tuple(
                torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.dtype)
                if tensor.is_floating_point()
                else tensor
                for tensor in graph.program.inputs
            )
        )
    return examples


def _check_outputs(
    graph: NeuralGraph,
    before: list[Tensor],
    inputs: tuple[Tensor, ...],
    seed: int,
    module: nn.Module | None,
) -> None:
    if not any(one.numel() for one in before):
        raise VerificationError(
            "the network has no outputs on these inputs, so that nothing can be compared"
        )
    random = random_operators(graph.program)
    again = outputs(graph, inputs, seed=seed, module=module) if random else before
    if not all(map(same_values, before, again)):
        raise VerificationError(
            f"the network gives other outputs for the same weights, inputs and seed: its "
            f"{random[0]} draws from a generator of its own; run it without noise"
        )


def _is_informative(output: Tensor) -> bool:
    return not is_weights(output) or not output.numel() or bool(output.isfinite().any())
