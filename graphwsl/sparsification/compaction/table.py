"""What a network costs, before and after it was made smaller."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from graphwsl.neural_graph.program import ExampleInputs, evaluating


@dataclass(frozen=True)
class Cost:
    """What a network takes.

    Attributes:
        parameters: Entries of its parameters, tied ones once.
        bytes: Bytes of its parameters and buffers.
        milliseconds: Shortest time of one evaluation of the inputs.
    """

    parameters: int
    bytes: int
    milliseconds: float


@dataclass(frozen=True)
class Comparison:
    """What two networks of the same function take; printed it is a table.

    Attributes:
        before: The network.
        after: The smaller one.
    """

    before: Cost
    after: Cost

    @property
    def speed_up(self) -> float:
        """How many times faster the second is."""
        return self.before.milliseconds / self.after.milliseconds

    def __str__(self) -> str:
        """Parameters, bytes and milliseconds, a row each."""
        rows = [("", "before", "after", "share")]
        for name, form in (("parameters", ",d"), ("bytes", ",d"), ("milliseconds", ",.2f")):
            own, its = getattr(self.before, name), getattr(self.after, name)
            share = f"{its / own:.1%}" if own else ""
            rows.append((name, format(own, form), format(its, form), share))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = []
        for first, *others in rows:
            cells = [one.rjust(width) for one, width in zip(others, widths[1:], strict=True)]
            lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
        return "\n".join(lines)


def compared(
    before: nn.Module, after: nn.Module, example_inputs: ExampleInputs, *, repetitions: int = 10
) -> Comparison:
    """What a network and a smaller one of the same function take.

    Args:
        before: The network.
        after: What :func:`graphwsl.sparsification.compact` made of it.
        example_inputs: A tensor, the positional arguments, or a mapping of keyword arguments; the
            time is that for all its samples.
        repetitions: How often each is run, by turns; the shortest time counts.
    """
    milliseconds = [float("inf"), float("inf")]
    networks = (before, after)
    args, kwargs = _arguments(example_inputs)
    with torch.no_grad(), evaluating(before), evaluating(after):
        for _ in range(repetitions + 1):  # the first run prepares
            for number, network in enumerate(networks):
                started = time.perf_counter()
                network(*args, **kwargs)
                taken = 1000 * (time.perf_counter() - started)
                milliseconds[number] = min(milliseconds[number], taken)
    return Comparison(*(_cost(*pair) for pair in zip(networks, milliseconds, strict=True)))


def _cost(network: nn.Module, milliseconds: float) -> Cost:
    parameters = list(network.parameters())
    tensors = [*parameters, *network.buffers()]
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return Cost(sum(tensor.numel() for tensor in parameters), size, milliseconds)


def _arguments(example_inputs: ExampleInputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example_inputs, Mapping):
        return (), dict(example_inputs)
    is_sequence = isinstance(example_inputs, tuple | list)
    return (tuple(example_inputs) if is_sequence else (example_inputs,)), {}
