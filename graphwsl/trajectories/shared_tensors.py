"""Networks of several architectures by the tensors that they share, as bodies under other heads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from graphwsl.trajectories.histories import Layers

ENOUGH = 0.5
"""Share of the entries of each network that must be shared for a comparison."""


@dataclass(frozen=True, eq=False)
class Networks:
    """Networks of one architecture, or what those of several share.

    Attributes:
        names: What they are called.
        layers: How their weights lie in a row.
        rows: Weights of each.
        left_out: Tensors that some of them have in another shape, or not at all.
    """

    names: list[str]
    layers: Layers
    rows: Float[Tensor, "networks entries"]
    left_out: tuple[str, ...] = ()


def comparable(kinds: Sequence[Networks]) -> list[Networks]:
    """Networks that can be compared, together.

    Architectures that share tensors of one name and shape with half of the entries of each, at
    least, are compared by these tensors; others are left apart.

    Args:
        kinds: Networks of one architecture each.
    """
    near = np.array([[_is_enough([one, other]) for other in kinds] for one in kinds])
    count, labels = connected_components(near, directed=False)
    found: list[Networks] = []
    for label in range(count):
        members = [kind for kind, own in zip(kinds, labels, strict=True) if own == label]
        found += [_joined(members)] if _is_enough(members) else members
    return found


def _shared(kinds: Sequence[Networks]) -> dict[str, tuple[int, ...]]:
    first, *others = (kind.layers.shapes for kind in kinds)
    return {n: s for n, s in first.items() if all(other.get(n) == s for other in others)}


def _is_enough(kinds: Sequence[Networks]) -> bool:
    entries = sum(Layers(_shared(kinds)).tensor_sizes)
    return entries >= ENOUGH * max(sum(kind.layers.tensor_sizes) for kind in kinds)


def _joined(kinds: Sequence[Networks]) -> Networks:
    if len(kinds) == 1:
        return kinds[0]
    shared = _shared(kinds)
    names = [name for kind in kinds for name in kind.names]
    rows = []
    for kind in kinds:
        parts = kind.rows.split(list(kind.layers.tensor_sizes), dim=1)
        own = dict(zip(kind.layers.shapes, parts, strict=True))
        rows.append(torch.cat([own[name] for name in shared], dim=1))
    left_out = dict.fromkeys(
        name for kind in kinds for name in kind.layers.shapes if name not in shared
    )
    return Networks(names, Layers(shared), torch.cat(rows), tuple(left_out))
