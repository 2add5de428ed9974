"""Every model at its best learning rate: chosen on validation with one seed, then all seeds."""

import math
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cells import Result
from benchmarks.graph_tasks.task import GraphTask
from benchmarks.graph_tasks.training import Cell
from benchmarks.results import console
from gnncore.models import ModelSpecification
from gnncore.training import TrainingSettings

CELL = "cell"
"""Where a result names its folder, so that a fresh clone can begin with it."""


def tuned(
    models: dict[str, ModelSpecification],
    task: GraphTask,
    rates: list[float],
    seeds: int,
    common: TrainingSettings,
    out: Path,
    *,
    collect_only: bool = False,
) -> list[Result]:
    """The trainings of all models: the first seed at every rate, the others at the best.

    Args:
        models: By name.
        task: What they learn.
        rates: Learning rates to choose from.
        seeds: Trainings of every model at its best rate.
        common: How they are trained, rate and seed apart.
        out: Where trainings are kept.
        collect_only: Train nothing; give the trainings that are there.
    """

    def run(name: str, rate: float, seed: int) -> Iterator[Result]:
        settings = common.model_copy(update={"learning_rate": rate, "seed": seed})
        cell = Cell(name, models[name], settings)
        if not collect_only:
            console.print(f"{task.name}: {name}, rate {rate:g}, seed {seed}")
        result = cell.finished(task, out) if collect_only else cell.run(task, out)
        if result is not None:  # another process may be at work on it
            yield result | {CELL: str(cell.folder(task, out).relative_to(out))}

    results = [result for name in models for rate in rates for result in run(name, rate, 1)]
    for name in models:
        best = at_best_rate([result for result in results if result["model"] == name], task)
        if best:
            rate = best[0]["learning_rate"]
            results += [more for seed in range(2, seeds + 1) for more in run(name, rate, seed)]
    return results


def at_best_rate(results: list[Result], task: GraphTask) -> list[Result]:
    """Of the trainings of a model those at the rate that is best on validation with seed 1."""
    first = [result for result in results if result["seed"] == 1]
    if not first:
        return []
    sign = 1 if task.objective.maximise else -1

    def quality(result: Result) -> float:
        return -math.inf if result["validation"] is None else sign * float(result["validation"])

    best = max(first, key=quality)
    return [result for result in results if result["learning_rate"] == best["learning_rate"]]
