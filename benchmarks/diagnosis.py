"""Who diagnoses networks best, what the advice is worth, and how far the answers can be trusted.

    python -m benchmarks.diagnosis

All methods learn from the published table of clean ResNet-18 and are judged on the one with noisy
labels; and from perceptrons that are trained and measured here on one data set, to be judged on
those of another. A cell is a method and a task, or a part of a population; ``--restore`` begins
with those of the result file.
"""

import time
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.cells import Result, restore_cells, run_cell
from benchmarks.populations_over_phases import (
    GRIDS,
    PHASES,
    POPULATIONS,
    SEEDS_OF_CELL,
    measured,
    phases_of,
    table_of,
)
from benchmarks.results import SCRATCH, Report, known_cells
from benchmarks.running import run_benchmark
from graphwsl.diagnosis import Axes, evaluate, failure_labels, published_table
from graphwsl.diagnosis.diagnoser import METRICS, NOTHING, Diagnoser
from graphwsl.diagnosis.evaluation import CASES, METHODS, SEEDS, Case, answers
from graphwsl.diagnosis.labels import PUBLISHED_AXES, ROOMS
from graphwsl.diagnosis.one_step import STEPS, one_step_improvement
from graphwsl.diagnosis.questions import OPTIMAL, QUESTIONS
from graphwsl.diagnosis.table import select

PUBLISHED = {
    "md_tree": (87.70, 75.89, 82.56, 74.10, 78.16),
    "validation": (72.82, 51.73, 67.55, 55.79, 63.61),
    "hyperparameters": (49.56, 64.74, 60.12, 53.54, 53.54),
}
"""Published accuracies of the five cases [%], cut to two decimals."""

TITLES = {
    "md_tree": "MD tree",
    "md_tree_exact": "MD tree, exact search",
    "soft_tree": "soft tree",
    "validation": "tree over validation metrics",
    "hyperparameters": "tree over hyperparameters",
}

MEASURED = {
    "all metrics": METRICS,
    "without CKA": METRICS[:3],
    "without the curve": ("train_error", "hessian_t", "CKA"),
    "without Hessian and CKA": METRICS[:2],
    "training error alone": METRICS[:1],
}
"""Which metrics of a network are known."""

OWN_AXES = Axes("rate", hot_is="large", accuracy="test_acc")
"""Those of the populations that are trained here."""

Work = Callable[[], Result]


def accuracies(case: int, method: str, seeds: list[int]) -> Result:
    """Accuracies of a case, and the processor time they took."""
    start = time.process_time()
    found = evaluate(published_table("clean"), published_table("noisy"), case, method, seeds)
    return {"accuracies": found.tolist(), "seconds": round(time.process_time() - start, 3)}


def trust(metrics: tuple[str, ...], tolerance: float) -> Result:
    """How often answers are right and how sure they are, when these metrics are known."""
    truth = failure_labels(published_table("noisy"))
    networks = {name: truth[name] for name in metrics}
    found = Diagnoser(tolerance=tolerance).fit().diagnose(networks)
    result: Result = {}
    for name, question in QUESTIONS.items():
        changes = ["hotter", "colder"] + ([] if name == "temperature" else [name])
        best = np.max([truth[ROOMS[change]] for change in changes], axis=0)
        labels = truth[question.label]
        answers = np.where((best <= tolerance) | (labels == OPTIMAL), NOTHING, labels)
        right = [
            one.answers[name].answer == answer for one, answer in zip(found, answers, strict=True)
        ]
        result[name] = {
            "right": float(np.mean(right)),
            "sure": float(np.mean([one.answers[name].probability for one in found])),
            "commonest": float(np.unique(answers, return_counts=True)[1].max() / len(answers)),
        }
    return result


def transfer(train: dict[str, Any], test: dict[str, Any], question: str, seeds: int) -> Result:
    """How often methods are right about one population when they learn from another.

    Args:
        train: Labelled table that is learnt from: all of it, or 8 cells of width and amount of data
            for the temperature, one amount of data for the width.
        test: Labelled table of the networks that are diagnosed.
        question: ``temperature`` or ``width``.
        seeds: Draws.
    """
    label = QUESTIONS[question].label
    train, test = (select(one, one[label] != OPTIMAL) for one in (train, test))
    sizes = ("log_data_amount", "log_para_amount")
    some = CASES[1] if question == "temperature" else CASES[4]
    result: Result = {
        "networks": len(test[label]),
        "commonest": float(np.unique(test[label], return_counts=True)[1].max() / len(test[label])),
    }
    for name, case, draws in (
        ("all", Case(question, "data_limit", 1, sizes), 1),
        ("some", some, seeds),
    ):
        for method in METHODS:
            result[f"{name}/{method}"] = [
                float(np.mean(answers(train, test, case, method, seed) == test[label]))
                for seed in range(draws)
            ]
    return result


def own_populations(out: Path, seeds: int, quick: bool, dense: bool) -> dict[str, Result]:
    """Populations of perceptrons on several data sets, and what is learnt from one of another."""
    done: dict[str, Result] = {}
    for key, grid in GRIDS.items():
        if key and not dense:
            continue
        tables = {}
        for name in POPULATIONS:
            shares = grid.shares[-2:] if quick else grid.shares
            for share in shares:
                cell = f"{_population(name, key)}/{share:g}"
                result = run_cell(
                    out / cell, lambda at, n=name, s=share, g=grid: measured(at, n, s, g, quick)
                )
                if result is not None:
                    done[cell] = result
            parts = _parts(done, name, key)
            tables[name] = failure_labels(table_of(parts), OWN_AXES)
        for one, other in permutations(tables, 2):
            for question in ("temperature", "width"):
                cell = f"transfer {one} to {other}{', ' * bool(key)}{key}/{question}"
                result = run_cell(
                    out / cell,
                    lambda _, a=tables[one], b=tables[other], q=question: transfer(a, b, q, seeds),
                )
                if result is not None:
                    done[cell] = result
    return done


def _parts(done: dict[str, Result], name: str, grid: str) -> list[Result]:
    """What was measured of a population."""
    folder = f"{_population(name, grid)}/"
    return [one for cell, one in done.items() if cell.startswith(folder)]


def _population(name: str, grid: str) -> str:
    """The folder of the cells of a population."""
    return f"population {name}{', ' * bool(grid)}{grid}"


def cells(seeds: int) -> dict[str, Work]:
    """All cells by name."""
    found: dict[str, Work] = {}
    for method in METHODS:
        for case in CASES:
            found[f"case {case}/{method}"] = lambda c=case, m=method: accuracies(c, m, [*SEEDS])
        found[f"many seeds/{method}"] = lambda m=method: accuracies(1, m, [*range(seeds)])
    for question in ("temperature", "width"):
        for method in ("random", *METHODS, "optimal"):
            found[f"advice {question}/{method}"] = lambda q=question, m=method: dict(
                one_step_improvement(published_table("clean"), published_table("noisy"), q, m)
            )
    for name, metrics in MEASURED.items():
        found[f"trust/{name}"] = lambda m=metrics: trust(m, 1.0)
    return found


def main(
    seeds: Annotated[int, typer.Option(help="Seeds of the distribution of case 1.", min=1)] = 200,
    out: Annotated[Path, typer.Option(help="Folder of the cells.")] = SCRATCH / "diagnosis",
    restore: Annotated[bool, typer.Option(help="Begin with the cells of the result file.")] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    dense: Annotated[
        bool, typer.Option("--dense", help="Populations over a closer grid, too; 20 minutes.")
    ] = False,
    quick: Annotated[bool, typer.Option(help="Few seeds, to see that it runs.")] = False,
) -> None:
    """Compare methods on the published tables."""
    if quick:
        seeds, out = 3, out / "quick"
    report = Report("diagnosis", "What is wrong with networks", quick=quick)
    if restore:
        restore_cells(out, known_cells("diagnosis"))
    done = {}
    for name, work in cells(seeds).items():
        result = run_cell(out / name, lambda _, work=work: work())
        if result is not None:
            done[name] = result
    done |= own_populations(out, min(seeds, 50), quick, dense)
    show(report, done)
    report.save({"seeds": seeds, "axes": vars(PUBLISHED_AXES)}, {"cells": done}, json)


def show(report: Report, done: dict[str, Result]) -> None:
    """Print all tables."""
    report.table(
        "Right answers [%], five seeds: here (published, cut). Temperature: 1 from 96 networks, 2 "
        "from 10 % of the data, 3 from one width; width: 4 from one amount of data, 5 from 10 %",
        ["", *(f"case {case}" for case in CASES)],
        [[TITLES[m], *(_both(done, case, m) for case in CASES)] for m in METHODS],
    )
    report.table(
        "Right answers about the temperature from 96 networks [%], over many draws of these",
        ["", "mean", "deviation", "worst", "median", "best"],
        [[TITLES[m], *_spread(done[f"many seeds/{m}"]["accuracies"])] for m in METHODS],
    )
    for question in ("temperature", "width"):
        report.table(
            f"Points of test accuracy gained by following advice about the {question}",
            ["", *(f"{step} step" for step in STEPS)],
            [
                [
                    TITLES.get(m, m),
                    *(f"{done[f'advice {question}/{m}'][step]:.2f}" for step in STEPS),
                ]
                for m in ("random", *METHODS, "optimal")
            ],
        )
    report.table(
        "Answers of `graphwsl diagnose`, nothing for room of at most 1 point: right / sure [%]",
        ["", *QUESTIONS],
        [
            [
                name,
                *(
                    f"{100 * one['right']:.1f} / {100 * one['sure']:.1f}"
                    for one in (done[f"trust/{name}"][question] for question in QUESTIONS)
                ),
            ]
            for name in MEASURED
        ],
    )
    show_own(report, done)
    took = sum(done[f"case {case}/md_tree"]["seconds"] for case in CASES)
    report.say(f"The five cases of MD tree take {took:.1f} s of one core.")


def show_own(report: Report, done: dict[str, Result]) -> None:
    """What was learnt from populations of perceptrons."""
    rows = []
    for name, cell in done.items():
        if not name.startswith("transfer "):
            continue
        for part, what in (("all", "all networks"), ("some", "some")):
            rows.append(
                [
                    f"{name.removeprefix('transfer ').replace('/', ', ')}, from {what}",
                    f"{100 * cell['commonest']:.1f}",
                    *(_mean_of(cell[f"{part}/{method}"]) for method in METHODS),
                ]
            )
    report.table(
        "Right answers about perceptrons that learnt other data [%]; some: 8 cells of width and "
        "amount of data, of 15 or of 28 in the dense grid, for the temperature, one amount of data "
        "for the width, 50 draws",
        ["", "commonest answer", *(TITLES[method] for method in METHODS)],
        rows,
    )
    parts = {name: cell for name, cell in done.items() if name.startswith("population ")}
    report.table(
        "Mean test accuracy [%] of the perceptrons in every phase, and how many cells there are",
        ["population, thresholds", *(name or "undecided" for name in PHASES)],
        [
            row
            for key in GRIDS
            for name in POPULATIONS
            if (own := _parts(done, name, key))
            for row in phases_of(f"{name}{', ' * bool(key)}{key}", own)
        ],
    )
    whole = [part for part in parts.values() if part["seconds"] is not None]
    if whole:
        training, measuring = (
            sum(part["seconds"][key] for part in whole) for key in ("training", "measuring")
        )
        networks = SEEDS_OF_CELL * sum(len(part["cells"]) for part in whole)
        report.say(
            f"{networks} of these perceptrons, which went through without a break, took "
            f"{training:.0f} s of one core to train, and {measuring:.0f} s to measure: trace and "
            "eigenvalue, CKA, and curves."
        )


def _mean_of(values: list[float]) -> str:
    percent = 100 * np.array(values)
    return f"{percent.mean():.1f}" + (f" ± {percent.std():.1f}" if len(values) > 1 else "")


def _both(done: dict[str, Result], case: int, method: str) -> str:
    own = 100 * float(np.mean(done[f"case {case}/{method}"]["accuracies"]))
    known: Any = PUBLISHED.get(method)
    return f"{own:.2f}" + (f" ({known[case - 1]:.2f})" if known else "")


def _spread(values: list[float]) -> list[str]:
    percent = 100 * np.array(values)
    numbers = (percent.mean(), percent.std(), percent.min(), np.median(percent), percent.max())
    return [f"{number:.2f}" for number in numbers]


if __name__ == "__main__":
    run_benchmark(main)
