"""Who diagnoses networks best, what the advice is worth, and how far the answers can be trusted.

    python -m benchmarks.diagnosis

All methods learn from the published table of clean ResNet-18 and are judged on the one with noisy
labels. A cell is a method and a task; ``--restore`` begins with those of the result file.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.cells import Result, restore_cells, run_cell
from benchmarks.results import SCRATCH, Report, known_cells
from graphwsl.diagnosis import evaluate, failure_labels, published_table
from graphwsl.diagnosis.diagnoser import METRICS, NOTHING, Diagnoser
from graphwsl.diagnosis.evaluation import CASES, METHODS, SEEDS
from graphwsl.diagnosis.labels import PUBLISHED_AXES, ROOMS
from graphwsl.diagnosis.one_step import STEPS, one_step_improvement
from graphwsl.diagnosis.questions import OPTIMAL, QUESTIONS

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
    seeds: Annotated[int, typer.Option(help="Seeds of the distribution of case 1.")] = 200,
    out: Annotated[Path, typer.Option(help="Folder of the cells.")] = SCRATCH / "diagnosis",
    restore: Annotated[bool, typer.Option(help="Begin with the cells of the result file.")] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
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
    took = sum(done[f"case {case}/md_tree"]["seconds"] for case in CASES)
    report.say(f"The five cases of MD tree take {took:.1f} s of one core.")


def _both(done: dict[str, Result], case: int, method: str) -> str:
    own = 100 * float(np.mean(done[f"case {case}/{method}"]["accuracies"]))
    known: Any = PUBLISHED.get(method)
    return f"{own:.2f}" + (f" ({known[case - 1]:.2f})" if known else "")


def _spread(values: list[float]) -> list[str]:
    percent = 100 * np.array(values)
    numbers = (percent.mean(), percent.std(), percent.min(), np.median(percent), percent.max())
    return [f"{number:.2f}" for number in numbers]


if __name__ == "__main__":
    typer.run(main)
