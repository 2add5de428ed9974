"""Sets of places in the flattened state: which of them something reads, and which it reads twice.

Networks have hundreds of millions of entries, so everything here is one pass in the order in which
the places lie in memory, without sorting.
"""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def listed(entries: Int[Tensor, "..."]) -> Int[Tensor, " places"]:
    """All places in the order in which they lie in memory; repeated (expanded) ones once."""
    for dim, step in enumerate(entries.stride()):
        if step == 0 and entries.shape[dim] > 1:
            entries = entries.narrow(dim, 0, 1)
    order = sorted(range(entries.ndim), key=entries.stride, reverse=True)
    return entries.permute(order).reshape(-1)


def held(entries: Int[Tensor, "..."]) -> Int[Tensor, " places"]:
    """All places in the order in which they lie in memory, repeated ones as often as they are."""
    order = sorted(range(entries.ndim), key=entries.stride, reverse=True)
    places = entries.permute(order).reshape(-1)
    return places if bool((places >= 0).all()) else places[places >= 0]


def occurring(size: int, several: Iterable[Int[Tensor, "..."]]) -> Bool[Tensor, " entries"]:
    """Which of ``size`` places occur in any of ``several``; -1 is no place."""
    # Minus one is the last element, which is left away.
    mask = torch.zeros(size + 1, dtype=torch.bool)
    for entries in several:
        mask[listed(entries)] = True
    return mask[:-1]


def repeated(size: int, several: Iterable[Int[Tensor, "..."]]) -> Bool[Tensor, " entries"]:
    """Which of ``size`` places occur more than once, in several of them or in one."""
    once, twice, own = (torch.zeros(size + 1, dtype=torch.bool) for _ in range(3))
    for entries in several:
        places = listed(entries)
        if not len(places):
            continue
        first, last = int(places.min()), int(places.max())
        inside = slice(max(first, 0), last + 1)
        present = len(places) if first >= 0 else int(torch.count_nonzero(places >= 0))
        own[places] = True
        twice[inside] |= once[inside] & own[inside]
        once[inside] |= own[inside]
        if int(torch.count_nonzero(own[inside])) < present:
            twice[inside] |= torch.bincount(places[places >= 0] - inside.start) > 1
        own[inside] = False
        if places.numel() < entries.numel():  # repeated by expansion
            twice[places] = True
    return twice[:-1]


def tensors_at(offsets: Mapping[str, int], entries: Int[Tensor, "..."]) -> list[str]:
    """Names of the tensors that hold these places, in the order of the state.

    Args:
        offsets: Where each tensor of the state starts.
        entries: Places in the flattened state; -1 is none.
    """
    places = listed(entries)
    if not len(places) or int(places.max()) < 0:
        return []
    names, starts = list(offsets), torch.tensor(list(offsets.values()))
    first, last = int(places.min()), int(places.max())
    if first < 0:
        first = int(places[places >= 0].min())
    # The last tensor that starts at or before a place holds it; empty ones hold none.
    ends = torch.searchsorted(starts, torch.tensor([first, last]), right=True) - 1
    low, high = ends.tolist()
    if low == high:
        return [names[low]]
    mask = occurring(last + 1, [places])
    stops = [*starts[low + 1 : high + 1].tolist(), last + 1]
    return [
        name
        for name, start, stop in zip(
            names[low : high + 1], starts[low : high + 1].tolist(), stops, strict=True
        )
        if bool(mask[start:stop].any())
    ]
