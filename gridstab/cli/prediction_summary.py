"""What models predict, as one dictionary and as a table."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridstab.learning.known_range import Beyond
    from gridstab.learning.predicting import Predictions

WEAKEST = 10


def summarise_predictions(found: "Predictions") -> dict[str, Any]:
    """All nodes, the weakest first, time, and metrics where there are labels; JSON values."""
    loaded = found.loaded
    return {
        "task": found.task.name,
        "title": found.task.title,
        "name": loaded.grids[0].name if loaded.dataset is None else loaded.dataset.name,
        "grids": len(loaded.grids),
        "nodes": len(found.value),
        "mean_prediction": float(found.value.mean()),
        "seconds": round(found.seconds, 4),
        "simulation_seconds": loaded.simulation_seconds,
        "metrics": found.metrics,
        "beyond": summarise_beyond(found.beyond),
        "weakest": found.rows(WEAKEST),
        "results": found.rows(),
    }


def summarise_beyond(beyond: "Beyond | None") -> dict[str, Any] | None:
    """How many nodes are beyond what the model was trained on, and in what; None if not known."""
    if beyond is None:
        return None
    counts = {name: int(mask.sum()) for name, mask in beyond.is_beyond.items() if mask.any()}
    return {
        "nodes": int(beyond.nodes.sum()),
        "quantities": {
            name: {"nodes": count, "trained_on": list(beyond.known[name])}
            for name, count in counts.items()
        },
        "text": beyond.text,
    }


def print_predictions(summary: dict[str, Any]) -> None:
    """The dictionary of :func:`summarise_predictions` for people, on stdout."""
    from rich.table import Table

    from gnncore.command_line.output import cell
    from gnncore.command_line.output import console as make_console
    from gridstab.cli.learning_summary import print_metrics

    console = make_console()
    table = Table()
    labelled = "label" in summary["weakest"][0]
    interval = "low" in summary["weakest"][0]
    columns = ["grid", "node", "prediction"]
    columns += ["label"] * labelled + ["95 % interval"] * interval
    columns += ["beyond the training"] * ("beyond" in summary["weakest"][0])
    for column in columns:
        table.add_column(column)
    for row in summary["weakest"]:
        cells = [str(row["grid"]), row["name"], f"{row['prediction']:.3f}"]
        cells += [f"{row['label']:.3f}"] if labelled else []
        cells += [f"{row['low']:.3f} to {row['high']:.3f}"] if interval else []
        cells += [row["beyond"]] if "beyond" in row else []
        table.add_row(*map(cell, cells))
    console.print(f"Weakest nodes of {cell(summary['name'])}", soft_wrap=True)
    console.print(table)
    if summary["beyond"] and summary["beyond"]["text"]:
        console.print(f"Predictions are {summary['beyond']['text']}", soft_wrap=True)
    if summary["metrics"]:
        print_metrics(f"{summary['title']}, compared with the labels", {"": summary["metrics"]})
    simulated = summary["simulation_seconds"]
    ratio = ""
    if simulated:
        times = simulated / max(summary["seconds"], 1e-4)
        ratio = f"; their simulation took {simulated:,.1f} s, {times:,.0f} times as long"
    console.print(
        f"{summary['nodes']:,} nodes predicted in {summary['seconds']:.3f} s{ratio}",
        soft_wrap=True,
    )
