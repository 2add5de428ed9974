"""Tied tensors: those that share memory, by whatever means, are moved together or not at all.

Two names of one parameter share it, but so do ``b.weight.data = a.weight.data``, ``set_`` and views
(a transposed table, a slice of a fused matrix). What counts is where the elements lie.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.errors import UnsupportedModelError


@dataclass(frozen=True)
class Ties:
    """Which tensors of a state share memory.

    Attributes:
        aliases: Further names of a tensor: name, and the name that goes on.
        views: Tensors whose elements all lie in another tensor (or, repeated, in themselves): the
            name of that one, and the index in it of each element, in the shape of the view.
    """

    aliases: dict[str, str] = field(default_factory=dict)
    views: dict[str, tuple[str, Int[Tensor, "..."]]] = field(default_factory=dict)


def ties_of(tensors: Mapping[str, Tensor]) -> Ties:
    """Find the ties of a state.

    Raises:
        UnsupportedModelError: Two tensors overlap, and neither holds the other.
    """
    ties = Ties()
    known: dict[tuple[object, ...], str] = {}
    by_storage: dict[int, list[str]] = {}
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or not tensor.untyped_storage().data_ptr():
            continue
        storage = tensor.untyped_storage().data_ptr()
        key = (storage, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype)
        first = known.setdefault(key, name)
        if first != name:
            ties.aliases[name] = first
        elif tensor.numel():
            by_storage.setdefault(storage, []).append(name)
    for names in by_storage.values():
        for group in _overlapping({name: tensors[name] for name in names}):
            _find_views({name: tensors[name] for name in group}, ties)
    return ties


def shares_memory(first: Tensor, second: Tensor) -> bool:
    """Whether an element of one is an element of the other."""
    if first.layout != torch.strided or not first.numel() or not second.numel():
        return False
    if first.untyped_storage().data_ptr() != second.untyped_storage().data_ptr():
        return False
    (low, high), (start, stop) = _span(first), _span(second)
    if high <= start or stop <= low:
        return False
    return bool(torch.isin(_bytes(first), _bytes(second)).any())


def same_values(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors hold the same numbers, not-a-number being one of them."""
    if torch.equal(first, second):
        return True
    return first.shape == second.shape and bool(
        ((first == second) | ((first != first) & (second != second))).all()
    )


def _find_views(tensors: dict[str, Tensor], ties: Ties) -> None:
    """Views among tensors whose memory overlaps, directly or in a chain."""
    repeats = {name: tensor for name, tensor in tensors.items() if _repeats(tensor)}
    if len(tensors) == 1 and not repeats:
        return
    owners: dict[str, tuple[Tensor, Tensor]] = {}
    # The largest first: what comes later lies in it, or shares nothing with it.
    for name, tensor in sorted(tensors.items(), key=lambda item: -_extent(item[1])):
        addresses = _bytes(tensor)
        for owner, (held, order) in owners.items():
            at = torch.searchsorted(held, addresses.flatten()).clamp(max=len(held) - 1)
            inside = held[at] == addresses.flatten()
            if not bool(inside.any()):
                continue
            if not bool(inside.all()) or tensor.dtype != tensors[owner].dtype:
                raise UnsupportedModelError(
                    f"{owner} and {name} overlap in memory, and neither holds the other; give each "
                    "memory of its own (.clone())"
                )
            ties.views[name] = (owner, order[at].view(tensor.shape))
            break
        else:
            distinct, inverse = addresses.flatten().unique(return_inverse=True)
            first = torch.full((len(distinct),), tensor.numel()).scatter_reduce(
                0, inverse, torch.arange(tensor.numel()), "amin"
            )
            owners[name] = (distinct, first)
            if name in repeats:
                ties.views[name] = (name, first[inverse].view(tensor.shape))


def _overlapping(tensors: dict[str, Tensor]) -> list[list[str]]:
    """Names in groups whose stretches of memory touch no other group's."""
    groups: list[list[str]] = []
    reach = -1
    for name in sorted(tensors, key=lambda name: _span(tensors[name])):
        start, stop = _span(tensors[name])
        if start >= reach:
            groups.append([])
        groups[-1].append(name)
        reach = max(reach, stop)
    return groups


def _span(tensor: Tensor) -> tuple[int, int]:
    """The first byte of a tensor in its storage, and the one after its last."""
    size = tensor.dtype.itemsize
    start = int(tensor.storage_offset())
    reach = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    return start * size, (start + int(reach) + 1) * size


def _extent(tensor: Tensor) -> int:
    """Number of distinct elements in memory, those that are repeated by expansion once."""
    sizes = [n if step else 1 for n, step in zip(tensor.shape, tensor.stride(), strict=True)]
    return int(torch.tensor(sizes, dtype=torch.int64).prod())


def _repeats(tensor: Tensor) -> bool:
    """Whether several elements may lie at one address."""
    reach = 1
    pairs = sorted(zip(tensor.stride(), tensor.shape, strict=True))
    for step, n in pairs:
        if n == 1:
            continue
        if step < reach:
            return True
        reach = step * (n - 1) + reach
    return False


def _bytes(tensor: Tensor) -> Int[Tensor, "..."]:
    """The first byte of every element in the storage."""
    offsets = torch.tensor(tensor.storage_offset())
    for dim, (n, step) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
        behind = tensor.ndim - dim - 1
        offsets = offsets + (torch.arange(n) * step).view((n,) + (1,) * behind)
    return offsets.expand(tensor.shape) * tensor.dtype.itemsize
