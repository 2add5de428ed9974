"""How far networks are from those that were learnt from, and how far these are from one another.

A training network and the others are what a network that is made should be beside all of them: no
held-out network is looked at.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.alignment.reference_alignment import align_to
from graphwsl.generators.aligned_zoo import AlignedZoo, Rows
from graphwsl.populations.population import Population

LEAST, LARGEST = 0.9, 1.15
"""Factors that are looked at."""
_TRIED = 1.03
_ROUNDS = 2


def stretch(train: Population, made: Callable[[float], Rows], count: int) -> float:
    """The factor by which networks are as far from the nearest training network as those are.

    Args:
        train: Training networks of one function.
        made: Networks whose deviations from the mean are multiplied by a factor.
        count: How many training networks are compared with the others, at most.
    """
    zoo = AlignedZoo.of(train)
    names = {name: n for n, name in enumerate(dict.fromkeys(c.model for c in train.checkpoints))}
    models = torch.tensor([names[c.model] for c in train.checkpoints])
    some = torch.linspace(0, len(train) - 1, min(count, len(train))).round().long()
    wanted = _nearest(zoo, zoo.rows[some], models, models[some]).median().log()

    def excess(factor: float) -> float:
        rows = zoo.align(made(factor))
        return float(_nearest(zoo, rows, models).median().log() - wanted)

    known = [(1.0, excess(1.0)), (_TRIED, excess(_TRIED))]
    for _ in range(_ROUNDS):
        (first, below), (second, above) = sorted(known, key=lambda one: abs(one[1]))[:2]
        slope = (above - below) / (second - first) if second != first else 0.0
        if slope <= 0:
            break
        factor = min(max(first - below / slope, LEAST), LARGEST)
        known.append((factor, excess(factor)))
    return min(known, key=lambda one: abs(one[1]))[0]


def _nearest(
    zoo: AlignedZoo,
    rows: Rows,
    models: Int[Tensor, " zoo"],
    own: Int[Tensor, " networks"] | None = None,
) -> Float[Tensor, " networks"]:
    """Distance of each network to the nearest training network, of another training than its own.

    Args:
        zoo: The training networks.
        rows: Networks, aligned with them.
        models: Which training each training network is of.
        own: Which one each network is of, where they are training networks.
    """
    kept = zoo.is_parameter
    distances = torch.cdist(rows[:, kept], zoo.rows[:, kept])
    if own is not None:
        distances = distances.masked_fill(own[:, None] == models, torch.inf)
    found, nearest = distances.min(1)
    direct = align_to(zoo.symmetries, rows, zoo.rows[nearest])
    return torch.minimum(found, (direct - zoo.rows[nearest])[:, kept].norm(dim=1))
