"""Sign flips that no permutation carries: one after the other, as long as networks come closer."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.symmetries.elements import Elements
from graphwsl.symmetries.group import Symmetries

PART = 2**24
"""Signs of entries that are worked out at once."""

Rows = Float[Tensor, "networks entries"]


def flipped_entries(
    symmetries: Symmetries, classes: Sequence[int]
) -> list[Int[Tensor, " flipping"]]:
    """Which entries change their sign with all nodes of a class.

    Args:
        symmetries: Symmetries of the architecture.
        classes: Numbers of classes of ``symmetries.sign``.
    """
    sign, size = symmetries.sign, symmetries.entry_maps.num_entries
    found: list[Tensor] = []
    for part in torch.tensor(list(classes)).split(max(PART // max(size, 1), 1)):
        identity = Elements.identity(symmetries.graph, len(part))
        factors = torch.where(sign.classes == part[:, None], -1.0, identity.factors)
        elements = Elements(symmetries.graph, identity.image, factors)
        moved = symmetries.entry_maps.apply(elements, torch.ones(len(part), size))
        found += [torch.nonzero(row < 0).flatten() for row in moved]
    return found


def flip_signs(
    rows: Rows, targets: Rows, flips: Sequence[Int[Tensor, " flipping"]], least: float
) -> bool:
    """Flip signs in place where networks agree more with their targets then; whether any did.

    First all at once that entries speak for which change with one class alone, which finds copies;
    then one after the other.

    Args:
        rows: Flattened states.
        targets: Those that they shall come closer to, one for all or one for each.
        flips: Entries that change their sign together.
        least: Share of the norms by which the agreement must grow.
    """
    if not flips:
        return False
    doubt = least * rows.norm(dim=1) * targets.norm(dim=1)
    together = _flipped_together(rows, targets, flips)
    is_closer = ((together - rows) * targets).sum(dim=1) > doubt
    rows[is_closer] = together[is_closer]
    has_changed = bool(is_closer.any())
    while True:
        changed = False
        for entries in flips:
            closer = _agreement(rows, targets, entries) < -doubt
            rows[:, entries] = torch.where(closer[:, None], -rows[:, entries], rows[:, entries])
            changed |= bool(closer.any())
        has_changed |= changed
        if not changed:
            return has_changed


def _flipped_together(rows: Rows, targets: Rows, flips: Sequence[Int[Tensor, " flipping"]]) -> Rows:
    """Signs of all classes by the entries that change with no other one."""
    uses = torch.zeros(rows.shape[1], dtype=torch.int64)
    for entries in flips:
        uses[entries] += 1
    found = rows.clone()
    for entries in flips:
        own = entries[uses[entries] == 1]
        signs = torch.where(_agreement(rows, targets, own) < 0, -1.0, 1.0).to(rows)
        found[:, entries] *= signs[:, None]
    return found


def _agreement(
    rows: Rows, targets: Rows, entries: Int[Tensor, " some"]
) -> Float[Tensor, " networks"]:
    return (rows[:, entries] * targets[:, entries]).sum(dim=1)
