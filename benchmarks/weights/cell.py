"""One cell of the leaderboard: a predictor, fitted to a task from one seed, and judged."""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cells import RESULT, Result, run_cell
from benchmarks.hardware import hardware
from benchmarks.timing import timed
from benchmarks.weights.rows import Row
from benchmarks.weights.tasks import Task
from gnncore.errors import GnncoreError
from graphwsl.errors import PredictorError
from graphwsl.properties.train import judge


@dataclass(frozen=True)
class Cell:
    """A fit.

    Attributes:
        row: What is fitted.
        task: To what.
        seed: Of initial weights and batches.
        options: Of predictors that have them, in place of their own.
    """

    row: Row
    task: Task
    seed: int
    options: dict[str, Any]

    def folder(self, out: Path) -> Path:
        """Where the result is kept; everything that it depends on has a part in it."""
        row = self.row.name.replace("/", "-")
        task = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{self.task.name}-{self.task.zoo.extent}")
        fit = f"{task}-{self.task.digest}-seed-{self.seed}"
        return out / f"{row}-{self.row.digest(**self.options)}" / fit

    def is_done(self, out: Path) -> bool:
        """Whether its result is there."""
        return (self.folder(out) / RESULT).is_file()

    def run(self, out: Path) -> Result | None:
        """The result, worked out unless it is there; None if another process is at work on it."""
        return run_cell(self.folder(out), lambda _: self._work())

    def _work(self) -> Result:
        population, split = self.task.zoo.population, self.task.split
        result: Result = {
            "row": self.row.name,
            "task": self.task.name,
            "seed": self.seed,
            "networks": len(split.train),
            "checkpoints": len(population),
            "hardware": hardware(),
        }
        predictor = self.row.make(**self.options)
        test = population.select(split.numbers("test", population.checkpoints))
        valid = population.select(split.numbers("valid", population.checkpoints))
        start = time.perf_counter()
        try:
            run = timed(lambda: predictor.fit(population, split, self.task.target, self.seed))
            judged = timed(lambda: judge(predictor, test))
        except (PredictorError, GnncoreError) as error:
            return {**result, "failed": str(error), "seconds": time.perf_counter() - start}
        return {
            **result,
            "metrics": judged.result,
            "valid": judge(predictor, valid),
            "parameters": predictor.num_parameters,
            "seconds": run.wall,
            "processor_seconds": run.cpu,
            "predicted_per_processor_second": len(test) / max(judged.cpu, 1e-9),
            "report": predictor.report,
        }
