"""``gridstab simulate``: run a campaign, or continue it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import ALONE, json_option, quiet_option
from gnncore.command_line.outputs import default_folder, folder_option
from gridstab.cli import app
from gridstab.cli.campaign_options import (
    CASE,
    ENGINE,
    EXECUTOR,
    GRIDS,
    HORIZON,
    HOW,
    NODES,
    STOP,
    WHAT,
    WHERE,
    WORKERS,
)
from gridstab.cli.choices import SAMPLERS
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
    from gridstab.datasets.run import Run


@app.command()
def simulate(
    nodes: int | None = NODES,
    grids: int | None = GRIDS,
    case: str | None = CASE,
    setting: str | None = SETTING,
    coupling: float | None = COUPLING,
    damping: float | None = DAMPING,
    inertia: float | None = INERTIA,
    node_table: str | None = NODE_TABLE,
    largest_component: bool = LARGEST_COMPONENT,
    samples: int | None = typer.Option(
        None, help="Perturbations a node. [default: 1000]", rich_help_panel=WHAT
    ),
    seed: int | None = typer.Option(
        None, help="Seed of grids and perturbations. [default: 0]", rich_help_panel=WHAT
    ),
    campaign: Path | None = typer.Option(
        None,
        "--campaign",
        help="TOML file whose keys are the options above and below; options win.",
        rich_help_panel=WHAT,
    ),
    engine: str | None = ENGINE,
    stop: str | None = STOP,
    sampler: str | None = typer.Option(
        None,
        help="mc, or sobol for narrower intervals. [default: mc]",
        rich_help_panel=HOW,
        autocompletion=one_of(*SAMPLERS),
    ),
    scrambles: int | None = typer.Option(
        None, help="Independent Sobol sequences. [default: 8]", rich_help_panel=HOW
    ),
    precision: float | None = typer.Option(
        None,
        help="Sample a node only until half its 95 % interval is below this.",
        rich_help_panel=HOW,
    ),
    horizon: float | None = HORIZON,
    dtheta_range: float | None = typer.Option(
        None, help="Largest phase offset in radians. [default: π]", rich_help_panel=HOW
    ),
    domega_range: float | None = typer.Option(
        None, help="Largest frequency offset in rad/s. [default: 15]", rich_help_panel=HOW
    ),
    workers: int | None = WORKERS,
    executor: str = EXECUTOR,
    out: Path | None = folder_option(
        "Run folder. [default: runs/<what is simulated>]", panel=WHERE
    ),
    resume: bool = typer.Option(
        False, "--resume", help="Continue the run in that folder.", rich_help_panel=WHERE
    ),
    as_json: bool = json_option(ALONE, WHERE),
    quiet: bool = quiet_option(WHERE),
    no_picture: bool = typer.Option(
        False, "--no-picture", help="Draw no pictures.", rich_help_panel=WHERE
    ),
    modules: list[str] = IMPORT_ENGINES,
) -> None:
    """Simulate the basin stability of every node of many grids.

    The numbers depend on the options under "what" and "how" alone: not on the workers, the
    executor or the interruptions of the run.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.progress import work_progress
    from gnncore.command_line.resuming import resumable
    from gridstab.cli.pictures import draw_pictures
    from gridstab.datasets.campaign import Campaign
    from gridstab.datasets.run import run_campaign

    import_modules(modules)
    config = Campaign.resolve(
        campaign,
        nodes=nodes,
        grids=grids,
        case=case,
        setting=setting,
        coupling=coupling,
        damping=damping,
        inertia=inertia,
        node_table=node_table,
        largest_component=largest_component or None,
        samples=samples,
        seed=seed,
        engine=engine,
        stop=stop,
        sampler=sampler,
        scrambles=scrambles,
        precision=precision,
        horizon=horizon,
        dtheta_range=dtheta_range,
        domega_range=domega_range,
    )
    out = default_folder("runs", config.name) if out is None else out
    with resumable("gridstab"), work_progress("trajectories", quiet=quiet) as on_progress:
        run = run_campaign(
            config,
            out,
            workers=workers,
            executor=executor,
            resume=resume,
            on_progress=on_progress,
        )
    if run.failures:
        unit, error = run.failures[0]
        typer.echo(
            f"gridstab: {len(run.failures)} units failed, the first, {unit}, with "
            f"{type(error).__name__}: {' '.join(str(error).split())}; all others are kept in "
            f"{str(out)!r}, try again with --resume",
            err=True,
        )
        raise typer.Exit(1)
    if not no_picture:
        draw_pictures(run.folder)
    _report(run, as_json=as_json, quiet=quiet)


def _report(run: "Run", *, as_json: bool, quiet: bool) -> None:
    from gridstab.cli.summary import print_json, print_summary, results, summarise

    summary: dict[str, Any] = {
        **summarise(run.folder),
        "trajectories": run.trajectories,
        "seconds": round(run.seconds, 3),
    }
    if as_json:
        print_json(summary, results(run.folder))
    elif not quiet:
        print_summary(summary)
        if not run.trajectories:
            typer.echo("The run was complete already.")
