"""Several sets as one, so that a model learns from grids of more than one size."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from gridstab.counted import counted
from gridstab.datasets.counted_grid import CountedGrid
from gridstab.datasets.sources import Source, locate, open_source
from gridstab.errors import DatasetError
from gridstab.learning.splits import SPLITS, split_ids


def places_of(path: str | Path) -> list[str]:
    """The places of the sets that :func:`open_sets` would open; something is at each of them.

    Args:
        path: As there.

    Raises:
        DatasetError: Nothing is at one of them, or one is given twice.
    """
    places = [str(path)] if Path(path).exists() else str(path).split(",")
    if not all(places) or len(set(places)) < len(places):
        raise DatasetError(
            f"{str(path)!r} names a set twice or none; separate different sets by single commas"
        )
    for place in places:
        locate(place)
    return places


def open_sets(
    path: str | Path, *, samples: int | None = None, coupling: float | None = None
) -> Source:
    """One set, or several whose places are separated by commas, such as ``ds20,ds100``.

    Args:
        path: What :func:`gridstab.datasets.sources.open_source` opens, or several of them. A place
            that is there is never cut at its commas.
        samples: Trajectories behind each published label.
        coupling: K of every line of published files.

    Raises:
        DatasetError: Nothing that could be read is there, or a set is given twice.
        InvalidParameterError: ``samples`` or ``coupling`` for a set that knows its own.
        RunFolderError: A run folder of another version.
        StorageError: A file cannot be read, or is damaged.
    """
    places = places_of(path)
    if len(places) == 1:
        return open_source(path, samples=samples, coupling=coupling)
    sources = [open_source(place, samples=samples, coupling=coupling) for place in places]
    known: dict[str, str] = {}
    for place, source in zip(places, sources, strict=True):
        before = known.setdefault(source.content_hash, place)
        if before != place:
            raise DatasetError(f"{before!r} and {place!r} hold the same set; name it once")
    return mixture(sources)


def mixture(sources: Sequence[Source]) -> Source:
    """The grids of several sets, numbered anew and evenly mixed; every grid stays in its split.

    Evenly, so that the first training grids hold of every set as much as all of them do. A warning
    says how many grids are in another split of another set, so that they are tested on after all.

    Raises:
        DatasetError: Two sets hold the same grids.
    """
    grids = [source.read() for source in sources]
    owns = [
        source.splits or split_ids([item.grid_id for item in some], total=source.total)
        for source, some in zip(sources, grids, strict=True)
    ]
    _tell_of_common_grids(sources, grids, owns)
    order = sorted(
        ((rank + 0.5) / len(some), which, rank)
        for which, some in enumerate(grids)
        for rank in range(len(some))
    )
    numbers = {(which, rank): number for number, (_, which, rank) in enumerate(order, 1)}
    splits: dict[str, list[int]] = {split: [] for split in SPLITS}
    for which, (own, some) in enumerate(zip(owns, grids, strict=True)):
        renumbered = {item.grid_id: numbers[which, rank] for rank, item in enumerate(some)}
        for split in SPLITS:
            splits[split] += [renumbered[number] for number in own[split]]
    mixed = [
        replace(grids[which][rank], grid_id=number)
        for number, (_, which, rank) in enumerate(order, 1)
    ]
    return Source(
        " and ".join(source.name for source in sources),
        Path(),
        [],
        lambda: mixed,
        splits={split: sorted(ids) for split, ids in splits.items()},
        settings=" ".join(["mixture", *(source.content_hash for source in sources)]),
    )


def _tell_of_common_grids(
    sources: Sequence[Source],
    grids: Sequence[Sequence[CountedGrid]],
    owns: Sequence[dict[str, list[int]]],
) -> None:
    """Refuse copies of a set, whatever they are called; warn of grids that change their split."""
    split_of = []
    for some, own in zip(grids, owns, strict=True):
        splits = {number: split for split, numbers in own.items() for number in numbers}
        split_of.append({item.grid: splits.get(item.grid_id) for item in some})
    for (source, mine), (other, theirs) in combinations(zip(sources, split_of, strict=True), 2):
        if mine.keys() == theirs.keys():
            raise DatasetError(
                f"{source.name!r} and {other.name!r} hold the same grids; name one of them"
            )
        moved = sum(mine[grid] != theirs[grid] for grid in mine.keys() & theirs.keys())
        if moved:
            warnings.warn(
                f"{source.name!r} and {other.name!r} have {counted(moved, 'grid')} in common that "
                "the other has in another split; what is learnt from is tested on",
                stacklevel=2,
            )
