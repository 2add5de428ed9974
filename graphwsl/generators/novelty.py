"""How far networks are from those of the training: in weights, and in errors."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphwsl.alignment.reference_alignment import align_to
from graphwsl.generators.aligned_zoo import AlignedZoo, Rows

PART = 1024
"""Networks that are compared with the training at once."""


@dataclass(frozen=True, eq=False)
class Novelty:
    """The nearest training network of each network.

    Attributes:
        distance: Euclidean distance of the parameters of the two, aligned, shape ``(networks,)``.
        nearest: Which one that is, shape ``(networks,)``.
        error_overlap: Intersection over union of the errors with those of the training network
            where it is largest, shape ``(networks,)``.
    """

    distance: Float[Tensor, " networks"]
    nearest: Int[Tensor, " networks"]
    error_overlap: Float[Tensor, " networks"]


def novelty(
    zoo: AlignedZoo,
    rows: Rows,
    is_wrong: Bool[Tensor, "networks samples"],
    zoo_is_wrong: Bool[Tensor, "zoo samples"],
) -> Novelty:
    """Find the nearest training networks.

    All networks are in the frame of one reference, which may match two networks with it in ways
    that do not match them with one another. So each is aligned once more, directly, with the two
    training networks that look nearest: by weights in that frame, and by errors, which show copies
    whatever was done to their weights. The smaller distance counts.

    Args:
        zoo: The training networks.
        rows: Other networks, aligned with them.
        is_wrong: Their errors.
        zoo_is_wrong: Those of the training networks.
    """
    overlap, by_errors = nearest_errors(is_wrong, zoo_is_wrong)
    by_weights = _nearest(rows[:, zoo.is_parameter], zoo.rows[:, zoo.is_parameter])
    distance, nearest = _distance(zoo, rows, by_weights), by_weights
    for candidates, is_new in (
        (by_weights, torch.ones_like(distance, dtype=torch.bool)),
        (by_errors, by_errors != by_weights),
    ):
        chosen = candidates[is_new]
        direct = align_to(zoo.symmetries, rows[is_new], zoo.rows[chosen])
        found = torch.full_like(distance, torch.inf)
        found[is_new] = _distance(zoo, direct, chosen)
        nearest = torch.where(found < distance, candidates, nearest)
        distance = torch.minimum(distance, found)
    return Novelty(distance, nearest, overlap)


def nearest_errors(
    is_wrong: Bool[Tensor, "networks samples"], zoo_is_wrong: Bool[Tensor, "zoo samples"]
) -> tuple[Float[Tensor, " networks"], Int[Tensor, " networks"]]:
    """The largest overlap of errors of each network, and whose it is.

    Networks that make no errors have equal sets of them: their overlap is 1.
    """
    others = zoo_is_wrong.float()
    overlaps, indices = [], []
    for part in is_wrong.float().split(PART):
        both = part @ others.T
        either = part.sum(dim=1, keepdim=True) + others.sum(dim=1) - both
        best = torch.where(either > 0, both / either, 1.0).max(dim=1)
        overlaps.append(best.values)
        indices.append(best.indices)
    return torch.cat(overlaps), torch.cat(indices)


def _nearest(parameters: Tensor, others: Tensor) -> Int[Tensor, " networks"]:
    return torch.cat([torch.cdist(part, others).argmin(dim=1) for part in parameters.split(PART)])


def _distance(zoo: AlignedZoo, rows: Rows, chosen: Tensor) -> Float[Tensor, " networks"]:
    """To the training networks of these indices; exact where the two are equal."""
    return (rows - zoo.rows[chosen])[:, zoo.is_parameter].norm(dim=1)
