"""Which grids train, which validate and which test: by their number, as published.

The published sets of 10,000 grids train on 1 to 7000, validate on 7001 to 8500 and test on 8501 to
10,000 (zenodo.8204334); sets of other sizes are cut at the same 70 and 85 %.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from gridstab.datasets.layouts.split import SPLITS as SPLITS
from gridstab.datasets.layouts.split import split_ends
from gridstab.errors import InvalidParameterError


def split_ids(
    grid_ids: Sequence[int], *, total: int | None = None, seed: int | None = None
) -> dict[str, list[int]]:
    """The numbers of the grids of each split; every grid is in one.

    A single grid is a test: there is nothing to train on beside it.

    >>> split_ids(range(1, 11))
    {'train': [1, 2, 3, 4, 5, 6, 7], 'valid': [8], 'test': [9, 10]}
    >>> {split: (ids[0], ids[-1]) for split, ids in split_ids(range(1, 10_001)).items()}
    {'train': (1, 7000), 'valid': (7001, 8500), 'test': (8501, 10000)}
    >>> split_ids([1])
    {'train': [], 'valid': [], 'test': [1]}

    Args:
        grid_ids: Numbers of the grids, from 1.
        total: Grids of the whole set, of which these may be a part; the largest number unless
            given. It keeps the splits of an unfinished set where they will be.
        seed: Draw the splits at random from this stream instead, 70, 15 and 15 % of these grids.

    Raises:
        InvalidParameterError: A number is repeated, below 1 or above ``total``; a negative seed.
    """
    numbers = sorted(grid_ids)
    total = max(numbers, default=0) if total is None else total
    if len(set(numbers)) < len(numbers):
        repeated = next(a for a, b in pairwise(numbers) if a == b)
        raise InvalidParameterError(f"grid_ids must be different, got {repeated} twice")
    if numbers and not 1 <= numbers[0] <= numbers[-1] <= total:
        outside = numbers[0] if numbers[0] < 1 else numbers[-1]
        raise InvalidParameterError(f"grid_ids must be from 1 to {total}, got {outside}")
    if seed is not None:
        if seed < 0:
            raise InvalidParameterError(f"seed of the split must be at least 0, got {seed}")
        numbers = np.random.default_rng(seed).permutation(numbers).tolist()
        ends = split_ends(len(numbers))
        positions = list(range(1, len(numbers) + 1))
    else:
        ends = split_ends(total)
        positions = numbers
    if total == 1:
        ends = (0, 0, 1)
    parts: dict[str, list[int]] = {split: [] for split in SPLITS}
    for position, number in zip(positions, numbers, strict=True):
        split = next(name for name, end in zip(SPLITS, ends, strict=True) if position <= end)
        parts[split].append(number)
    return {split: sorted(ids) for split, ids in parts.items()}
