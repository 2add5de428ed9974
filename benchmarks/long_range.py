"""Do models see far? Peptides-func, and exact distances in random graphs, at equal budgets.

    python -m benchmarks.long_range --peptides FOLDER
    python -m benchmarks.long_range --tasks sssp,eccentricity,diameter --graphs 1024 --epochs 20

All graphs of the published studies are learned from unless ``--graphs`` says otherwise. All models
get the same number of parameters, epochs and learning rates to choose from; the best rate and epoch
are those of the validation graphs, the rate that of the first seed. Trainings are kept in ``--out``
and never repeated, so the program may be killed at any time and started again; ``--restore`` begins
with the numbers of the committed result files.
"""

import statistics
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from benchmarks.cells import Result, restore_cells, time_warning
from benchmarks.graph_tasks.contestants import CONTESTANTS, specification
from benchmarks.graph_tasks.graph_properties import PROPERTIES, PUBLISHED_GRAPHS, make_tasks
from benchmarks.graph_tasks.peptides import peptides_task, write_tiny_peptides
from benchmarks.graph_tasks.task import GraphTask
from benchmarks.graph_tasks.training import settings_of
from benchmarks.graph_tasks.tuning import CELL, at_best_rate, tuned
from benchmarks.hardware import ROOT
from benchmarks.options import names_of, rates_of
from benchmarks.results import FOLDER, Report, console, spread
from benchmarks.running import run_benchmark
from gnncore.storage import read_json

PEPTIDES = "peptides-func"
PUBLISHED_PEPTIDES = {
    "GCN": "0.5930 (arXiv:2206.08164), tuned 0.6860 ± 0.0050 (arXiv:2309.00367)",
    "GPS": "0.6535 ± 0.0041 (arXiv:2205.12454), tuned 0.6534 ± 0.0091 (arXiv:2309.00367)",
}
"""Average precision on the test graphs."""


def main(
    tasks: Annotated[
        str,
        typer.Option(help=f"With commas, of {PEPTIDES}, {', '.join(PROPERTIES)}."),
    ] = ",".join((*PROPERTIES, PEPTIDES)),
    models: Annotated[str, typer.Option(help="Names with commas.")] = ",".join(CONTESTANTS),
    peptides: Annotated[Path | None, typer.Option(help="Folder of Peptides-func.")] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of every model.", min=1)] = 3,
    epochs: Annotated[int, typer.Option(help="Epochs of every training.", min=1)] = 100,
    peptides_epochs: Annotated[
        int | None, typer.Option(help="Epochs on Peptides-func, if they should differ.", min=1)
    ] = None,
    rates: Annotated[str, typer.Option(help="Learning rates to choose from.")] = "0.001,0.003",
    parameters: Annotated[
        int, typer.Option(help="Parameters of every model, at most.", min=1)
    ] = 100_000,
    batch_size: Annotated[int, typer.Option(help="Graphs a step.", min=1)] = 64,
    graphs: Annotated[int | None, typer.Option(help="Training graphs at most.", min=1)] = None,
    smallest: Annotated[
        int, typer.Option(help="Nodes of random graphs, from here ...", min=1)
    ] = 25,
    largest: Annotated[int, typer.Option(help="... to here.", min=1)] = 34,
    walks: Annotated[int, typer.Option(help="Random-walk encoding on Peptides-func.", min=0)] = 20,
    out: Annotated[Path, typer.Option(help="Where trainings are kept.")] = ROOT
    / "runs"
    / "long_range",
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    restore: Annotated[
        bool, typer.Option(help="Begin with what the committed result files hold.")
    ] = False,
    collect_only: Annotated[
        bool, typer.Option(help="Train nothing; show what is trained so far.")
    ] = False,
    quick: Annotated[bool, typer.Option(help="A few tiny graphs, to see that it runs.")] = False,
) -> None:
    """Train what is not trained yet, and show everything."""
    changes: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as scratch:
        if quick:
            seeds, epochs, rates, parameters, graphs = 2, 2, "0.003", 4000, 32
            smallest, largest, walks, out = 6, 10, 4, Path(scratch) / "cells"
            peptides = Path(scratch) / "peptides"
            write_tiny_peptides(peptides)
            changes = {name: {"num_layers": 2} for name in CONTESTANTS}
            changes["DBGNN"]["layer_options"] = {"num_steps": 2}
        wanted = names_of(tasks, (*PROPERTIES, PEPTIDES), "task")
        named, choice = names_of(models, CONTESTANTS, "model"), rates_of(rates)
        if restore:
            for path in sorted(FOLDER.glob("long_range*.json")):
                restore_cells(out, _cells_of(read_json(path)))
        report = Report("long_range", "Long-range tasks", quick=quick)
        measured: dict[str, Any] = {}
        chosen = _tasks(wanted, peptides, graphs, (smallest, largest), out, report)
        for task in chosen:
            of_peptides = task.name == PEPTIDES
            common = settings_of(peptides_epochs or epochs if of_peptides else epochs, batch_size)
            specifications = {
                name: specification(
                    name,
                    task,
                    parameters,
                    walks=walks if of_peptides else 0,
                    **changes.get(name, {}),
                )
                for name in named
            }
            done = tuned(
                specifications, task, choice, seeds, common, out, collect_only=collect_only
            )
            _table(report, task, done)
            measured[task.name] = {"facts": task.facts, "baseline": task.baseline, "cells": done}
        report.say(
            f"At most {parameters:,} parameters; the learning rate is the best of {rates} on "
            "validation with the first seed. ± is the standard deviation over seeds."
        )
        if seeds == 1:
            report.say("Single trainings have no spread; they show cost and learning, not ranks.")
        for sentence in time_warning(report.record):
            report.say(sentence)
        report.save(
            {
                "seeds": seeds,
                "epochs": epochs,
                "peptides_epochs": peptides_epochs,
                "rates": rates,
                "parameters": parameters,
                "batch_size": batch_size,
                "walks": walks,
            },
            measured,
            json,
        )


def _cells_of(result: dict[str, Any]) -> dict[str, Result]:
    """The trainings of a result file by their folders, where it names these."""
    cells = [cell for task in result["measured"].values() for cell in task["cells"]]
    return {
        cell[CELL]: {name: value for name, value in cell.items() if name != CELL}
        for cell in cells
        if CELL in cell
    }


def _tasks(
    names: list[str],
    peptides: Path | None,
    graphs: int | None,
    nodes: tuple[int, int],
    out: Path,
    report: Report,
) -> Iterator[GraphTask]:
    """One after the other, so that the first need not wait for the data of the last."""
    chosen = [name for name in names if name in PROPERTIES]
    if chosen:
        share = min(1.0, (graphs or PUBLISHED_GRAPHS["train"]) / PUBLISHED_GRAPHS["train"])
        counts = {split: max(8, round(share * n)) for split, n in PUBLISHED_GRAPHS.items()}
        made = make_tasks(nodes, counts, seed=0)
        yield from (made[name] for name in chosen)
    if PEPTIDES not in names:
        return
    if peptides is None:
        report.say("Peptides-func is left out: give its folder with --peptides.")
        return
    try:
        console.print("reading Peptides-func")
        task = peptides_task(peptides, out, graphs=graphs)
    except ModuleNotFoundError as error:
        report.say(f"Peptides-func is left out: {error}; pip install rdkit.")
    except FileNotFoundError as error:
        report.say(f"Peptides-func is left out: {error}.")
    else:
        yield task


def _table(report: Report, task: GraphTask, results: list[Result]) -> None:
    """The best learning rate of each model, by validation."""
    rows = []
    for name in dict.fromkeys(result["model"] for result in results):
        own = [result for result in results if result["model"] == name]
        best = [result for result in at_best_rate(own, task) if result["test"] is not None]
        if not best:
            rows.append([name, f"{own[0]['parameters']:,}", "diverged", *[""] * 5])
            continue
        per_epoch = statistics.mean(result["seconds"] / result["epochs"] for result in best)
        rows.append(
            [
                name,
                f"{best[0]['parameters']:,}",
                spread([result["test"] for result in best]),
                f"{best[0]['learning_rate']:g}",
                str(best[0]["epochs"]),
                f"{statistics.mean(result['best_epoch'] for result in best):.0f}",
                f"{per_epoch:.3g}",
                str(len(best)),
            ]
        )
    rows.append(["mean of the training labels", "", f"{task.baseline:.3f}", *[""] * 5])
    counts, every = task.facts["graphs"], task.facts["all training graphs"]
    words = ", ".join(f"{count:,} {split}" for split, count in counts.items())
    direction = "larger" if task.larger_is_better else "smaller"
    report.table(
        f"{task.name} ({words} graphs): {task.measure}, {direction} is better",
        [
            "model",
            "parameters",
            "test",
            "rate",
            "epochs",
            "best epoch",
            "seconds an epoch",
            "seeds",
        ],
        rows,
    )
    if counts["train"] < every:
        report.say(f"{task.name} is cut to {counts['train']:,} of {every:,} training graphs.")
    if task.name == PEPTIDES:
        for name, value in PUBLISHED_PEPTIDES.items():
            report.say(f"Published for {name}, all graphs and up to 500,000 parameters: {value}.")


if __name__ == "__main__":
    run_benchmark(main)
