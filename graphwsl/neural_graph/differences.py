"""What tells units apart: constants that some of them meet and others do not."""

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.roles import RelationKind, RelationRole
from graphwsl.neural_graph.units import NOTHING, NodeKind, UnitTable, varying_dims
from graphwsl.neural_graph.values import mixed


def told_apart(
    table: UnitTable, operator: str, units: Int[Tensor, "..."], constant: Tensor
) -> Int[Tensor, "..."]:
    """The units, replaced by coloured ones if a constant differs from unit to unit."""
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


def colour_by(table: UnitTable, units: Int[Tensor, " places"], marks: Tensor) -> None:
    """Tell the units themselves apart by what stands at their places."""
    distinct, _, colours = _fingerprints(units, marks)
    distinct, colours = distinct[distinct != NOTHING], colours[distinct != NOTHING]
    if varying_dims(colours):
        table.colour(distinct, colours)


def _fingerprints(
    units: Int[Tensor, " places"], marks: Tensor
) -> tuple[Int[Tensor, " units"], Int[Tensor, " places"], Int[Tensor, " units"]]:
    """The distinct units, which of them each place holds, and a number for the list of marks that
    each meets, in their order."""
    distinct, inverse = units.unique(return_inverse=True)
    _, numbers = marks.unique(return_inverse=True)
    order = inverse.argsort(stable=True)
    counts = torch.bincount(inverse, minlength=len(distinct))
    starts = counts.cumsum(0) - counts
    turn = torch.arange(len(units)) - starts[inverse[order]]
    turns = mixed(numbers[order] * 1_000_003 + turn)
    colours = torch.zeros(len(distinct), dtype=torch.int64).index_add_(0, inverse[order], turns)
    return distinct, inverse, colours
