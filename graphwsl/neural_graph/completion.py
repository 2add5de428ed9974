"""Entries that the example did not reach, although it shows where they belong.

A table of positions is as long as the longest text, and an example reads its first rows only. If
all rows that were read agree on the node of every column, so do the others.
"""

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder, ParameterUse
from graphwsl.neural_graph.entries import occurring
from graphwsl.neural_graph.program import Program


def complete(program: Program, builder: GraphBuilder, offsets: dict[str, int]) -> None:
    """Add what is missing to the parameters of units whose tensors were read in part."""
    size = sum(tensor.numel() for tensor in program.state.values())
    entries = [use.entries for use in builder.weights]
    entries += [use.entries for use in builder.parameters]
    is_read = occurring(size, [*entries, *(hidden for _, hidden in builder.opaque)])
    for name, tensor in program.state.items():
        start = offsets[name]
        read = is_read[start : start + tensor.numel()]
        if tensor.ndim > 1 and bool(read.any()) and not bool(read.all()):
            found = _completed(builder.parameters, start, tensor.shape, read)
            if found is not None:
                old, new = found
                builder.parameters[builder.parameters.index(old)] = new


def _completed(
    uses: list[ParameterUse], start: int, shape: torch.Size, read: Tensor
) -> tuple[ParameterUse, ParameterUse] | None:
    size = len(read)
    inside = [
        use for use in uses if bool(((use.entries >= start) & (use.entries < start + size)).all())
    ]
    if len(inside) != 1 or not len(inside[0].entries):
        return None
    use = inside[0]
    missing = torch.nonzero(~read).flatten()
    for dim, length in enumerate(shape):
        column = _index_along(use.entries - start, shape, dim)
        units = torch.full((length,), -1).scatter(0, column, use.units)
        if bool((units >= 0).all()) and torch.equal(units[column], use.units):
            return use, replace(
                use,
                units=torch.cat([use.units, units[_index_along(missing, shape, dim)]]),
                entries=torch.cat([use.entries, missing + start]),
            )
    return None


def _index_along(
    entries: Int[Tensor, " entries"], shape: torch.Size, dim: int
) -> Int[Tensor, " entries"]:
    behind = 1
    for size in shape[dim + 1 :]:
        behind *= size
    return entries // behind % shape[dim]
