"""Run a campaign: cut it into units, simulate them anywhere, store every result once it is there.

Only this driver writes files. A unit's counts are a small file in ``parts/`` until all units of
its grid are there; then they become the grid's file. What was stored is never simulated again,
however the process ended.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial, reduce
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.command_line.heartbeat import doing
from gnncore.storage import WorkFolder, make_folder
from gridstab.arguments import as_path, instance
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.executors import (
    Executor,
    LocalExecutor,
    make_executor,
    stopping_on_interrupt,
)
from gridstab.datasets.grid_file import encode_result, read_counts, write_counts
from gridstab.datasets.grid_source import GridSource
from gridstab.datasets.resuming import (
    Stored,
    part_owner,
    reopen_if_damaged,
    stored_work,
    warn_of,
)
from gridstab.datasets.run_folder import KIND, RunConfig, RunFolder
from gridstab.datasets.timing import record_timing
from gridstab.datasets.work_units import WorkUnit, unit_seconds, units_of_grid
from gridstab.dynamics.engine import Perturbations, stop_rule
from gridstab.dynamics.engines import ENGINES, make_engine
from gridstab.dynamics.result import StabilityResult
from gridstab.dynamics.settings import Settings
from gridstab.dynamics.simulate import NodeCounts, simulate_nodes

OnProgress = Callable[[int, int], None]
"""Called with the trajectories that are stored and those of the whole campaign."""


@dataclass
class _OpenGrid:
    """A grid some of whose units are still to be simulated."""

    plan: list[WorkUnit]
    missing: set[WorkUnit]


@dataclass
class Run:
    """What :func:`run_campaign` did.

    Attributes:
        folder: The run folder.
        trajectories: Trajectories simulated by this call.
        seconds: Wall time of this call [s], without the start of an engine that is waited for.
        failures: Units that failed, each with its exception.
    """

    folder: RunFolder
    trajectories: int = 0
    seconds: float = 0.0
    failures: list[tuple[WorkUnit, Exception]] = field(default_factory=list)


def run_campaign(
    campaign: Campaign,
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    executor: str | Executor = "local",
    resume: bool = False,
    seconds_per_unit: float | None = None,
    on_progress: OnProgress | None = None,
) -> Run:
    """Simulate a campaign into a run folder, or continue an interrupted one.

    The files depend on the campaign alone: not on workers, executor, chunking or interruptions.
    Resuming compares all that is there with its checksums, in a complete run too. What is lost or
    not of this campaign is simulated again, with a ``RecomputedWarning``.

    Args:
        campaign: What to simulate.
        out: The run folder; ``runs/<campaign.name>`` unless given.
        workers: Units at a time; all processors unless given.
        executor: ``local`` for the threads of this process, ``ray`` for a cluster, or an executor.
        resume: Continue the run that is there; without one, a new run is started all the same.
        seconds_per_unit: Longest duration of a unit on one slow core [s]; chosen unless given.
        on_progress: Called whenever a result was stored.

    Returns:
        What was done. Failed units are listed, and their grids stay unfinished.

    Raises:
        GridstabError: The campaign cannot run, or the folder holds something else, which another
            process may have put there in the meantime; nothing was written.
        StorageError: The disk is full, read-only, or another process works in the folder.
        KeyboardInterrupt: Ctrl-C was pressed; the units that ran then were finished and stored.
    """
    instance("campaign", campaign, Campaign, "make one with Campaign.resolve")
    path = Path("runs", campaign.name) if out is None else as_path("out", out)
    campaign = resolve_engine(campaign, path)
    source = campaign.source
    config = RunConfig.of(campaign, source)
    RunFolder.check(path, config, resume=resume)
    source.model(1)  # a case without operating point must fail before anything is written
    if isinstance(executor, str):
        executor = make_executor(executor, workers)
    with WorkFolder(path, KIND).claim(lambda: RunFolder.check(path, config, resume=resume)):
        folder = RunFolder.create(path, config)
        driver = Driver(folder, campaign, source, seconds_per_unit, on_progress)
        if not folder.is_complete or reopen_if_damaged(folder):
            driver.run(executor)
    return driver.outcome


def simulate_unit(
    source: GridSource, settings: Settings, engine: str, registered_in: str, unit: WorkUnit
) -> NodeCounts:
    """The counts of one unit, with one thread; runs wherever the executor likes.

    Args:
        source: The grids.
        settings: How they are simulated.
        engine: Name of the engine.
        registered_in: The module that registers it; a process that does not know it imports this.
        unit: What is simulated.
    """
    if engine not in ENGINES:
        import_module(registered_in)
    whole = settings.precision is not None
    return simulate_nodes(
        source.model(unit.grid_id),
        np.array(unit.nodes),
        settings,
        grid_id=unit.grid_id,
        engine=make_engine(engine),
        threads=1,
        first_sample=unit.first_sample,
        samples=None if whole else unit.samples,
    )


class Driver:
    """The state of one call of :func:`run_campaign`.

    What else is simulated unit by unit into a folder of its own derives from it, and says in
    :meth:`unit_function`, :meth:`write_part`, :meth:`read_part` and :meth:`encode_grid` what a
    unit gives and what becomes of it.

    Args:
        folder: The run folder, whose lock is held.
        campaign: What is simulated.
        source: Its grids.
        seconds: Longest duration of a unit on one slow core [s]; chosen unless given.
        on_progress: Called whenever a result was stored.
    """

    def __init__(
        self,
        folder: RunFolder,
        campaign: Campaign,
        source: GridSource,
        seconds: float | None,
        on_progress: OnProgress | None,
    ) -> None:
        self.folder = folder
        self.campaign = campaign
        self.source = source
        self.outcome = Run(folder)
        self.total = campaign.grids * source.nodes * campaign.samples
        self.stored = 0
        self.seconds = seconds or unit_seconds(
            campaign.grids, source.nodes, source.lines, campaign.samples
        )
        self.shows_progress = on_progress is not None
        self.on_progress = on_progress or (lambda stored, total: None)
        self.open: dict[int, _OpenGrid] = {}
        self.there = Stored()

    def unit_function(self) -> Callable[[WorkUnit], Any]:
        """What gives the result of a unit, wherever the executor likes."""
        return partial(
            simulate_unit,
            self.source,
            self.campaign.settings,
            self.campaign.engine,
            home_of_engine(self.campaign.engine),
        )

    def write_part(self, unit: WorkUnit, result: Any) -> None:
        """Keep the result of a unit until its grid is there."""
        owner = part_owner(self.folder, str(unit))
        write_counts(self.folder.part_path(unit), result, owner)

    def read_part(self, unit: WorkUnit) -> Any:
        """What :meth:`write_part` kept."""
        return read_counts(self.folder.part_path(unit), part_owner(self.folder, str(unit)))

    def encode_grid(self, grid_id: int, parts: dict[WorkUnit, Any]) -> bytes:
        """The file of a grid from the results of all its units."""
        model = self.source.model(grid_id)
        blocks = [
            reduce(NodeCounts.merge, (parts[unit] for unit in units))
            for _, units in groupby(sorted(parts), key=lambda unit: unit.first_node)
        ]
        result = StabilityResult.of(model.grid, NodeCounts.concatenate(blocks), {})
        return encode_result(grid_id, self.campaign.seed, result, model.theta)

    def trajectories_of(self, unit: WorkUnit, result: Any) -> int:
        """How many trajectories the result of a unit took."""
        del unit
        return int(result.n_samples.sum())

    def run(self, executor: Executor) -> None:
        """Simulate what is not there yet, and complete the folder."""
        self.there = stored_work(self.folder)
        warn_of(self.folder, self.there.problems)
        if self.shows_progress and isinstance(executor, LocalExecutor):
            self.start_engine()
        # Rates would be those of a compiler where it takes longer than the trajectories.
        started = time.perf_counter()
        simulate = self.unit_function()
        with (
            stopping_on_interrupt(executor) as interrupted,
            closing(executor.map(simulate, self.units())) as results,
        ):
            for unit, counts in results:
                if isinstance(counts, Exception):
                    self.outcome.failures.append((unit, counts))
                else:
                    self.store(unit, counts)
        self.outcome.seconds = time.perf_counter() - started
        record_timing(
            self.folder,
            trajectories=self.outcome.trajectories,
            seconds=self.outcome.seconds,
            executor=type(executor).__name__,
            workers=getattr(executor, "workers", 1),
            failures=[f"{unit}: {error}" for unit, error in self.outcome.failures],
        )
        if interrupted.is_set():
            raise KeyboardInterrupt
        if not self.outcome.failures:
            self.folder.finish()

    def start_engine(self) -> None:
        """Let the engine compile, or start what it needs, before progress is measured."""
        if self.folder.is_complete:
            return
        here = Perturbations(np.zeros(1, np.int64), np.zeros(1), np.zeros(1))
        with doing("starting the engine"), suppress(Exception):  # which the units will meet, too
            make_engine(self.campaign.engine).run(
                self.source.model(1),
                here,
                stop=stop_rule(self.campaign.stop),
                horizon=min(self.campaign.horizon, 1.0),
            )

    def units(self) -> Iterator[WorkUnit]:
        """The units whose results are not there yet; grids that lack none are stored."""
        for grid_id in range(1, self.campaign.grids + 1):
            plan = self.plan(grid_id)
            if grid_id in self.there.grids:
                self.advance(plan)
                continue
            missing = [unit for unit in plan if str(unit) not in self.there.parts]
            self.open[grid_id] = _OpenGrid(plan, set(missing))
            self.advance([unit for unit in plan if unit not in self.open[grid_id].missing])
            if not missing:
                self.store_grid(grid_id, self.read_parts(plan))
            yield from missing

    def plan(self, grid_id: int) -> list[WorkUnit]:
        """All units of a grid."""
        source = self.source
        return list(
            units_of_grid(
                grid_id,
                source.nodes,
                source.lines,
                self.campaign.samples,
                seconds=self.seconds,
                whole_nodes=self.campaign.precision is not None,
            )
        )

    def store(self, unit: WorkUnit, counts: Any) -> None:
        """Keep the result of a unit, and its grid if it was the last one."""
        grid = self.open[unit.grid_id]
        grid.missing.discard(unit)
        if grid.plan == [unit]:
            self.store_grid(unit.grid_id, {unit: counts})
        else:
            make_folder(self.folder.parts)
            self.write_part(unit, counts)
            if not grid.missing:
                self.store_grid(unit.grid_id, self.read_parts(grid.plan))
        self.outcome.trajectories += self.trajectories_of(unit, counts)
        self.advance([unit])

    def store_grid(self, grid_id: int, parts: dict[WorkUnit, Any]) -> None:
        """Write the file of a grid from the results of all its units."""
        self.folder.store(grid_id, self.encode_grid(grid_id, parts))
        del self.open[grid_id]
        for unit in parts:
            self.folder.part_path(unit).unlink(missing_ok=True)

    def read_parts(self, plan: list[WorkUnit]) -> dict[WorkUnit, Any]:
        """The results of units that are all there."""
        return {unit: self.read_part(unit) for unit in plan}

    def advance(self, units: list[WorkUnit]) -> None:
        """Say that units are stored."""
        self.stored += sum(unit.trajectories for unit in units)
        self.on_progress(self.stored, self.total)


def home_of_engine(name: str) -> str:
    """The module that registers an engine, for processes that do not know it yet."""
    return getattr(ENGINES[name], "__module__", "gridstab.dynamics.engines")


def resolve_engine(
    campaign: Campaign, path: Path, folder_class: type[RunFolder] = RunFolder
) -> Campaign:
    """The campaign with the name of an engine that runs here in place of ``auto``.

    Args:
        campaign: The campaign.
        path: Its folder; the engine of a run that is there already stays.
        folder_class: What kind of folder it is.
    """
    name = campaign.engine
    if name == "auto" and (path / "config.json").is_file():
        there = folder_class.open(path).config.campaign
        name = name if there is None else there.engine
    made = make_engine(name)
    return campaign.model_copy(update={"engine": made.name if name == "auto" else name})
