"""Do models see far? Peptides-func, and exact distances in random graphs, at equal budgets.

    python -m benchmarks.long_range --peptides FOLDER
    python -m benchmarks.long_range --tasks sssp,eccentricity,diameter --seeds 3 --epochs 100
    python -m benchmarks.long_range --tasks signal --distances 2,4,8,16,32 --json signal.json

The first two run on all graphs of the published studies unless ``--graphs`` says otherwise. The
task ``signal`` asks how far a signal carries: accuracy against the distance, for every layer, each
as deep as the distance asks.

All models get the same number of parameters, epochs and learning rates to choose from; the best
rate and epoch are those of the validation graphs. Trainings are kept in ``--out`` and never
repeated, so the program may be killed at any time and started again.
"""

import statistics
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from benchmarks.cells import Result, time_warning
from benchmarks.graph_tasks.contestants import CONTESTANTS, SINGLE_LAYERS, specification
from benchmarks.graph_tasks.graph_properties import PROPERTIES, PUBLISHED_GRAPHS, make_tasks
from benchmarks.graph_tasks.peptides import peptides_task, write_tiny_peptides
from benchmarks.graph_tasks.signals import DISTANCES, GRAPHS, reaching, signal_task
from benchmarks.graph_tasks.task import GraphTask
from benchmarks.graph_tasks.training import Cell
from benchmarks.hardware import ROOT
from benchmarks.results import Report, console, spread
from gnncore.training import TrainingSettings

PEPTIDES, SIGNAL = "peptides-func", "signal"
PUBLISHED_PEPTIDES = {
    "GCN": "0.5930 (arXiv:2206.08164), tuned 0.6860 ± 0.0050 (arXiv:2309.00367)",
    "GPS": "0.6535 ± 0.0041 (arXiv:2205.12454), tuned 0.6534 ± 0.0091 (arXiv:2309.00367)",
}
"""Average precision on the test graphs."""


def main(
    tasks: Annotated[
        str,
        typer.Option(help=f"With commas, of {PEPTIDES}, {', '.join(PROPERTIES)}, {SIGNAL}."),
    ] = ",".join((*PROPERTIES, PEPTIDES)),
    models: Annotated[str, typer.Option(help="Names with commas.")] = ",".join(CONTESTANTS),
    signal_models: Annotated[str, typer.Option(help="Models of the task signal.")] = ",".join(
        (*CONTESTANTS, *SINGLE_LAYERS)
    ),
    distances: Annotated[
        str, typer.Option(help="Edges that the signal has to go; with commas.")
    ] = ",".join(map(str, DISTANCES)),
    peptides: Annotated[Path | None, typer.Option(help="Folder of Peptides-func.")] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of every model.")] = 3,
    epochs: Annotated[int, typer.Option(help="Epochs of every training.")] = 100,
    peptides_epochs: Annotated[
        int | None, typer.Option(help="Epochs on Peptides-func, if they should differ.")
    ] = None,
    rates: Annotated[str, typer.Option(help="Learning rates to choose from.")] = "0.001,0.003",
    parameters: Annotated[int, typer.Option(help="Parameters of every model, at most.")] = 100_000,
    batch_size: Annotated[int, typer.Option(help="Graphs a step.")] = 64,
    graphs: Annotated[int | None, typer.Option(help="Training graphs at most.")] = None,
    smallest: Annotated[int, typer.Option(help="Nodes of random graphs, from here ...")] = 25,
    largest: Annotated[int, typer.Option(help="... to here.")] = 34,
    walks: Annotated[int, typer.Option(help="Random-walk encoding on Peptides-func.")] = 20,
    out: Annotated[Path, typer.Option(help="Where trainings are kept.")] = ROOT
    / "runs"
    / "long_range",
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A few tiny graphs, to see that it runs.")] = False,
) -> None:
    """Train what is not trained yet, and show everything."""
    changes: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as scratch:
        if quick:
            seeds, epochs, rates, parameters, graphs = 2, 2, "0.003", 4000, 32
            smallest, largest, walks, out = 6, 10, 4, Path(scratch) / "cells"
            distances = "1,2"
            tasks = f"{tasks},{SIGNAL}"
            peptides = Path(scratch) / "peptides"
            write_tiny_peptides(peptides)
            changes = {name: {"num_layers": 2} for name in CONTESTANTS}
            changes["DBGNN"]["layer_options"] = {"num_steps": 2}
        report = Report("long_range", "Long-range tasks", quick=quick)
        measured: dict[str, Any] = {}
        far = [int(distance) for distance in distances.split(",")]
        chosen = _tasks(tasks.split(","), peptides, graphs, (smallest, largest), far, out, report)
        for task in chosen:
            reach = task.facts.get("distance")
            names = models if reach is None else signal_models
            steps = walks if task.name == PEPTIDES else 0
            length = peptides_epochs or epochs if task.name == PEPTIDES else epochs
            cells = [
                Cell(
                    name,
                    specification(
                        name,
                        task,
                        parameters,
                        walks=steps,
                        **(changes.get(name, {}) if reach is None else reaching(name, reach)),
                    ),
                    _settings(length, float(rate), batch_size, seed),
                )
                for seed in range(1, seeds + 1)
                for rate in rates.split(",")
                for name in names.split(",")
            ]
            results = []
            for number, cell in enumerate(cells, 1):
                console.print(f"{task.name} {number}/{len(cells)}: {cell.name}")
                results.append(cell.run(task, out))
            done = [result for result in results if result is not None]
            _table(report, task, done)
            measured[task.name] = {"facts": task.facts, "baseline": task.baseline, "cells": done}
        _reach_table(report, measured)
        report.say(
            f"At most {parameters:,} parameters; the learning rate is one of {rates}. ± is the "
            "standard deviation over seeds."
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


def _tasks(
    names: list[str],
    peptides: Path | None,
    graphs: int | None,
    nodes: tuple[int, int],
    distances: list[int],
    out: Path,
    report: Report,
) -> Iterator[GraphTask]:
    """One after the other, so that the first need not wait for the data of the last."""
    unknown = sorted(set(names) - {*PROPERTIES, PEPTIDES, SIGNAL})
    if unknown:
        raise typer.BadParameter(f"there is no task {unknown[0]!r}")
    chosen = [name for name in names if name in PROPERTIES]
    if chosen:
        share = min(1.0, (graphs or PUBLISHED_GRAPHS["train"]) / PUBLISHED_GRAPHS["train"])
        counts = {split: max(8, round(share * n)) for split, n in PUBLISHED_GRAPHS.items()}
        made = make_tasks(nodes, counts, seed=0)
        yield from (made[name] for name in chosen)
    if SIGNAL in names:
        share = min(1.0, (graphs or GRAPHS["train"]) / GRAPHS["train"])
        counts = {split: max(8, round(share * n)) for split, n in GRAPHS.items()}
        yield from (signal_task(distance, counts, seed=0) for distance in distances)
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


def _settings(epochs: int, rate: float, batch_size: int, seed: int) -> TrainingSettings:
    return TrainingSettings(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=rate,
        weight_decay=1e-5,
        schedule="cosine",
        warm_up=0.05,
        clip_norm=1.0,
        seed=seed,
    )


def _table(report: Report, task: GraphTask, results: list[Result]) -> None:
    """The best learning rate of each model, by validation."""
    rows = []
    for name in dict.fromkeys(result["model"] for result in results):
        best = _best_rate([result for result in results if result["model"] == name], task)
        scores = [result["test"] for result in best]
        spread = f" ± {statistics.stdev(scores):.3f}" if len(scores) > 1 else ""
        per_epoch = statistics.mean(result["seconds"] / result["epochs"] for result in best)
        rows.append(
            [
                name,
                f"{best[0]['parameters']:,}",
                f"{statistics.mean(scores):.3f}{spread}",
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


def _reach_table(report: Report, measured: dict[str, Any]) -> None:
    """Accuracy of every model against the distance, each at its best learning rate."""
    signals = {name: one for name, one in measured.items() if name.startswith(f"{SIGNAL}-")}
    if not signals:
        return
    rows: dict[str, list[str]] = {}
    for one in signals.values():
        for name in dict.fromkeys(result["model"] for result in one["cells"]):
            own = [result for result in one["cells"] if result["model"] == name]
            scores = [result["test"] for result in _best(own, largest=False)]
            rows.setdefault(name, []).append(spread(scores))
    report.table(
        "How far a signal carries: accuracy (chance is 0.2) against the edges between the nodes",
        ["model", *(name.removeprefix(f"{SIGNAL}-") for name in signals)],
        [[name, *cells] for name, cells in rows.items()],
    )


def _best_rate(results: list[Result], task: GraphTask) -> list[Result]:
    return _best(results, largest=task.objective.maximise)


def _best(results: list[Result], *, largest: bool) -> list[Result]:
    """The trainings at the learning rate that is the best on validation."""
    by_rate: dict[float, list[Result]] = {}
    for result in results:
        by_rate.setdefault(result["learning_rate"], []).append(result)
    sign = 1 if largest else -1
    return max(
        by_rate.values(),
        key=lambda cells: sign * statistics.mean(cell["validation"] for cell in cells),
    )


if __name__ == "__main__":
    typer.run(main)
