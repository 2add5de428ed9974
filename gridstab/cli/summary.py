"""What a run found: as one dictionary, as a table, and node by node as JSON or CSV."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridstab.datasets.counted_grid import CountedGrid
    from gridstab.datasets.run_folder import RunFolder

WEAKEST = 5


def summarise(folder: "RunFolder") -> dict[str, Any]:
    """Means over all nodes that are there, and the weakest of them; plain JSON values."""
    import numpy as np

    campaign = folder.config.campaign
    precision = None if campaign is None else campaign.precision
    nodes, undecided, samples, short = 0, 0, 0, 0
    snbs, widths, weakest = [], [], []
    for grid in results(folder):
        share = np.array(grid["snbs"])
        snbs.append(share)
        widths.append(np.subtract(grid["high"], grid["low"]))
        if precision is not None:
            short += int((widths[-1] / 2 > precision).sum())
        nodes += len(share)
        undecided += sum(grid.get("undecided", ()))
        samples += sum(grid["samples"])
        for node in np.argsort(share, kind="stable")[:WEAKEST].tolist():
            row = {name: grid[name][node] for name in ("node", "name", "snbs", "low", "high")}
            weakest.append({"grid": grid["grid"], **row})
    weakest.sort(key=lambda row: (row["snbs"], row["grid"], row["node"]))
    return {
        "run": str(folder.path),
        "complete": folder.is_complete,
        "config": folder.config.model_dump(mode="json", exclude_none=True),
        "grids": len(snbs),
        "nodes": nodes,
        "samples": samples,
        "undecided": undecided,
        "mean_snbs": float(np.concatenate(snbs).mean()) if snbs else None,
        "mean_interval_width": float(np.concatenate(widths).mean()) if snbs else None,
        **({} if precision is None else {"short_of_precision": short}),
        "weakest": weakest[:WEAKEST],
    }


def results(folder: "RunFolder") -> Iterator[dict[str, Any]]:
    """All nodes of every grid that is there.

    Yields:
        ``grid``, its number, ``grid_name``, and lists with one entry a node: ``node``, its number,
        ``name``, its label, ``samples``, ``snbs``, ``low``, ``high`` and what else is known, as
        :meth:`StabilityResult.to_dict` names it.
    """
    from gridstab.datasets.counted_grid import CountedGrid

    for grid_id in folder.grid_ids:
        if folder.config.imported is None:
            result = folder.result(grid_id)
            yield {"grid": grid_id, "grid_name": result.grid.name, **result.to_dict()}
        else:
            one = CountedGrid.read(folder, grid_id)
            yield {"grid": grid_id, "grid_name": one.grid.name, **_columns(one)}


def packed_results(grids: "Iterable[CountedGrid]") -> Iterator[dict[str, Any]]:
    """As :func:`results`, of the grids of a packed set, which keeps no names of nodes.

    Args:
        grids: The grids; where counts are not known, neither are intervals.
    """
    for one in grids:
        columns = {name: values for name, values in _columns(one).items() if name != "name"}
        yield {"grid": one.grid_id, "grid_name": one.grid.name, **columns}


def _columns(one: "CountedGrid") -> dict[str, list[Any]]:
    import numpy as np

    from gridstab.dynamics.intervals import stability_interval

    known: dict[str, Any] = {"node": np.arange(one.grid.num_nodes), "name": one.grid.labels}
    if one.n_samples is None or one.n_stable is None:
        known["snbs"] = one.snbs
    else:
        scrambles = one.scramble_stable
        if scrambles is None:
            scrambles = np.zeros((one.grid.num_nodes, 0), dtype=np.int64)
        interval = stability_interval(one.n_stable, one.n_samples, scrambles)
        known |= {"samples": one.n_samples, "stable": one.n_stable, "undecided": one.n_undecided}
        known |= {"snbs": one.snbs, "low": interval[:, 0], "high": interval[:, 1]}
    known["survivability"] = one.survivability
    known["max_frequency_deviation"] = one.max_frequency_deviation
    known["troublemaker"] = None if one.troublemaker is None else one.troublemaker.astype(bool)
    return {
        name: values.tolist() if isinstance(values, np.ndarray) else list(values)
        for name, values in known.items()
        if values is not None
    }


def print_json(summary: dict[str, Any], grids: Iterable[dict[str, Any]]) -> None:
    """The summary and, as ``results``, all nodes: one object in one line on stdout.

    Grids are written one by one, for those of a large run do not fit into memory together.
    """
    import typer

    from gnncore.command_line.json_output import to_json

    typer.echo(f'{to_json(summary)[:-1]}, "results": [', nl=False)
    for number, grid in enumerate(grids):
        typer.echo(f"{', ' if number else ''}{to_json(grid)}", nl=False)
    typer.echo("]}")


def write_csv(grids: Iterable[dict[str, Any]], path: Path) -> int:
    """Create or replace a table of all nodes, with the names of the columns first.

    Args:
        grids: Grids of :func:`results` or :func:`packed_results`.
        path: The file.

    Returns:
        Number of rows below them.

    Raises:
        StorageError: The file cannot be written.
    """
    import csv
    import io

    from gnncore.storage import leading_to, write_text

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = 0
    for grid in grids:
        columns = {name: values for name, values in grid.items() if isinstance(values, list)}
        if not rows:
            writer.writerow(["grid", *columns])
        rows += len(columns["node"])
        for row in zip(*columns.values(), strict=True):
            writer.writerow([grid["grid"], *row])
    write_text(leading_to(path), text.getvalue())
    return rows


def print_summary(summary: dict[str, Any]) -> None:
    """The dictionary of :func:`summarise` for people, on stdout."""
    from rich.table import Table

    from gnncore.command_line.output import cell, printable
    from gnncore.command_line.output import console as make_console
    from gridstab.counted import counted

    console = make_console()
    state = "" if summary["complete"] else f" (unfinished: {counted(summary['grids'], 'grid')})"
    console.print(printable(f"{summary['run']}{state}"), soft_wrap=True)
    if summary["mean_snbs"] is None:
        return
    table = Table(
        "grid", "node", "SNBS", "95 % interval", title="Weakest nodes", title_justify="left"
    )
    for row in summary["weakest"]:
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        table.add_row(str(row["grid"]), cell(row["name"]), f"{row['snbs']:.3f}", interval)
    console.print(table)
    facts = Table.grid(padding=(0, 2))
    facts.add_row("mean SNBS", f"{summary['mean_snbs']:.4f}")
    facts.add_row("mean interval width", f"{summary['mean_interval_width']:.4f}")
    facts.add_row("undecided", f"{summary['undecided']:,} of {summary['samples']:,} trajectories")
    config = summary["config"]
    if summary.get("short_of_precision"):
        campaign = config["campaign"]
        facts.add_row(
            "precision",
            f"{campaign['precision']:g} is not reached at {summary['short_of_precision']:,} of "
            f"{summary['nodes']:,} nodes, which took all {campaign['samples']:,} samples; "
            "raise --samples",
        )
    if config.get("imported", {}).get("samples_assumed"):
        facts.add_row(
            "intervals",
            f"assume {config['imported']['samples']:,} trajectories a node; import with --samples "
            "where you know their number",
        )
    if (remark := remark_on_powers(config.get("campaign"))) is not None:
        facts.add_row("powers", remark)
    if summary.get("seconds"):
        rate = summary["trajectories"] / summary["seconds"]
        facts.add_row("rate", f"{rate:,.0f} trajectories/s")
    console.print(facts)


def remark_on_powers(campaign: Mapping[str, Any] | None) -> str | None:
    """What to say of powers that are not those of the user's own grid; None where they are.

    Args:
        campaign: The configuration, as JSON has it; None for imported labels.
    """
    case = None if campaign is None else campaign.get("case")
    if campaign is None or case is None or campaign.get("setting") == "case":
        return None
    if (table := campaign.get("node_table")) is not None:
        return f"those of {table!r}, or +1 or -1 at random if neither it nor {case!r} has any"
    suffix = Path(case).suffix.lower()
    if suffix in (".csv", ".txt"):
        return "+1 or -1 at random, as a list of lines has none; give them with --node-table"
    if case == "texas":
        return "+1 or -1 at random, as in the published studies"
    if suffix in ("", ".m"):
        return (
            "+1 or -1 at random, as in the published studies; --setting case takes the case's own"
        )
    return None
