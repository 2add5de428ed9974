"""From an engine to the stability of every node: sample, simulate in batches, count."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from gridstab.arguments import at_least, instance
from gridstab.dynamics.counts import NodeCounts as NodeCounts
from gridstab.dynamics.engine import Engine, Perturbations, available_threads, stop_rule
from gridstab.dynamics.engines import make_engine
from gridstab.dynamics.intervals import stability_interval
from gridstab.dynamics.result import StabilityResult
from gridstab.dynamics.sampling import (
    DOMEGA_RANGE,
    DTHETA_RANGE,
    SCRAMBLES,
    perturbations,
    within_a_turn,
)
from gridstab.dynamics.settings import Settings as Settings
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid

BATCH = 20_000
"""Trajectories handed to the engine at once, at least; memory grows with this alone."""

BATCH_PER_THREAD = 5_000
"""Enough for every vector lane of a thread to be refilled many times."""

Progress = Callable[[int, int], None]
"""Called with the trajectories done and the most that may be needed in all."""


def simulate(
    grid: PowerGrid,
    samples: int = 1000,
    seed: int = 0,
    engine: str | Engine = "auto",
    stop: str = "fast",
    *,
    sampler: str = "mc",
    scrambles: int = SCRAMBLES,
    precision: float | None = None,
    horizon: float = 500.0,
    dtheta_range: float = DTHETA_RANGE,
    domega_range: float = DOMEGA_RANGE,
    threads: int | None = None,
    grid_id: int = 1,
    on_progress: Progress | None = None,
) -> StabilityResult:
    """Single-node basin stability and survivability of every node.

    Each sample offsets one node from the operating point, by a phase uniform on [−π, π) and a
    frequency uniform on [−15, 15) rad/s, and follows the whole grid until it has returned or left
    (Menck et al. 2013, doi:10.1038/nphys2516; the law of Nauck et al. 2022, arXiv:2206.06369).

    The numbers depend on the grid, the arguments down to ``horizon`` and ``grid_id``; never on
    ``threads``.

    Args:
        grid: The grid.
        samples: Trajectories a node; with ``precision``, the most a node may take.
        seed: Seed of all random streams.
        engine: Name of an engine, ``auto`` for the fastest that runs here, or an engine.
        stop: Stop rule: ``fast``, ``certified``, ``published`` or ``horizon``.
        sampler: ``mc``, or ``sobol`` for the same accuracy from about a tenth of the samples.
        scrambles: Independent Sobol sequences, from whose spread the interval follows.
        precision: Sample each node until half the width of its 95 % interval is at most this.
        horizon: Longest simulated time [s].
        dtheta_range: Largest phase offset [rad].
        domega_range: Largest frequency offset [rad/s].
        threads: Threads of the engine; all available processors unless given.
        grid_id: Number of the grid in a collection; grids of one seed draw different samples.
        on_progress: Called with (trajectories done, most that may be needed) after every batch.

    Raises:
        InvalidParameterError: A parameter is outside its range.
        OperatingPointError: The grid has no stable operating point.
        EngineUnavailableError: The engine is unknown or cannot run here.
    """
    instance("grid", grid, PowerGrid, "make one with gridstab.grids")
    if on_progress is not None and not callable(on_progress):
        raise InvalidParameterError(f"on_progress must be a function, got {on_progress!r}")
    made = make_engine(engine)
    settings = Settings(
        samples=samples,
        seed=seed,
        engine=made.name,
        stop=stop,
        sampler=sampler,
        scrambles=scrambles,
        precision=precision,
        horizon=horizon,
        dtheta_range=dtheta_range,
        domega_range=domega_range,
    )
    counts = simulate_nodes(
        SwingModel.of(grid),
        np.arange(grid.num_nodes),
        settings,
        grid_id=grid_id,
        engine=made,
        threads=available_threads() if threads is None else threads,
        on_progress=on_progress,
    )
    recorded = {
        **asdict(settings),
        "grid_id": grid_id,
        "engine_version": made.availability().version,
    }
    return StabilityResult.of(grid, counts, recorded)


def simulate_nodes(
    model: SwingModel,
    nodes: ArrayLike,
    settings: Settings,
    *,
    grid_id: int = 1,
    engine: Engine,
    threads: int = 1,
    first_sample: int = 0,
    samples: int | None = None,
    batch: int | None = None,
    on_progress: Progress | None = None,
) -> NodeCounts:
    """Counts for some nodes of a grid, and some of their samples: one unit of work.

    The counts of a grid are bitwise the same however it is divided into units: over nodes
    (:meth:`NodeCounts.concatenate`) or over samples (:meth:`NodeCounts.merge`). Memory does not
    grow with the number of samples.

    Args:
        model: The grid and its operating point.
        nodes: Nodes to perturb, shape ``(nodes,)``.
        settings: How to perturb and simulate.
        grid_id: Number of the grid in a collection.
        engine: The engine; ``settings.engine`` is not looked at.
        threads: Threads of the engine.
        first_sample: First sample of each node.
        samples: Samples from there on; the rest of ``settings.samples`` unless given.
        batch: Trajectories handed to the engine at once; 20,000, or more for many threads,
            unless given.
        on_progress: Called after every batch.

    Raises:
        InvalidParameterError: Unknown nodes, samples outside ``settings.samples``, or a range of
            samples together with a precision, which decides their number itself.
    """
    nodes = known_nodes(nodes, model.grid).ravel()
    at_least("threads", threads, 1)
    at_least("grid_id", grid_id, 0)
    if not (on_progress is None or callable(on_progress)):
        raise InvalidParameterError(f"on_progress must be a function, got {on_progress!r}")
    at_least("first_sample", first_sample, 0)
    threads = int(threads)
    batch = max(BATCH, BATCH_PER_THREAD * threads) if batch is None else batch
    at_least("batch", batch, 1)
    stages = settings.stages
    end = settings.samples if samples is None else first_sample + samples
    if not first_sample < end <= settings.samples:
        raise InvalidParameterError(
            f"samples must be within 0 to {settings.samples}, got {first_sample} to {end}"
        )
    if (first_sample, end) != (0, settings.samples):
        if settings.precision is not None:
            raise InvalidParameterError(
                "precision decides the number of samples; leave out first_sample and samples"
            )
        stages = [end]

    counts = NodeCounts.zeros(len(nodes), settings.recorded_scrambles)
    rows = np.arange(len(nodes))
    start, done = first_sample, 0
    for end in stages:
        most = done + len(rows) * (stages[-1] - start)
        for row, sample in _batches(rows, start, end, batch):
            outcome = engine.run(
                model,
                _draw(nodes[row], sample, settings, grid_id),
                stop=stop_rule(settings.stop),
                horizon=settings.horizon,
                threads=threads,
            )
            counts.add(row, sample, outcome)
            done += len(row)
            if on_progress is not None:
                on_progress(done, most)
        if settings.precision is not None:
            rows = rows[_half_width(counts)[rows] > settings.precision]
        start = end
    return counts


def _batches(
    rows: Int[np.ndarray, " rows"], start: int, end: int, size: int
) -> Iterator[tuple[Int[np.ndarray, " batch"], Int[np.ndarray, " batch"]]]:
    """Row and sample of every trajectory, node by node, so that a batch mixes many nodes."""
    span = end - start
    total = len(rows) * span
    for first in range(0, total, size):
        trajectory = np.arange(first, min(first + size, total))
        yield rows[trajectory // span], start + trajectory % span


def _draw(
    node: Int[np.ndarray, " batch"],
    sample: Int[np.ndarray, " batch"],
    settings: Settings,
    grid_id: int,
) -> Perturbations:
    # A run of consecutive samples of one node is drawn at once.
    breaks = np.flatnonzero((np.diff(node) != 0) | (np.diff(sample) != 1)) + 1
    parts = [
        perturbations(
            settings.seed,
            grid_id,
            int(node[first]),
            int(sample[first]),
            last - first,
            sampler=settings.sampler,
            scrambles=settings.scrambles,
            dtheta_range=settings.dtheta_range,
            domega_range=settings.domega_range,
        )
        for first, last in pairwise([0, *breaks.tolist(), len(node)])
    ]
    return Perturbations(
        node,
        within_a_turn(np.concatenate([part.dtheta for part in parts])),
        np.concatenate([part.domega for part in parts]),
    )


def _half_width(counts: NodeCounts) -> Float[np.ndarray, " nodes"]:
    interval = stability_interval(counts.n_stable, counts.n_samples, counts.scramble_stable)
    return (interval[:, 1] - interval[:, 0]) / 2


def known_nodes(node: ArrayLike, grid: PowerGrid) -> Int[np.ndarray, "..."]:
    """Node numbers as an array, refused unless they are all in the grid."""
    instance("grid", grid, PowerGrid, "make one with gridstab.grids")
    nodes = np.asarray(node)
    if nodes.size and not np.issubdtype(nodes.dtype, np.integer):
        raise InvalidParameterError(f"node must be an integer, got {nodes.ravel()[0]!r}")
    for bad in nodes[(nodes < 0) | (nodes >= grid.num_nodes)][:1]:
        raise InvalidParameterError(
            f"node must be 0 to {grid.num_nodes - 1} in this grid, got {bad}"
        )
    return nodes.astype(np.int64)
