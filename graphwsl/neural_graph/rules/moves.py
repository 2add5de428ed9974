"""Which positions of a unit go where: what moves those of one unit and not of another is recorded.

The shift of half of the channels in time leaves every channel its unit, and still a channel of one
half can no longer be exchanged for one of the other.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.roles import OwnOperator
from graphwsl.neural_graph.units import NOTHING, occurrences
from graphwsl.neural_graph.values import Value, mixed


def note_moves(
    builder: GraphBuilder, units: Int[Tensor, "..."], operator: Callable[[Tensor], Any]
) -> bool:
    """Record the units whose positions an operator leaves out, repeats or puts in another order.

    Returns:
        Whether there are any.
    """
    if units.numel() == 0:
        return False
    positions = occurrences(units.reshape(1, -1)).view(units.shape)
    counts = torch.bincount(units.reshape(-1) + 1)
    results = operator(units), operator(positions)
    if isinstance(results[0], Tensor):
        results = ([results[0]], [results[1]])
    moved = [
        _note(builder, some.reshape(-1), their.reshape(-1), counts)
        for some, their in zip(*results, strict=True)
    ]
    return any(moved)


def _note(
    builder: GraphBuilder,
    units: Int[Tensor, " elements"],
    before: Int[Tensor, " elements"],
    counts: Int[Tensor, " units"],
) -> bool:
    now = occurrences(units[None])[0]
    distinct, inverse, present = units.unique(return_inverse=True, return_counts=True)
    fingerprint = torch.zeros(len(distinct), dtype=torch.int64)
    fingerprint.index_add_(0, inverse, mixed(before * 1_000_003 + now))
    is_moved = present != counts[distinct + 1]
    is_moved[inverse[before != now]] = True
    is_moved &= distinct != NOTHING
    for one in fingerprint[is_moved].unique():
        builder.applied(OwnOperator.MOVE, distinct[is_moved & (fingerprint == one)])
    return bool(is_moved.any())


def note_written(builder: GraphBuilder, values: list[Value]) -> None:
    """Record the units of several values that are written into one tensor."""
    for value in values:
        if value.units is not None and value.units.numel():
            units = value.units[value.units != NOTHING]
            if len(units):
                builder.applied(OwnOperator.MOVE, units)
