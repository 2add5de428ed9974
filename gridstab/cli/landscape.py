"""``gridstab landscape``: an image for every node, of the perturbations from which it returns."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.options import ALONE, json_option, quiet_option
from gnncore.command_line.outputs import folder_option
from gridstab.cli import app
from gridstab.cli.campaign_options import (
    CASE,
    ENGINE,
    EXECUTOR,
    GRIDS,
    HORIZON,
    NODES,
    STOP,
    WHAT,
    WHERE,
    WORKERS,
)
from gridstab.cli.options import (
    COUPLING,
    DAMPING,
    IMPORT_ENGINES,
    INERTIA,
    LARGEST_COMPONENT,
    NODE_TABLE,
    SETTING,
)

if TYPE_CHECKING:
    from gridstab.datasets.landscape_folder import LandscapeFolder


@app.command()
def landscape(
    nodes: int | None = NODES,
    grids: int | None = GRIDS,
    case: str | None = CASE,
    setting: str | None = SETTING,
    coupling: float | None = COUPLING,
    damping: float | None = DAMPING,
    inertia: float | None = INERTIA,
    node_table: str | None = NODE_TABLE,
    largest_component: bool = LARGEST_COMPONENT,
    seed: int | None = typer.Option(
        None, help="Seed of the grids. [default: 0]", rich_help_panel=WHAT
    ),
    resolution: int = typer.Option(20, help="Pixels along each axis.", rich_help_panel=WHAT),
    domega_range: float | None = typer.Option(
        None, help="Largest frequency offset in rad/s. [default: 15]", rich_help_panel=WHAT
    ),
    engine: str | None = ENGINE,
    stop: str | None = STOP,
    horizon: float | None = HORIZON,
    workers: int | None = WORKERS,
    executor: str = EXECUTOR,
    out: Path | None = folder_option("Folder. [default: runs/landscapes-…]", panel=WHERE),
    resume: bool = typer.Option(
        False, "--resume", help="Continue in that folder.", rich_help_panel=WHERE
    ),
    published: Path | None = folder_option(
        "New folder for the same in the published layout.", panel=WHERE
    ),
    published_pixels: int | None = typer.Option(
        None,
        help="Pixels along each axis of the published layout, which take in several of those "
        "simulated; a divisor of the resolution. [default: the resolution]",
        rich_help_panel=WHERE,
    ),
    as_json: bool = json_option(ALONE, WHERE),
    quiet: bool = quiet_option(WHERE),
    no_picture: bool = typer.Option(
        False, "--no-picture", help="Draw no picture.", rich_help_panel=WHERE
    ),
    modules: list[str] = IMPORT_ENGINES,
) -> None:
    """Simulate the stability landscape of every node of many grids.

    The images depend on the options under "what" and "how" alone: not on the workers, the executor
    or the interruptions of the work.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.progress import work_progress
    from gnncore.command_line.resuming import resumable
    from gnncore.figures import save_figure
    from gridstab.datasets.campaign import Campaign
    from gridstab.datasets.landscape_folder import LandscapeFolder
    from gridstab.datasets.landscape_run import landscapes_folder, run_landscapes
    from gridstab.datasets.layouts.landscapes import (
        export_landscapes,
        require_published_range,
        simulated_per_pixel,
    )
    from gridstab.datasets.layouts.place import require_export
    from gridstab.errors import RunFolderError

    import_modules(modules)
    campaign = Campaign.resolve(
        nodes=nodes,
        grids=grids,
        case=case,
        setting=setting,
        coupling=coupling,
        damping=damping,
        inertia=inertia,
        node_table=node_table,
        largest_component=largest_component or None,
        seed=seed,
        engine=engine,
        stop=stop,
        horizon=horizon,
        domega_range=domega_range,
    )
    if published is not None:
        require_export(published, landscapes_folder(campaign, out))
        require_published_range(campaign.domega_range)
    if published_pixels is not None:
        if published is None:
            raise RunFolderError(
                f"--published-pixels {published_pixels} needs a folder; add --published FOLDER"
            )
        simulated_per_pixel(resolution, published_pixels)
    with resumable("gridstab"), work_progress("pixels", quiet=quiet) as on_progress:
        run = run_landscapes(
            campaign,
            out,
            resolution=resolution,
            workers=workers,
            executor=executor,
            resume=resume,
            on_progress=on_progress,
        )
    folder = run.folder
    assert isinstance(folder, LandscapeFolder)
    if run.failures:
        unit, error = run.failures[0]
        typer.echo(
            f"gridstab: {len(run.failures)} units failed, the first, {unit}, with "
            f"{type(error).__name__}: {' '.join(str(error).split())}; all others are kept in "
            f"{str(folder.path)!r}, try again with --resume",
            err=True,
        )
        raise typer.Exit(1)
    if published is not None:
        place = export_landscapes(folder.path, published, published_pixels)
        if not quiet:
            typer.echo(f"published layout: {place}", err=as_json)
    picture = folder.path / "landscapes.png"
    if not (no_picture or picture.exists()):
        from gridstab.report.landscape_plots import plot_landscapes

        save_figure(plot_landscapes(folder.landscapes(1)), picture)
    summary = _summary(folder) | {"trajectories": run.trajectories, "seconds": run.seconds}
    if as_json:
        from gnncore.command_line.json_output import echo_json

        echo_json(summary)
    elif not quiet:
        _print(summary)


def _summary(folder: "LandscapeFolder") -> dict[str, Any]:
    results = []
    for found in folder.all_landscapes():
        columns = {"snbs": found.snbs.tolist(), "undecided": found.n_undecided.tolist()}
        results.append({"grid": found.grid_id, "name": list(found.grid.labels), **columns})
    shares = [share for one in results for share in one["snbs"]]
    return {
        "run": str(folder.path),
        "complete": folder.is_complete,
        "resolution": folder.resolution,
        "grids": len(results),
        "nodes": len(shares),
        "undecided": sum(sum(one["undecided"]) for one in results),
        "mean_snbs": sum(shares) / len(shares),
        "config": folder.config.model_dump(mode="json", exclude_none=True),
        "results": results,
    }


def _print(summary: dict[str, Any]) -> None:
    from gnncore.command_line.output import say
    from gridstab.counted import counted

    size, pixels = summary["resolution"], summary["nodes"] * summary["resolution"] ** 2
    say(summary["run"])
    say(
        f"{counted(summary['nodes'], 'landscape')} of {size} × {size} pixels of "
        f"{counted(summary['grids'], 'grid')}"
    )
    say(f"mean SNBS {summary['mean_snbs']:.4f}")
    say(f"undecided {summary['undecided']:,} of {pixels:,} pixels")
    if summary["trajectories"]:
        rate = summary["trajectories"] / max(summary["seconds"], 1e-9)
        say(f"rate {rate:,.0f} pixels/s")
    else:
        say("The landscapes were complete already.")
