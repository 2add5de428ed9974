"""Simulate the stability landscapes of many grids, as campaigns are: unit by unit, resumable."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from gnncore.storage import WorkFolder
from gridstab.arguments import as_path, instance
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.executors import Executor, make_executor
from gridstab.datasets.grid_source import GridSource
from gridstab.datasets.landscape_folder import (
    GridLandscapes,
    LandscapeConfig,
    LandscapeFolder,
    encode_landscapes,
    read_status,
    write_status,
)
from gridstab.datasets.resuming import part_owner, reopen_if_damaged
from gridstab.datasets.run import Driver, OnProgress, Run, home_of_engine, resolve_engine
from gridstab.datasets.work_units import WorkUnit, units_of_grid
from gridstab.dynamics.engines import ENGINES, make_engine
from gridstab.dynamics.landscape import RESOLUTION, landscapes_of, raster, require_raster
from gridstab.dynamics.sampling import DTHETA_RANGE
from gridstab.dynamics.settings import Settings
from gridstab.errors import InvalidParameterError


def run_landscapes(
    campaign: Campaign,
    out: str | Path | None = None,
    *,
    resolution: int = RESOLUTION,
    workers: int | None = None,
    executor: str | Executor = "local",
    resume: bool = False,
    seconds_per_unit: float | None = None,
    on_progress: OnProgress | None = None,
) -> Run:
    """Simulate the landscapes of all nodes of the grids of a campaign, or continue.

    The files depend on the grids, the resolution, engine, stop rule, horizon and range of
    frequencies alone: not on workers, executor, chunking or interruptions.

    Args:
        campaign: Which grids; its samples, sampler and precision are not looked at.
        out: The folder; ``runs/landscapes-<grids>-<resolution>`` unless given.
        resolution: Pixels along each axis, 2 to 5000.
        workers: Units at a time; all processors unless given.
        executor: ``local`` for the threads of this process, ``ray`` for a cluster, or an executor.
        resume: Continue what is there; without anything, it is started all the same.
        seconds_per_unit: Longest duration of a unit on one slow core [s]; chosen unless given.
        on_progress: Called with the pixels that are stored and all of them.

    Returns:
        What was done. Failed units are listed, and their grids stay unfinished.

    Raises:
        GridstabError: A parameter is outside its range, or the folder holds something else;
            nothing was written.
        StorageError: The disk is full, read-only, or another process works in the folder.
        KeyboardInterrupt: Ctrl-C was pressed; the units that ran then were finished and stored.
    """
    instance("campaign", campaign, Campaign, "make one with Campaign.resolve")
    require_raster(resolution, campaign.domega_range)
    if campaign.dtheta_range != DTHETA_RANGE:
        raise InvalidParameterError(
            f"landscapes cover the whole turn, got dtheta_range {campaign.dtheta_range:g}; "
            "leave it out"
        )
    given = campaign.model_dump() | {"samples": resolution**2, "sampler": "mc", "precision": None}
    campaign = Campaign.parse(given)
    path = landscapes_folder(campaign, out)
    campaign = resolve_engine(campaign, path, LandscapeFolder)
    source = campaign.source
    config = LandscapeConfig.of_landscapes(campaign, source, resolution)

    def look() -> None:
        LandscapeFolder.check(path, config, resume=resume)

    look()
    source.model(1)  # a case without operating point must fail before anything is written
    if isinstance(executor, str):
        executor = make_executor(executor, workers)
    with WorkFolder(path, LandscapeFolder.kind).claim(look):
        folder = LandscapeFolder.create(path, config)
        driver = _LandscapeDriver(folder, campaign, source, seconds_per_unit, on_progress)
        driver.resolution = resolution
        if not folder.is_complete or reopen_if_damaged(folder):
            driver.run(executor)
    return driver.outcome


def landscapes_folder(campaign: Campaign, out: str | Path | None = None) -> Path:
    """The folder that the landscapes of a campaign go to, ``runs/landscapes-…`` unless given.

    Args:
        campaign: Which grids.
        out: The folder, or None.
    """
    return Path("runs", f"landscapes-{campaign.name}") if out is None else as_path("out", out)


def simulate_landscapes(
    source: GridSource,
    settings: Settings,
    resolution: int,
    registered_in: str,
    unit: WorkUnit,
) -> Int[np.ndarray, "nodes rows columns"]:
    """The images of the nodes of one unit, with one thread; runs wherever the executor likes.

    Args:
        source: The grids.
        settings: How they are simulated.
        resolution: Pixels along each axis.
        registered_in: The module that registers the engine; a process that does not know it
            imports this.
        unit: What is simulated.
    """
    if settings.engine not in ENGINES:
        import_module(registered_in)
    return landscapes_of(
        source.model(unit.grid_id),
        np.array(unit.nodes, np.int64),
        resolution,
        domega_range=settings.domega_range,
        engine=make_engine(settings.engine),
        stop=settings.stop,
        horizon=settings.horizon,
    )


class _LandscapeDriver(Driver):
    resolution: int

    def unit_function(self) -> Callable[[WorkUnit], Any]:
        home = home_of_engine(self.campaign.engine)
        settings = self.campaign.settings
        return partial(simulate_landscapes, self.source, settings, self.resolution, home)

    def plan(self, grid_id: int) -> list[WorkUnit]:
        source = self.source
        samples = self.campaign.samples
        return list(
            units_of_grid(
                grid_id,
                source.nodes,
                source.lines,
                samples,
                seconds=self.seconds,
                whole_nodes=True,
            )
        )

    def write_part(self, unit: WorkUnit, result: Any) -> None:
        owner = part_owner(self.folder, str(unit))
        write_status(self.folder.part_path(unit), result, owner)

    def read_part(self, unit: WorkUnit) -> Any:
        return read_status(self.folder.part_path(unit), part_owner(self.folder, str(unit)))

    def encode_grid(self, grid_id: int, parts: dict[WorkUnit, Any]) -> bytes:
        model = self.source.model(grid_id)
        status = np.concatenate([parts[unit] for unit in sorted(parts)])
        dtheta, domega = raster(self.resolution, self.campaign.domega_range)
        found = GridLandscapes(grid_id, model.grid, status, dtheta, domega)
        return encode_landscapes(self.campaign.seed, model, found)

    def trajectories_of(self, unit: WorkUnit, result: Any) -> int:
        return int(result.size)
