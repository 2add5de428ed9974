"""The report of a run folder of simulated or imported labels."""

import numpy as np

from gridstab.counted import counted
from gridstab.datasets.run_folder import RunFolder
from gridstab.dynamics.intervals import wilson_interval
from gridstab.errors import RunFolderError
from gridstab.report.content import Report, ReportedGrid


def report_of_run(folder: RunFolder, grid_id: int | None = None) -> Report:
    """What a run found: one grid drawn, and the statistics of all that are there.

    Args:
        folder: A finished or unfinished run.
        grid_id: Global number of the grid that is drawn; the first that is there unless given.

    Raises:
        RunFolderError: The run has no grid yet, or not this one.
        StorageError: A grid file is damaged.
    """
    ids = folder.grid_ids
    if not ids:
        raise RunFolderError(f"{str(folder.path)!r} has no finished grid yet; resume the run first")
    drawn = ids[0] if grid_id is None else grid_id
    if drawn not in ids:
        raise RunFolderError(
            f"{str(folder.path)!r} has no grid {drawn}, only {ids[0]} to {ids[-1]}"
        )
    grids = [reported_grid(folder, drawn)]
    grids += [reported_grid(folder, other) for other in ids if other != drawn]
    config = folder.config
    if len(ids) == 1:
        title = grids[0].grid.name
    else:
        title = folder.path.resolve().name if config.campaign is None else config.campaign.name
    state = (
        "" if folder.is_complete else f" The run is unfinished: it has {counted(len(ids), 'grid')}."
    )
    settings = config.model_dump(mode="json", exclude_none=True)
    return Report(
        title=title,
        subtitle="Single-node basin stability (SNBS) is the share of perturbations of a node from "
        f"which the grid returns to its operating point.{state}",
        grids=grids,
        facts=_facts(grids),
        configuration=settings.get("campaign", settings),
        version=config.code_version,
    )


def reported_grid(folder: RunFolder, grid_id: int) -> ReportedGrid:
    """SNBS, intervals, survivability and troublemakers of one grid of a run, simulated or imported.

    Raises:
        StorageError: The file is damaged.
    """
    imported = folder.config.imported
    if imported is None:
        result = folder.result(grid_id)
        return ReportedGrid(
            grid_id,
            result.grid,
            result.snbs,
            result.interval,
            troublemaker=result.troublemaker,
            survivability=result.survivability,
        )
    label = folder.label(grid_id)
    samples = np.full(label.grid.num_nodes, imported.samples)
    stable = np.rint(label.snbs * samples).astype(np.int64)
    trouble = label.troublemaker
    return ReportedGrid(
        grid_id,
        label.grid,
        label.snbs,
        wilson_interval(stable, samples),
        troublemaker=None if trouble is None else trouble.astype(bool),
        survivability=label.survivability,
    )


def _facts(grids: list[ReportedGrid]) -> list[tuple[str, str]]:
    value = np.concatenate([reported.value for reported in grids])
    facts = [("mean SNBS", f"{value.mean():.3f}"), ("lowest SNBS", f"{value.min():.3f}")]
    intervals = [reported.interval for reported in grids if reported.interval is not None]
    if intervals:
        half = float(np.diff(np.concatenate(intervals), axis=1).mean()) / 2
        facts.append(("95 % interval of a node", f"±{half:.3f}"))
    survived = [each.survivability for each in grids if each.survivability is not None]
    if survived:
        facts.append(("mean survivability", f"{np.concatenate(survived).mean():.3f}"))
    trouble = [reported.troublemaker for reported in grids if reported.troublemaker is not None]
    if trouble:
        facts.append(("troublemakers", f"{np.concatenate(trouble).mean():.1%}"))
    counted = [("grids", len(grids))] if len(grids) > 1 else []
    counted += [("nodes", len(value)), ("lines", sum(each.grid.num_lines for each in grids))]
    return facts + [(what, f"{count:,}") for what, count in counted]
