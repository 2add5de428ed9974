"""Does a symmetry leave the function unchanged? Run both and see."""

from dataclasses import dataclass

import torch
from torch import Tensor

from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.symmetries.element import GroupElement


@dataclass(frozen=True)
class Verification:
    """The outputs of a network before and after.

    Attributes:
        error: Largest difference of an output, relative to the largest output of its tensor.
        change: Share of the parameters' entries that differ: a check that moved nothing proves
            nothing.
    """

    error: float
    change: float


def verify(
    element: GroupElement, *, inputs: tuple[Tensor, ...] | None = None, seed: int = 0
) -> Verification:
    """Compare a network's outputs under ``element`` with those of its own weights.

    Args:
        element: A symmetry of the network.
        inputs: Inputs of the shapes of the example; by default normal random numbers for
            floating-point inputs and the example's own for others.
        seed: Of those random numbers.
    """
    graph = element.graph
    generator = torch.Generator().manual_seed(seed)
    if inputs is None:
        inputs = tuple(
            torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.dtype)
            if tensor.is_floating_point()
            else tensor
            for tensor in graph.program.inputs
        )
    moved = graph.with_weights(element.apply())
    error = 0.0
    for before, after in zip(outputs(graph, inputs), outputs(moved, inputs), strict=True):
        if before.is_floating_point() and before.numel():
            largest = max(float(before.abs().max()), 1e-30)
            error = max(error, float((before - after).abs().max()) / largest)
        elif not torch.equal(before, after):
            error = float("inf")
    pairs = [(graph.state[name], moved.state[name]) for name in graph.parameters]
    changed = sum(int((first != second).sum()) for first, second in pairs)
    return Verification(error, changed / max(sum(first.numel() for first, _ in pairs), 1))


def outputs(graph: NeuralGraph, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Run the traced program with the weights of a graph."""
    program = graph.program
    values = [graph.state[name] for name in program.state]
    with torch.no_grad():
        return list(program.graph_module(values, list(inputs)))
