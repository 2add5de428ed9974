"""What tells units apart when they meet places of others.

All positions of a channel are one unit. Where a channel is added to distinct neurons position by
position, each neuron meets another place of it, and the neurons can no longer change places.
"""

from functools import partial

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.differences import colour_by
from graphwsl.neural_graph.units import NOTHING, UnitTable, occurrences, reduced, varying_dims
from graphwsl.neural_graph.values import Value


def meet(table: UnitTable, values: list[Value], shape: torch.Size) -> None:
    """Tell units of activations apart that meet different places of one another's units.

    Args:
        table: All units.
        values: Activations that an operator takes element by element.
        shape: The shape to which they are repeated.
    """
    _tell_apart(table, values, values, shape)


def meet_beside(table: UnitTable, values: list[Value], dim: int | None) -> None:
    """The same for activations put beside one another along a dimension (of theirs, or a new one).

    Whatever reads all of them meets them at the same places of the other dimensions.
    """
    shown = [one for one in values if one.is_activation and one.tensor.numel()]
    others = shown
    if dim is not None:
        first = partial(torch.narrow, dim=dim, start=0, length=1)
        others = [one.rearranged(first(one.tensor), first) for one in shown]
    _tell_apart(table, shown, others, None)


def _tell_apart(
    table: UnitTable, values: list[Value], others: list[Value], shape: torch.Size | None
) -> None:
    """Each of ``values`` by all of ``others`` but its own, repeated to ``shape`` or as it is."""
    if len(values) < 2:
        return
    ndim = len(shape) if shape is not None else values[0].tensor.ndim
    own = [one.known_units.expand(shape or one.tensor.shape) for one in values]
    dims = sorted({dim for units in own for dim in varying_dims(units)})
    for i, other in enumerate(others):
        places = _places(other, ndim, dims)
        if not bool(places.any()):
            continue
        for units in (reduced(units, dims) for units in own[:i] + own[i + 1 :]):
            full = torch.broadcast_shapes(units.shape, places.shape)
            colour_by(table, units.expand(full).flatten(), places.expand(full).flatten())


def _places(value: Value, ndim: int, dims: list[int]) -> Int[Tensor, "..."]:
    """Which of the places of its unit each element is.

    Dimensions along which no unit changes are left out: all units have the same places there.
    """
    missing = ndim - value.tensor.ndim
    units, numbers = value.known_units, value.places
    for dim, step in enumerate(value.tensor.stride()):
        # What is repeated is one place.
        if step == 0 or dim + missing not in dims:
            units = units.narrow(dim, 0, 1)
            numbers = None if numbers is None else numbers.narrow(dim, 0, 1)
    units = units[(None,) * missing] if missing else units
    if numbers is None:
        places = occurrences(units.reshape(1, -1)).view(units.shape)
    else:
        distinct, inverse = torch.stack([units.flatten(), numbers.flatten()]).unique(
            dim=1, return_inverse=True
        )
        places = occurrences(distinct[:1])[0, inverse].view(units.shape)
    # Constants are dealt with by their values.
    return torch.where(units == NOTHING, 0, places)
