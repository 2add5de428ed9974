"""Colours of units while a program is followed, which colour refinement begins with.

All positions of a channel are one unit. Where a channel is added to distinct neurons position by
position, each neuron is added to another position of it, and the neurons can no longer be
exchanged. Nor can units that are combined with different constants.
"""

from functools import partial

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.roles import RelationKind, RelationRole
from graphwsl.neural_graph.units import (
    NOTHING,
    NodeKind,
    UnitTable,
    occurrences,
    reduced,
    varying_dims,
)
from graphwsl.neural_graph.values import Value, mixed


def coloured_by_constant(
    table: UnitTable, operator: str, units: Int[Tensor, "..."], constant: Tensor
) -> Int[Tensor, "..."]:
    """The units, replaced by coloured images if a constant differs from unit to unit.

    Args:
        table: All units.
        operator: That combines the units with the constant.
        units: The unit of every element.
        constant: Numbers of the shape of the units, or one that is expanded to it.
    """
    aligned = constant.expand(units.shape)
    if not set(varying_dims(aligned)) & set(varying_dims(units)):
        return units
    distinct, inverse, colours = _fingerprints(units.reshape(-1), aligned.reshape(-1))
    if bool((colours[distinct != NOTHING] == colours[distinct != NOTHING][:1]).all()):
        return units
    images = table.image_of(
        RelationKind(operator, RelationRole.CONSTANT), NodeKind.FUNCTION, distinct
    )
    table.colour(images[images != NOTHING], colours[images != NOTHING])
    return images[inverse].view(units.shape)


def colour_by(table: UnitTable, units: Int[Tensor, " elements"], marks: Tensor) -> None:
    """Colour the units themselves by the lists of marks at their elements."""
    distinct, _, colours = _fingerprints(units, marks)
    distinct, colours = distinct[distinct != NOTHING], colours[distinct != NOTHING]
    if varying_dims(colours):
        table.colour(distinct, colours)


def colour_by_operands(table: UnitTable, values: list[Value], shape: torch.Size) -> None:
    """Colour units of activations by the positions of one another that they are combined with.

    Args:
        table: All units.
        values: Activations that an operator takes element by element.
        shape: Shape to which they are repeated.
    """
    _colour_by_others(table, values, values, shape)


def colour_by_concatenated(table: UnitTable, values: list[Value], dim: int | None) -> None:
    """The same for activations that are concatenated along a dimension (of theirs, or a new one).

    Whatever reads all of them combines them at equal indices of the other dimensions.
    """
    shown = [one for one in values if one.is_activation and one.tensor.numel()]
    others = shown
    if dim is not None:
        first = partial(torch.narrow, dim=dim, start=0, length=1)
        others = [one.rearranged(first(one.tensor), first) for one in shown]
    _colour_by_others(table, shown, others, None)


def _colour_by_others(
    table: UnitTable, values: list[Value], others: list[Value], shape: torch.Size | None
) -> None:
    """Each of ``values`` by all of ``others`` but its own, repeated to ``shape`` or as it is."""
    if len(values) < 2:
        return
    ndim = len(shape) if shape is not None else values[0].tensor.ndim
    own = [one.known_units.expand(shape or one.tensor.shape) for one in values]
    dims = sorted({dim for units in own for dim in varying_dims(units)})
    for i, other in enumerate(others):
        positions = _positions(other, ndim, dims)
        if not bool(positions.any()):
            continue
        for units in (reduced(units, dims) for units in own[:i] + own[i + 1 :]):
            full = torch.broadcast_shapes(units.shape, positions.shape)
            colour_by(table, units.expand(full).flatten(), positions.expand(full).flatten())


def _positions(value: Value, ndim: int, dims: list[int]) -> Int[Tensor, "..."]:
    """Which of the positions of its unit each element is.

    Dimensions along which no unit changes are left out: all units have the same positions there.
    """
    missing = ndim - value.tensor.ndim
    units, numbers = value.known_units, value.positions
    for dim, step in enumerate(value.tensor.stride()):
        # What is repeated is one position.
        if step == 0 or dim + missing not in dims:
            units = units.narrow(dim, 0, 1)
            numbers = None if numbers is None else numbers.narrow(dim, 0, 1)
    units = units[(None,) * missing] if missing else units
    if numbers is None:
        positions = occurrences(units.reshape(1, -1)).view(units.shape)
    else:
        distinct, inverse = torch.stack([units.flatten(), numbers.flatten()]).unique(
            dim=1, return_inverse=True
        )
        positions = occurrences(distinct[:1])[0, inverse].view(units.shape)
    # Constants are dealt with by their values.
    return torch.where(units == NOTHING, 0, positions)


def _fingerprints(
    units: Int[Tensor, " elements"], marks: Tensor
) -> tuple[Int[Tensor, " units"], Int[Tensor, " elements"], Int[Tensor, " units"]]:
    """The distinct units, the number of its unit for each element, and a hash of each unit's marks
    in the order of its elements."""
    distinct, inverse = units.unique(return_inverse=True)
    _, numbers = marks.unique(return_inverse=True)
    order = inverse.argsort(stable=True)
    counts = torch.bincount(inverse, minlength=len(distinct))
    starts = counts.cumsum(0) - counts
    rank = torch.arange(len(units)) - starts[inverse[order]]
    hashes = mixed(numbers[order] * 1_000_003 + rank)
    colours = torch.zeros(len(distinct), dtype=torch.int64).index_add_(0, inverse[order], hashes)
    return distinct, inverse, colours
