"""Sets of entries of the flattened state: which of them something reads, and which it reads twice.

Networks have hundreds of millions of entries, so everything here is one pass in the order in which
the indices lie in memory, without sorting.
"""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def listed(entries: Int[Tensor, "..."]) -> Int[Tensor, " indices"]:
    """All indices in the order in which they lie in memory; repeated (expanded) ones once."""
    for dim, step in enumerate(entries.stride()):
        if step == 0 and entries.shape[dim] > 1:
            entries = entries.narrow(dim, 0, 1)
    order = sorted(range(entries.ndim), key=entries.stride, reverse=True)
    return entries.permute(order).reshape(-1)


def held(entries: Int[Tensor, "..."]) -> Int[Tensor, " indices"]:
    """All indices in the order in which they lie in memory, repeated ones as often as they are."""
    order = sorted(range(entries.ndim), key=entries.stride, reverse=True)
    indices = entries.permute(order).reshape(-1)
    return indices if bool((indices >= 0).all()) else indices[indices >= 0]


def occurring(size: int, several: Iterable[Int[Tensor, "..."]]) -> Bool[Tensor, " entries"]:
    """Which of ``size`` entries occur in any of ``several``; -1 is none."""
    # Minus one is the last element, which is left away.
    mask = torch.zeros(size + 1, dtype=torch.bool)
    for entries in several:
        mask[listed(entries)] = True
    return mask[:-1]


def repeated(size: int, several: Iterable[Int[Tensor, "..."]]) -> Bool[Tensor, " entries"]:
    """Which of ``size`` entries occur more than once, in several of them or in one."""
    once, twice, own = (torch.zeros(size + 1, dtype=torch.bool) for _ in range(3))
    for entries in several:
        indices = listed(entries)
        if not len(indices):
            continue
        first, last = int(indices.min()), int(indices.max())
        inside = slice(max(first, 0), last + 1)
        present = len(indices) if first >= 0 else int(torch.count_nonzero(indices >= 0))
        own[indices] = True
        twice[inside] |= once[inside] & own[inside]
        once[inside] |= own[inside]
        if int(torch.count_nonzero(own[inside])) < present:
            twice[inside] |= torch.bincount(indices[indices >= 0] - inside.start) > 1
        own[inside] = False
        if indices.numel() < entries.numel():  # repeated by expansion
            twice[indices] = True
    return twice[:-1]


def tensors_at(offsets: Mapping[str, int], entries: Int[Tensor, "..."]) -> list[str]:
    """Names of the tensors that hold these entries, in the order of the state.

    Args:
        offsets: Where each tensor of the state starts.
        entries: Indices into the flattened state; -1 is none.
    """
    indices = listed(entries)
    if not len(indices) or int(indices.max()) < 0:
        return []
    names, starts = list(offsets), torch.tensor(list(offsets.values()))
    first, last = int(indices.min()), int(indices.max())
    if first < 0:
        first = int(indices[indices >= 0].min())
    # The last tensor that starts at or before an index holds it; empty ones hold none.
    ends = torch.searchsorted(starts, torch.tensor([first, last]), right=True) - 1
    low, high = ends.tolist()
    if low == high:
        return [names[low]]
    mask = occurring(last + 1, [indices])
    stops = [*starts[low + 1 : high + 1].tolist(), last + 1]
    return [
        name
        for name, start, stop in zip(
            names[low : high + 1], starts[low : high + 1].tolist(), stops, strict=True
        )
        if bool(mask[start:stop].any())
    ]
