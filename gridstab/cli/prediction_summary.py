"""What models predict, as one dictionary and as a table."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridstab.learning.known_range import Beyond
    from gridstab.learning.predictions import Predictions

WEAKEST = 10


def summarise_predictions(found: "Predictions") -> dict[str, Any]:
    """All nodes, the weakest first, time, and metrics where there are labels; JSON values."""
    from gridstab.cli.judged_summary import summarise_judged

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
        **({} if found.judged is None else summarise_judged(found.judged, found.metrics)),
        "beyond": summarise_beyond(found.beyond),
        "intervals": summarise_intervals(found),
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


def summarise_intervals(found: "Predictions") -> dict[str, Any] | None:
    """What the intervals are, and how many labels they hold; None where none were asked for."""
    intervals = found.intervals
    if intervals is None:
        return None
    return {
        "level": intervals.level,
        "normalised": intervals.normalised,
        "calibrated_on": {"grids": intervals.grids, "nodes": intervals.nodes},
        "mean_width": intervals.mean_width,
        "coverage": found.coverage,
    }


def print_predictions(summary: dict[str, Any]) -> None:
    """The dictionary of :func:`summarise_predictions` for people, on stdout."""
    from rich.table import Table

    from gnncore.command_line.output import cell
    from gnncore.command_line.output import console as make_console
    from gridstab.cli.judged_summary import said_of_judged
    from gridstab.cli.learning_summary import print_metrics
    from gridstab.report.bounds import IS_BOUND

    console = make_console()
    table = Table()
    labelled = "label" in summary["weakest"][0]
    interval = "low" in summary["weakest"][0]
    predicted = summary["intervals"]
    columns = ["grid", "node", "prediction"]
    columns += [f"{100 * predicted['level']:g} % interval"] if predicted else []
    wide = "wide " if summary["metrics"].get(IS_BOUND) else ""
    columns += ["label"] * labelled + [f"{wide}95 % interval of the label"] * interval
    learnt = any(row.get("part", "other") != "other" for row in summary["weakest"])
    columns += ["learnt from"] * learnt
    columns += ["beyond the training"] * ("beyond" in summary["weakest"][0])
    for column in columns:
        table.add_column(column)
    for row in summary["weakest"]:
        cells = [str(row["grid"]), row["name"], f"{row['prediction']:.3f}"]
        if predicted:
            cells.append(f"{row['prediction_low']:.3f} to {row['prediction_high']:.3f}")
        cells += [f"{row['label']:.3f}"] if labelled else []
        cells += [f"{row['low']:.3f} to {row['high']:.3f}"] if interval else []
        cells += [row["part"] if row["part"] != "other" else ""] if learnt else []
        cells += [row["beyond"]] if "beyond" in row else []
        table.add_row(*map(cell, cells))
    console.print(f"Weakest nodes of {cell(summary['name'])}", soft_wrap=True)
    console.print(table)
    if summary["beyond"] and summary["beyond"]["text"]:
        console.print(f"Predictions are {summary['beyond']['text']}", soft_wrap=True)
    if predicted:
        learnt_alone = summary.get("metrics_of") == "learnt"
        whose = "labels of grids that it learnt from" if learnt_alone else "labels"
        console.print(_said_of(predicted, whose), soft_wrap=True)
    if summary["metrics"]:
        print_metrics(f"{summary['title']}, compared with the labels", {"": summary["metrics"]})
        if (remark := said_of_judged(summary)) is not None:
            console.print(remark, soft_wrap=True)
    simulated = summary["simulation_seconds"]
    ratio = ""
    if simulated:
        times = simulated / max(summary["seconds"], 1e-4)
        digits = 0 if times >= 10 else 1
        ratio = f"; their simulation took {simulated:,.1f} s, {times:,.{digits}f} times as long"
    console.print(
        f"{summary['nodes']:,} nodes predicted in {summary['seconds']:.3f} s{ratio}",
        soft_wrap=True,
    )


def _said_of(intervals: dict[str, Any], whose: str) -> str:
    """The intervals in one line.

    Args:
        intervals: What :func:`summarise_intervals` gave.
        whose: Which labels they are compared with.
    """
    from gridstab.counted import counted

    seen = intervals["calibrated_on"]
    text = (
        f"Intervals of {100 * intervals['level']:g} %, {intervals['mean_width']:.3f} wide on "
        f"average, calibrated on {counted(seen['grids'], 'validation grid')}"
    )
    if intervals["coverage"] is not None:
        text += f"; they hold {intervals['coverage']:.1%} of the {whose}"
    return text
