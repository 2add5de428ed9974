"""Features of thousands of grids: by several processes, kept piece by piece as they are there.

A grid's features depend on the grid alone, so that the arrays are bitwise the same whatever the
number of processes, and however often the work was interrupted.
"""

import hashlib
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from importlib import import_module
from multiprocessing import get_context

import numpy as np
from jaxtyping import Float32

from gnncore.processes import end_with_parent
from gridstab.arguments import at_least
from gridstab.features.feature_set import FeatureSet
from gridstab.grids.power_grid import PowerGrid
from gridstab.learning.cache import Cache
from gridstab.learning.hubs import require_memory

CHUNK = 32
"""Grids that are computed, and kept, together."""

WORTH_PROCESSES = 20.0
"""Seconds of work from which on other processes are started, which takes seconds itself."""

Columns = tuple[Float32[np.ndarray, "nodes channels"], Float32[np.ndarray, "edges edge_channels"]]
"""``x`` and ``edge_attr`` of some grids, one after the other."""


def prepare_features(
    grids: Sequence[PowerGrid],
    features: FeatureSet,
    *,
    cache: Cache | None = None,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Columns:
    """The features of all grids, end to end in single precision.

    Args:
        grids: The grids, at least one.
        features: What to compute.
        cache: Keeps the features of every :data:`CHUNK` grids, by the grids' content, until
            :func:`forget_features`; without one, an interrupted call begins anew.
        workers: Processes, where the work is worth it. With more than one, a script needs the
            guard ``if __name__ == "__main__":`` of :mod:`multiprocessing`.
        on_progress: Called with the grids whose features are there, and the number of all.

    Raises:
        DatasetError: A feature has the wrong shape or is not finite, or needs more memory for a
            node of very many lines than there is.
        OperatingPointError: A feature needs an operating point that a grid does not have.
        InvalidParameterError: ``workers`` is below 1.
    """
    at_least("workers", workers, 1)
    chunks = [grids[first : first + CHUNK] for first in range(0, len(grids), CHUNK)]
    keys = _keys(chunks, features) if cache is not None else []
    found: dict[int, Columns] = {}
    for number, key in enumerate(keys):
        kept = None if cache is None else _known(cache.read(key), chunks[number], features)
        if kept is not None:
            found[number] = kept
    done = sum(len(chunks[number]) for number in found)
    if found and on_progress is not None:
        on_progress(done, len(grids))
    missing = [(number, chunk) for number, chunk in enumerate(chunks) if number not in found]
    require_memory(features, (grid for _, chunk in missing for grid in chunk))
    for number, columns in _computed(missing, features, workers, on_progress, done, len(grids)):
        found[number] = columns
        if cache is not None and keys:
            cache.write(keys[number], {"x": columns[0], "edge_attr": columns[1]})
    x, edge_attr = zip(*(found[number] for number in range(len(chunks))), strict=True)
    return np.concatenate(x), np.concatenate(edge_attr)


def forget_features(grids: Sequence[PowerGrid], features: FeatureSet, cache: Cache) -> None:
    """Remove what :func:`prepare_features` kept, once all of it is kept elsewhere."""
    chunks = [grids[first : first + CHUNK] for first in range(0, len(grids), CHUNK)]
    for key in _keys(chunks, features):
        cache.remove(key)


def compute_features(features: FeatureSet, grids: Sequence[PowerGrid]) -> Columns:
    """The features of some grids, in this process."""
    x, edge_attr = zip(*(features.compute(grid) for grid in grids), strict=True)
    return np.concatenate(x, dtype=np.float32), np.concatenate(edge_attr, dtype=np.float32)


def _computed(
    chunks: list[tuple[int, Sequence[PowerGrid]]],
    features: FeatureSet,
    workers: int,
    on_progress: Callable[[int, int], None] | None,
    done: int,
    total: int,
) -> Iterator[tuple[int, Columns]]:
    """Number and features of every chunk, in order: a first one here, which tells how long."""
    waiting = deque(chunks)
    seconds = 0.0
    while waiting:
        left = seconds * len(waiting)
        if workers > 1 and seconds and left >= WORTH_PROCESSES and _can_be_imported(features):
            try:
                for columns in _elsewhere([chunk for _, chunk in waiting], features, workers):
                    number, chunk = waiting.popleft()
                    done += len(chunk)
                    yield number, columns
                    if on_progress is not None:
                        on_progress(done, total)
            except BrokenProcessPool:  # one of them was killed, perhaps for its memory
                workers = 1
            continue
        number, chunk = waiting[0]
        start = time.perf_counter()
        columns = compute_features(features, chunk)
        seconds = max(time.perf_counter() - start, 1e-9)
        waiting.popleft()
        done += len(chunk)
        yield number, columns
        if on_progress is not None:
            on_progress(done, total)


def _elsewhere(
    chunks: list[Sequence[PowerGrid]], features: FeatureSet, workers: int
) -> Iterator[Columns]:
    """The features of every chunk, in order, by other processes."""
    pool = ProcessPoolExecutor(
        min(workers, len(chunks)),
        # Forked processes would inherit the locks of PyTorch's threads.
        mp_context=get_context("spawn"),
        initializer=_begin,
        initargs=(_homes(features),),
    )
    try:
        yield from pool.map(partial(compute_features, features), chunks)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(modules: list[str]) -> None:
    """In a new process: know all features, end with the parent, leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    for module in modules:
        import_module(module)


def _homes(features: FeatureSet) -> list[str]:
    several = (*features.node_features, *features.edge_features)
    return sorted({one.function.__module__ for one in several})


def _can_be_imported(features: FeatureSet) -> bool:
    """Whether another process knows the features: not what a script or a notebook defines."""
    return all(
        home != "__main__" and getattr(sys.modules.get(home), "__spec__", None) is not None
        for home in _homes(features)
    )


def _keys(chunks: Sequence[Sequence[PowerGrid]], features: FeatureSet) -> list[str]:
    """What the features of every chunk depend on; none where the features cannot be told apart."""
    fingerprint = features.fingerprint
    if fingerprint is None:
        return []
    keys = []
    for chunk in chunks:
        digest = hashlib.sha256(fingerprint.encode())
        for grid in chunk:
            digest.update(grid.content_hash.encode())
        keys.append(f"chunk {digest.hexdigest()}")
    return keys


def _known(
    arrays: dict[str, np.ndarray] | None, chunk: Sequence[PowerGrid], features: FeatureSet
) -> Columns | None:
    """What a cache holds, if it is of that size."""
    if arrays is None or set(arrays) != {"x", "edge_attr"}:
        return None
    x, edge_attr = arrays["x"], arrays["edge_attr"]
    nodes, edges = sum(g.num_nodes for g in chunk), sum(2 * g.num_lines for g in chunk)
    good = x.dtype == edge_attr.dtype == np.float32
    good = good and x.shape == (nodes, features.in_channels)
    good = good and edge_attr.shape == (edges, features.edge_channels)
    return (x, edge_attr) if good else None
