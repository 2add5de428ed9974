"""What a run found, as one dictionary and as a table."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridstab.datasets.run_folder import RunFolder

WEAKEST = 5


def summarise(folder: "RunFolder") -> dict[str, Any]:
    """Means over all nodes that are there, and the weakest of them; plain JSON values."""
    import numpy as np

    from gridstab.dynamics.intervals import wilson_interval

    config = folder.config
    snbs, widths, undecided, samples, weakest = [], [], 0, 0, []
    for grid_id in folder.grid_ids:
        if config.imported is None:
            result = folder.result(grid_id)
            share, interval = result.snbs, result.interval
            undecided += int(result.n_undecided.sum())
            samples += int(result.n_samples.sum())
        else:
            share = folder.label(grid_id).snbs
            counts = np.rint(share * config.imported.samples).astype(np.int64)
            total = np.full(len(share), config.imported.samples)
            interval = wilson_interval(counts, total)
            samples += int(total.sum())
        snbs.append(share)
        widths.append(interval[:, 1] - interval[:, 0])
        for node in np.argsort(share, kind="stable")[:WEAKEST].tolist():
            low, high = interval[node].tolist()
            weakest.append(
                {
                    "grid": grid_id,
                    "node": node,
                    "snbs": float(share[node]),
                    "low": low,
                    "high": high,
                }
            )
    weakest.sort(key=lambda row: (row["snbs"], row["grid"], row["node"]))
    return {
        "run": str(folder.path),
        "complete": folder.is_complete,
        "config": config.model_dump(mode="json", exclude_none=True),
        "grids": len(snbs),
        "nodes": sum(map(len, snbs)),
        "samples": samples,
        "undecided": undecided,
        "mean_snbs": float(np.concatenate(snbs).mean()) if snbs else None,
        "mean_interval_width": float(np.concatenate(widths).mean()) if snbs else None,
        "weakest": weakest[:WEAKEST],
    }


def print_summary(summary: dict[str, Any]) -> None:
    """The dictionary of :func:`summarise` for people, on stdout."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    state = "" if summary["complete"] else f" (unfinished: {summary['grids']} grids)"
    console.print(f"{summary['run']}{state}", markup=False, highlight=False, soft_wrap=True)
    if summary["mean_snbs"] is None:
        return
    table = Table(
        "grid", "node", "SNBS", "95 % interval", title="Weakest nodes", title_justify="left"
    )
    for row in summary["weakest"]:
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        table.add_row(str(row["grid"]), str(row["node"]), f"{row['snbs']:.3f}", interval)
    console.print(table)
    facts = Table.grid(padding=(0, 2))
    facts.add_row("mean SNBS", f"{summary['mean_snbs']:.4f}")
    facts.add_row("mean interval width", f"{summary['mean_interval_width']:.4f}")
    facts.add_row("undecided", f"{summary['undecided']:,} of {summary['samples']:,} trajectories")
    if summary.get("seconds"):
        rate = summary["trajectories"] / summary["seconds"]
        facts.add_row("rate", f"{rate:,.0f} trajectories/s")
    console.print(facts)
