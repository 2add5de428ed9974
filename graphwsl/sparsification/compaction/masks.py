"""Which elements of a tensor are kept: an index set for every dimension, and their product."""

import torch
from jaxtyping import Bool
from torch import Tensor

Masks = tuple[Bool[Tensor, " size"], ...]
"""For every dimension which indices are kept."""

Batched = tuple[int, ...]
"""For every dimension how many of its elements there are a sample; 0 where samples play no role."""


def full(shape: torch.Size) -> Masks:
    """Everything is kept."""
    return tuple(torch.ones(size, dtype=torch.bool) for size in shape)


def is_full(masks: Masks) -> bool:
    """Whether everything is kept."""
    return all(bool(mask.all()) for mask in masks)


def product(masks: Masks) -> Bool[Tensor, "..."]:
    """The elements that are kept."""
    kept = torch.ones((), dtype=torch.bool)
    for mask in masks:
        kept = kept[..., None] & mask
    return kept


def closure(elements: Bool[Tensor, "..."], batched: Batched) -> Masks:
    """The smallest masks that keep at least these elements, and one index a dimension.

    All samples are treated alike.

    Args:
        elements: Elements to keep.
        batched: Which dimensions depend on the samples.
    """
    masks = []
    for dim, size in enumerate(elements.shape):
        others = [other for other in range(elements.ndim) if other != dim]
        mask = elements.any(dim=others) if others else elements.clone()
        if not mask.any() and size:
            mask = torch.arange(size) == 0
        masks.append(_of_samples(mask, batched[dim]))
    return tuple(masks)


def joined(first: Masks, second: Masks) -> Masks:
    """What one of two keeps."""
    return tuple(one | other for one, other in zip(first, second, strict=True))


def sizes(masks: Masks) -> list[int]:
    """How many indices of every dimension are kept."""
    return [int(mask.sum()) for mask in masks]


def equal(first: Masks, second: Masks) -> bool:
    """Whether two keep the same."""
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def _of_samples(mask: Bool[Tensor, " size"], each: int) -> Bool[Tensor, " size"]:
    """A mask that is the same for every sample, or all."""
    if each and not torch.equal(mask, mask[:each].repeat(len(mask) // each)):
        return torch.ones_like(mask)
    # Where the number of samples divides the others, which of them come first cannot be seen.
    if each and each % (len(mask) // each) == 0:
        return torch.ones_like(mask)
    return mask
