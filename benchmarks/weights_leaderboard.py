"""Who reads properties of networks best from their weights: statistics, flat and equivariant
networks, and networks on the neural graph.

    python -m benchmarks.weights_leaderboard --zoos seed=zoos/mnist_seed,mixed=zoos/mixed --seeds 3

Networks, not checkpoints, are split into 70, 15 and 15 %, the same for all predictors and seeds;
settings and epochs are chosen on validation, and the test part is judged once. Fits are kept in
``--out`` and never repeated, so the program may be killed at any time and started again, also
several times at once.
"""

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.cells import Result, restore_cells, time_warning
from benchmarks.hardware import ROOT
from benchmarks.options import counts_of, numbers_of, require_zoos
from benchmarks.results import FOLDER, Report, console, known_cells, spread
from benchmarks.running import run_benchmark
from benchmarks.weights.cell import Cell
from benchmarks.weights.rows import choose_rows
from benchmarks.weights.tasks import Task, ZooOfBenchmark
from benchmarks.weights.throughput import measure_throughput, report_throughput
from gnncore.storage import read_json

QUICK_ROWS = "weight_statistics_ridge,flat_ridge,nfn,forward_propagation"
NETWORKS = ["forward_propagation", "message_passing", "relational_transformer", "dirac_bianconi"]


def main(
    zoos: Annotated[str, typer.Option(help="Zoos as name=folder, with commas.")] = "",
    targets: Annotated[
        str, typer.Option(help="Properties, with commas.")
    ] = "test_accuracy,generalisation_gap",
    transfers: Annotated[
        str,
        typer.Option(help="Tests on held-out networks as zoo:factor=value, with commas."),
    ] = "",
    rows: Annotated[str, typer.Option(help="Names of rows, with commas, or all.")] = "all",
    seeds: Annotated[int, typer.Option(help="Fits of every random row.", min=1)] = 3,
    models: Annotated[
        str, typer.Option(help="Networks of a zoo at most: a number, or zoo=number, with commas.")
    ] = "",
    epochs_of_zoo: Annotated[
        str, typer.Option(help="Kept epochs of the zoos, with commas; all unless given.")
    ] = "",
    epochs: Annotated[int | None, typer.Option(help="Passes over the networks.", min=1)] = None,
    out: Annotated[Path, typer.Option(help="Where fits are kept.")] = ROOT
    / "runs"
    / "weights_leaderboard",
    collect_only: Annotated[
        bool, typer.Option(help="Fit and measure nothing, only write the tables of what is there.")
    ] = False,
    restore: Annotated[
        bool, typer.Option(help="Begin with what the committed result file holds.")
    ] = False,
    throughput: Annotated[bool, typer.Option(help="Measure the throughput too.")] = True,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A tiny zoo, to see that it runs.")] = False,
) -> None:
    """Fit what is not fitted yet, and rank everything."""
    with TemporaryDirectory() as scratch:
        if quick:
            zoos, out, rows = _tiny(Path(scratch)), Path(scratch) / "cells", QUICK_ROWS
            epochs, seeds, transfers = 2, 2, "tiny:width=6"
        chosen, limits = choose_rows(rows), _limits(models)
        taken = tuple(numbers_of(epochs_of_zoo, "epochs"))
        require_zoos(zoos, transfers)
        report = Report("weights_leaderboard", "Properties of networks from weights", quick=quick)
        known = {
            name: ZooOfBenchmark(name, Path(folder), limits.get(name, limits.get("")), taken)
            for name, _, folder in (part.partition("=") for part in zoos.split(",") if part)
        }
        names = targets.split(",")
        tasks = [Task(zoo, name) for zoo in known.values() for name in names]
        tasks += [
            Task(known[zoo], name, _held_out(condition))
            for zoo, _, condition in (part.partition(":") for part in transfers.split(",") if part)
            for name in names
        ]
        options = {} if epochs is None else {"epochs": epochs}
        cells = [
            Cell(row, task, seed, options)
            for seed in range(1, seeds + 1)
            for task in tasks
            for row in chosen
            if seed == 1 or row.is_random
        ]
        if restore:
            restore_cells(out, known_cells("weights_leaderboard"))
        if collect_only:
            cells = [cell for cell in cells if cell.is_done(out)]
        results = _run(cells, out)
        for task in tasks:
            found = [result for result in results.values() if result["task"] == task.name]
            _table(report, task, found)
        measured = []
        if throughput and not collect_only:
            measured = measure_throughput(NETWORKS[: 1 if quick else 4], quick=quick)
        elif throughput and restore:
            measured = _known_throughput()
        report_throughput(report, measured)
        for sentence in [] if collect_only else time_warning(report.record):
            report.say(sentence)
        report.save(
            {"zoos": list(known), "targets": names, "seeds": seeds, "models": models}
            | {"epochs": epochs, "epochs_of_zoo": list(taken), "transfers": transfers},
            {"cells": results, "throughput": measured},
            json,
        )


def _known_throughput() -> list[Result]:
    """What the committed result file says."""
    return list(read_json(FOLDER / "weights_leaderboard.json")["measured"]["throughput"])


def _run(cells: list[Cell], out: Path) -> dict[str, Result]:
    """The results, by the folders of their cells below ``out``."""
    results = {}
    try:
        for number, cell in enumerate(cells, 1):
            console.print(f"{number}/{len(cells)} {cell.row.name}, {cell.task.name}, {cell.seed}")
            result = cell.run(out)
            if result is not None:
                results[str(cell.folder(out).relative_to(out))] = result
    except KeyboardInterrupt:
        console.print("interrupted; the tables show what is there")
    return results


def _table(report: Report, task: Task, results: list[Result]) -> None:
    if not results:
        return
    by_row: dict[str, list[Result]] = {}
    for result in results:
        by_row.setdefault(result["row"], []).append(result)
    ranked = sorted(by_row.items(), key=lambda item: -_mean(item[1]))
    lines = [[name, *_line(found)] for name, found in ranked]
    split = task.split
    report.table(
        f"{task.name}: {len(split.train):,} networks to learn from, {len(split.test):,} to test",
        ["predictor", "R² or accuracy", "Kendall τ", "parameters", "seconds", "seeds"],
        lines,
    )
    for name, found in ranked:
        if "failed" in found[0]:
            report.say(f"{name} cannot run on {task.name}: {found[0]['failed']}.")


def _line(found: list[Result]) -> list[str]:
    if "failed" in found[0]:
        return ["cannot run", "", "", "", ""]
    scores = [_score(result) for result in found]
    taus = [r["metrics"]["kendall_tau"] for r in found if "kendall_tau" in r["metrics"]]
    seconds = statistics.mean(result["processor_seconds"] for result in found)
    parameters = found[0]["parameters"]
    size = f"{parameters:,}" if parameters else ""
    return [spread(scores, 4), spread(taus, 4), size, f"{seconds:.0f}", str(len(found))]


def _score(result: Result) -> float:
    metrics = result["metrics"]
    return float(metrics["r2"] if "r2" in metrics else metrics.get("accuracy", "nan"))


def _mean(found: list[Result]) -> float:
    return statistics.mean(map(_score, found)) if "metrics" in found[0] else -float("inf")


def _limits(models: str) -> dict[str, int]:
    """The largest number of networks of each zoo that has its own, and under "" of all others."""
    return {
        name if number else "": counts_of(number or name, 10**9, "networks")[-1]
        for name, _, number in (part.partition("=") for part in models.split(",") if part)
    }


def _held_out(condition: str) -> tuple[str, tuple[int, ...]]:
    factor, _, values = condition.partition("=")
    return factor, tuple(numbers_of(values.replace("+", ","), "values"))


def _tiny(folder: Path) -> str:
    """A zoo of a few small networks, trained here."""
    from graphwsl.zoo import Recipe, train_zoo

    recipe = Recipe.of(
        {
            "data": {"name": "digits"},
            "epochs": 2,
            "seeds": 10,
            "fixed": {"architecture": "mlp", "depth": 1},
            "grid": {"width": (4, 6), "learning_rate": (1e-2, 1e-3)},
        }
    )
    train_zoo(recipe, folder / "zoo", workers=1)
    return f"tiny={folder / 'zoo'}"


if __name__ == "__main__":
    run_benchmark(main)
