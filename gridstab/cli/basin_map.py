"""``gridstab basin-map``: a picture of the perturbations from which a grid returns."""

from pathlib import Path

import typer

from gnncore.command_line.collisions import PICTURES
from gnncore.command_line.completion import one_of
from gnncore.command_line.outputs import file_option
from gridstab.cli import app
from gridstab.cli.choices import ENGINES, STOP_RULES
from gridstab.cli.options import (
    COUPLING,
    DAMPING,
    IMPORT_ENGINES,
    INERTIA,
    LARGEST_COMPONENT,
    NODE_TABLE,
    SETTING,
)


@app.command(name="basin-map")
def basin_map(
    node: str = typer.Option(
        ..., help="The perturbed node, by its label; those of random grids are 0, 1, ..."
    ),
    out: Path = file_option("PNG or SVG file to write.", PICTURES, default=...),
    nodes: int | None = typer.Option(None, help="Nodes of a random grid. [default: 100]"),
    case: str | None = typer.Option(None, help="texas, a MATPOWER case, or a file instead."),
    setting: str | None = SETTING,
    coupling: float | None = COUPLING,
    damping: float | None = DAMPING,
    inertia: float | None = INERTIA,
    node_table: str | None = NODE_TABLE,
    largest_component: bool = LARGEST_COMPONENT,
    seed: int = typer.Option(0, help="Seed of the random grid or powers."),
    grid: int = typer.Option(1, help="Number of the grid in the campaign of that seed."),
    resolution: int = typer.Option(100, help="Cells along each axis."),
    engine: str = typer.Option(
        "auto", help="Engine; see gridstab engines.", autocompletion=one_of(*ENGINES)
    ),
    stop: str = typer.Option(
        "fast", help="fast, certified, published or horizon.", autocompletion=one_of(*STOP_RULES)
    ),
    horizon: float = typer.Option(500.0, help="Longest simulated time in seconds."),
    modules: list[str] = IMPORT_ENGINES,
) -> None:
    """Draw from which phases and frequencies of one node the grid returns."""
    from gnncore.command_line.importing import import_modules
    from gnncore.figures import save_figure
    from gnncore.storage import leading_to
    from gridstab.datasets.campaign import Campaign
    from gridstab.dynamics.basin_map import basin_map as simulate_map
    from gridstab.errors import InvalidParameterError
    from gridstab.report.plots import plot_basin_map

    import_modules(modules)
    if grid < 1:
        raise InvalidParameterError(f"grid must be at least 1, got {grid}")
    campaign = Campaign.resolve(
        nodes=nodes,
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
    )
    chosen = campaign.source.grid(grid)
    result = simulate_map(
        chosen,
        chosen.node_number(node),
        resolution=resolution,
        engine=engine,
        stop=stop,
        horizon=horizon,
    )
    save_figure(plot_basin_map(result), leading_to(out))
    typer.echo(f"{out}: {result.share:.1%} of the perturbations return")
