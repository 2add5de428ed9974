"""Networks without what is dead: the same function with fewer numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from graphwsl import arguments
from graphwsl.errors import GraphwslError, UnsupportedModelError
from graphwsl.neural_graph.outputs import PLAIN, output_tensors
from graphwsl.neural_graph.program import (
    Arguments,
    ExampleInputs,
    Program,
    evaluating,
    run_module,
    trace_program,
)
from graphwsl.neural_graph.restoring import as_before
from graphwsl.neural_graph.state import state_of
from graphwsl.sparsification.compaction import products as products  # adds its rules
from graphwsl.sparsification.compaction.liveness import Steps, kept_masks, steps_of
from graphwsl.sparsification.compaction.masks import Masks, full
from graphwsl.sparsification.compaction.rules import WHOLE, Rule, rule_of
from graphwsl.sparsification.compaction.steps import (
    SAMPLES,
    BatchDependentError,
    Step,
    varying_numbers,
)
from graphwsl.sparsification.compaction.writing import NotUniformError, Writer

OTHER_SAMPLES = (1, 2, 3, 33)
"""Further numbers of samples for which the result is compared with the network."""

CUTTERS: dict[str, tuple[int | None, tuple[int, int] | None]] = {
    "narrow": (1, None),
    "slice": (1, (0, 2**63 - 1)),
    "split": (2, None),
    "split_with_sizes": (2, None),
    "unbind": (1, None),
    "unsafe_split": (2, None),
    "unsafe_split_with_sizes": (2, None),
}
"""Operators that take parts: where the dimension is among their arguments, and what takes all."""

MOST_NUMBERS = 2**27
"""Results of all operators together beyond which a further number of samples is not tried."""


@dataclass(frozen=True)
class ResultForm:
    """How a network returns its tensors.

    Attributes:
        leaves: What it returns besides tensors, None in place of those.
        tensor_indices: Which of the leaves are tensors.
        structure: How the leaves make the result.
    """

    leaves: tuple[Any, ...]
    tensor_indices: tuple[int, ...]
    structure: pytree.TreeSpec

    @staticmethod
    def of(result: Any) -> "ResultForm":
        """The form of a result; a list of its tensors where PyTorch does not know its type."""
        tensors = output_tensors(result)
        leaves, structure = pytree.tree_flatten(result)
        indices = [index for index, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        if [id(leaves[index]) for index in indices] != [id(one) for one in tensors]:
            leaves, structure = pytree.tree_flatten(tensors)
            indices = list(range(len(leaves)))
        plain = tuple(leaf if isinstance(leaf, PLAIN) else None for leaf in leaves)
        return ResultForm(plain, tuple(indices), structure)

    def filled(self, tensors: Sequence[Tensor]) -> Any:
        """The result with these tensors."""
        leaves = list(self.leaves)
        for index, tensor in zip(self.tensor_indices, tensors, strict=True):
            leaves[index] = tensor
        return pytree.tree_unflatten(leaves, self.structure)


class CompactNetwork(nn.Module):
    """What :func:`compact` makes of a network; for evaluation, though gradients pass through it.

    It takes the shapes of the example inputs, with any number of samples where the network allowed
    that.

    Attributes:
        program: The operators, with the state under the former names.
        any_batch: Whether the first dimension of the inputs may have another size.
    """

    def __init__(
        self,
        program: fx.GraphModule,
        call: Arguments,
        shapes: Sequence[torch.Size],
        batched: Sequence[bool],
        form: ResultForm,
    ) -> None:
        super().__init__()
        self.program = program
        self.any_batch = any(batched)
        self._call, self._shapes, self._batched = call, tuple(shapes), tuple(batched)
        self._form = form

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the network computes, in the same form."""
        leaves, structure = pytree.tree_flatten((args, kwargs))
        if structure != self._call.structure:
            raise UnsupportedModelError(
                "the compacted network is called as in the example that it was made from, with "
                f"{self._call.structure.num_leaves} arguments of the same form"
            )
        for index, (own, known) in enumerate(zip(leaves, self._call.leaves, strict=True)):
            if index in self._call.tensor_indices:
                arguments.instance("an input", own, Tensor, "a torch.Tensor", "give one")
            elif type(own) is not type(known) or own != known:
                raise UnsupportedModelError(
                    f"the compacted network was made with {known!r} for an argument that is no "
                    f"tensor, got {own!r}; compact the network with that"
                )
        tensors = [leaves[index] for index in self._call.tensor_indices]
        for tensor, shape, is_batched in zip(tensors, self._shapes, self._batched, strict=True):
            own = tuple(tensor.shape[is_batched:])
            if own != tuple(shape[is_batched:]):
                raise UnsupportedModelError(
                    f"the compacted network takes inputs of shape {_said(shape, is_batched)}, got "
                    f"{tuple(tensor.shape)}; compact the network for that shape"
                )
        return self._form.filled(self.program(*tensors))


def compact(model: nn.Module, example_inputs: ExampleInputs) -> CompactNetwork:
    """The same function without the neurons, channels and heads that are dead.

    Dead is what the weights prove to be: a neuron whose incoming weights are all zero is constant,
    and one whose outgoing weights are all zero is not read. Both are followed through all that the
    network does, residual sums, concatenations, normalisations, pooling, flattening, grouped
    convolutions and attention included; constants are added to the next bias. What is not
    understood is kept. Outputs are the same to rounding, for inputs whose activations are finite.
    Parameters that are frozen (``requires_grad=False``) stay so.

    Args:
        model: The network, which is taken as in evaluation mode, and left as it was.
        example_inputs: A tensor, the positional arguments, or a mapping of keyword arguments. Their
            shapes, apart from the number of samples, are those that the result takes.

    Raises:
        InvalidArgumentError: ``model`` is no module.
        UnsupportedModelError: The network cannot be traced, or goes on by what its inputs are.

    >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> _ = model[0].weight.data[:3].zero_()
    >>> small = compact(model, torch.zeros(1, 3))
    >>> {name: tuple(values.shape) for name, values in small.program.state_dict().items()}
    {'0.weight': (1, 3), '0.bias': (1,), '2.weight': (2, 1), '2.bias': (2,)}
    """
    arguments.instance(
        "model", model, nn.Module, "a torch.nn.Module", "load the weights into their network first"
    )
    found = _with_any_batch(model, example_inputs)
    if found is None:
        program = trace_program(model, example_inputs)
        found, _ = _compacted(model, program, None, {})
        _require_same(model, program, found, program.inputs)
    return found


def _with_any_batch(model: nn.Module, example_inputs: ExampleInputs) -> CompactNetwork | None:
    """A network for any number of samples; None if it cannot be told what depends on them."""
    leaves, structure = pytree.tree_flatten(example_inputs)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim]
    if not tensors or not all(len(tensor) for tensor in tensors):
        return None
    own = len(tensors[0])

    def inputs(samples: int) -> Any:
        return pytree.tree_unflatten([_repeated(leaf, own, samples) for leaf in leaves], structure)

    try:
        first, second = (trace_program(model, inputs(samples)) for samples in SAMPLES)
        found, numbers = _compacted(model, first, second, varying_numbers(first, second))
        given = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        for some in (first.inputs, second.inputs, given):
            _require_same(model, first, found, some)
        for samples in OTHER_SAMPLES:
            if samples > SAMPLES[1] and samples * numbers > SAMPLES[0] * MOST_NUMBERS:
                continue
            repeated = [_repeated(leaf, own, samples) for leaf in given]
            _require_same(model, first, found, repeated, once=True)
    except (BatchDependentError, GraphwslError):
        return None
    return found


def _repeated(leaf: Any, own: int, samples: int) -> Any:
    if not isinstance(leaf, Tensor) or not leaf.ndim or len(leaf) != own:
        return leaf
    return leaf.index_select(0, torch.arange(samples) % own)


def _compacted(
    model: nn.Module, program: Program, other: Program | None, numbers: Any
) -> tuple[CompactNetwork, int]:
    """The smaller network, and how many numbers all results of the program are together."""
    nodes = list(program.graph_module.graph.nodes)
    (output,) = (node for node in nodes if node.op == "output")
    returned = list(output.args[0])
    with torch.no_grad():
        steps = steps_of(program, other, numbers)
        if other is not None and any(_cuts_samples(step, steps) for step in steps.values()):
            raise BatchDependentError
        written = _smaller(program, steps, numbers, returned)
        form = _form_of(model, program)
    inputs = [steps[node] for node in nodes if node.op == "placeholder"][len(program.state) :]
    network = CompactNetwork(
        written,
        program.arguments,
        [step.value.shape for step in inputs],
        [bool(step.batched) and step.batched[0] == 1 for step in inputs],
        form,
    )
    return network, sum(step.value.numel() for step in steps.values())


def _cuts_samples(step: Step, steps: Steps) -> bool:
    """Whether an operator takes some of the samples: how many may depend on a bound out of sight.

    Seven samples in parts of 64 are one part, and a hundred are two.
    """
    if step.name not in CUTTERS or not isinstance(step.args[0], fx.Node):
        return False
    place, whole = CUTTERS[step.name]
    dim = step.args[place] if place is not None and len(step.args) > place else 0
    value = steps[step.args[0]]
    return bool(value.batched[dim % value.value.ndim]) and step.args[2:4] != whole


def _smaller(
    program: Program, steps: Steps, numbers: Any, returned: list[fx.Node]
) -> fx.GraphModule:
    whole: frozenset[fx.Node] = frozenset()
    undivided: frozenset[fx.Node] = frozenset()
    before = sum(tensor.numel() for tensor in program.state.values())
    kept = kept_masks(steps, returned, _close(steps))
    while True:
        try:
            writer = _written(program, steps, kept, numbers, returned, undivided)
        except NotUniformError as error:
            whole |= {error.node}
            kept = kept_masks(steps, returned, _close(steps), whole)
            continue
        if not writer.multiplied <= undivided:
            undivided |= writer.multiplied
        elif writer.numbers_stored <= before:
            return writer.module()
        elif not whole.issuperset(steps):
            # What puts parts back would be more than what they lack.
            whole = frozenset(steps)
            kept = kept_masks(steps, returned, _close(steps), whole)
        else:
            uncut = {n: full(step.value.shape) for n, step in steps.items() if not step.is_static}
            return _written(program, steps, uncut, numbers, returned, undivided, WHOLE).module()


def _close(steps: Steps) -> Any:
    def close(step: Step, masks: Masks) -> Masks:
        return rule_of(step, steps).close(step, masks, steps)

    return close


def _written(
    program: Program,
    steps: Steps,
    kept: Mapping[fx.Node, Masks],
    numbers: Any,
    returned: list[fx.Node],
    undivided: frozenset[fx.Node],
    rule: Rule | None = None,
) -> Writer:
    placeholders = [node for node in steps if node.op == "placeholder"]
    names = dict(zip(placeholders, program.state, strict=False))
    writer = Writer(steps, kept, names, program.parameters, program.frozen, numbers, undivided)
    inputs = placeholders[len(program.state) :]
    for number, node in enumerate(inputs):
        writer.written[node] = writer.graph.placeholder(f"input_{number}")
    for node in inputs:
        if steps[node].batched and steps[node].batched[0] == 1:
            writer.batch = writer.call(torch.ops.aten.sym_size.int, writer.written[node], 0)
            break
    for node, step in steps.items():
        if node in kept and node.op != "placeholder":
            writer.written[node] = (rule or rule_of(step, steps)).write(writer, step, kept[node])
    writer.graph.output([writer.whole(node) for node in returned])
    writer.graph.eliminate_dead_code()
    return writer


def _form_of(model: nn.Module, program: Program) -> ResultForm:
    """How a network returns its tensors.

    Raises:
        UnsupportedModelError: It writes into its parameters or buffers when it runs.
    """
    positional, named = program.arguments.filled([tensor.clone() for tensor in program.inputs])
    state = state_of(model)
    given = state.attributes({name: one.clone() for name, one in program.state.items()})
    before = {name: one.clone() for name, one in given.items()}
    with as_before(model, positional, named, state=state.originals), evaluating(model):
        form = ResultForm.of(torch.func.functional_call(model, given, positional, named))
    for name, own in before.items():
        if not torch.equal(torch.nan_to_num(own), torch.nan_to_num(given[name])):
            raise UnsupportedModelError(
                f"{type(model).__name__} writes into {name!r} when it runs, and a compacted "
                "network keeps no state; compact one that does not"
            )
    return form


def _require_same(
    model: nn.Module,
    program: Program,
    found: CompactNetwork,
    given: Sequence[Tensor],
    *,
    once: bool = False,
) -> None:
    """Compare what is computed on inputs that are moved from the given ones, and on these.

    Args:
        model: The network.
        program: Its program.
        found: What was made of it.
        given: Inputs.
        once: Whether those that are moved are enough, where the network runs on them.

    Raises:
        UnsupportedModelError: They differ by more than rounding.
    """
    generator = torch.Generator().manual_seed(0)
    moved = [
        one + torch.randn(one.shape, generator=generator).to(one.dtype)
        if one.is_floating_point()
        else one
        for one in given
    ]
    for inputs in (moved, list(given)):
        try:
            expected = run_module(model, program, program.state, inputs)
        except (IndexError, RuntimeError, ValueError):
            continue  # numbers that stand for something else cannot be moved
        try:
            with torch.no_grad():
                outputs = found.program(*inputs)
        except (IndexError, RuntimeError, ValueError) as error:
            raise UnsupportedModelError(
                f"{type(model).__name__} without what is dead does not run on inputs on which it "
                "runs itself"
            ) from error
        for own, its in zip(outputs, expected, strict=True):
            if own.shape != its.shape or not _are_close(own, its):
                raise UnsupportedModelError(
                    f"{type(model).__name__} without what is dead computes something else on the "
                    "example inputs; it depends on them in a way that was not understood"
                )
        if once:
            return


def _are_close(own: Tensor, its: Tensor) -> bool:
    if not its.is_floating_point() and not its.is_complex():
        return torch.equal(own, its)
    finite = its.isfinite()
    if not torch.equal(own.isfinite(), finite) or not bool(finite.any()):
        return torch.equal(own.isfinite(), finite)
    error = (own - its)[finite].abs().max()
    # Half of the digits of the type: beyond that it is no rounding.
    largest = torch.finfo(its.dtype).eps ** 0.5
    return bool(error <= largest * its[finite].abs().max().clamp(min=1e-6))


def _said(shape: torch.Size, is_batched: bool) -> str:
    sizes = [str(size) for size in shape]
    return f"({', '.join(['any', *sizes[1:]] if is_batched else sizes)})"
