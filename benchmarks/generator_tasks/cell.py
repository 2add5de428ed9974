"""One cell of the comparison: a generator, fitted to networks with one seed, and what it makes."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from benchmarks.cells import RESULT, Result, run_cell
from benchmarks.generator_tasks.rows import Row
from benchmarks.hardware import hardware
from benchmarks.timing import timed
from benchmarks.weights.tasks import ZooOfBenchmark
from gnncore.errors import GnncoreError
from graphwsl.errors import GraphwslError
from graphwsl.generators import Generator, scorecard
from graphwsl.populations import Population, evaluate
from graphwsl.zoo import open_zoo

REQUESTED = "test_accuracy"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the accuracies of training networks, at which networks are asked for."""


@dataclass(frozen=True)
class Networks:
    """Networks to learn from and to judge by, the same for all rows and seeds.

    Attributes:
        zoo: The zoo.
        count: Networks that are learnt from.
        factor: Name and values of a generating factor: networks of other values are learnt from,
            and those of these are made; None for networks as they are learnt from.
        last: Checkpoints of each network, the last ones of its training.
        held_out: So many of the others judge, the same whatever the number that is learnt from;
            None for all.
        every_epoch: Whether all checkpoints of a network are learnt from; else the last.
    """

    zoo: ZooOfBenchmark
    count: int
    factor: tuple[str, tuple[int, ...]] | None = None
    last: int = 1
    held_out: int | None = None
    every_epoch: bool = False

    @property
    def name(self) -> str:
        """In folders and tables."""
        own = f"{self.zoo.name}-{self.count}" + (f"-last-{self.last}" if self.last > 1 else "")
        own += "" if self.held_out is None else f"-by-{self.held_out}"
        if self.factor is None:
            return own
        name, values = self.factor
        return f"{own}-{name}-{'-'.join(map(str, values))}"

    @cached_property
    def parts(self) -> tuple[Population, Population]:
        """Networks to learn from, and others; whole trainings, at the last epochs."""
        population = self.zoo.population
        epochs = sorted({c.epoch or 0 for c in population.checkpoints})[-self.last :]
        kept = population.select([(c.epoch or 0) in epochs for c in population.checkpoints])
        models = list(dict.fromkeys(c.model for c in kept.checkpoints))
        drawn = np.random.default_rng(0).permutation(len(models)).tolist()
        place = {models[number]: at for at, number in enumerate(drawn)}
        order = sorted(range(len(kept)), key=lambda n: place[kept.checkpoints[n].model])
        learnt = self.count * self.last
        if self.factor is not None:
            name, values = self.factor
            known = [kept.checkpoints[n].configuration.get(name) for n in range(len(kept))]
            others = [n for n in order if known[n] in values]
            order = [n for n in order if known[n] not in values]
        else:
            others = order[learnt:][-(self.held_out or len(order)) :]
        train = kept.select(order[:learnt])
        if self.every_epoch:
            learnt_from = {checkpoint.model for checkpoint in train.checkpoints}
            train = population.select([c.model in learnt_from for c in population.checkpoints])
        return train, kept.select(others)


@dataclass(frozen=True)
class Cell:
    """A generator of networks.

    Attributes:
        row: What is fitted.
        networks: To what.
        seed: Seed of initial weights, batches and noise.
        size: ``small`` or ``published``.
        options: In place of the settings of all rows, such as ``epochs``.
        generated: Networks that are made and judged.
        requested: Whether networks are asked for by their accuracy.
    """

    row: Row
    networks: Networks
    seed: int
    size: str = "small"
    options: dict[str, Any] = field(default_factory=dict)
    generated: int = 100
    requested: bool = False

    def folder(self, out: Path) -> Path:
        """Where the result is kept; everything that it depends on has a part in it."""
        row = f"{self.row.name.replace('/', '-')}-{self.row.digest(self.size, **self.options)}"
        asked = "requested-" if self.requested else ""
        return out / row / f"{self.networks.name}-{asked}{self.generated}-seed-{self.seed}"

    def is_done(self, out: Path) -> bool:
        """Whether its result is there."""
        return (self.folder(out) / RESULT).is_file()

    def run(self, out: Path) -> Result | None:
        """The result, worked out unless it is there; None if another process is at work on it."""
        return run_cell(self.folder(out), self._work)

    def _work(self, folder: Path) -> Result:
        train, others = self.networks.parts
        result: Result = {
            "row": self.row.name,
            "networks": self.networks.name,
            "learnt_from": len(train),
            "held_out": len(others),
            "seed": self.seed,
            "hardware": hardware(),
        }
        made = self.row.make(self.size, self.seed, **self.options)
        condition = REQUESTED if self.requested else None
        try:
            # Methods that compare what networks answer take the samples that these learnt from.
            train = made.read(train, open_zoo(self.networks.zoo.path))
            fitted = timed(lambda: made.fit(train, condition, work=folder / "training"))
            found = self._judged(made, train, others)
        except (GraphwslError, GnncoreError) as error:
            return {**result, "failed": str(error)}
        made.save(folder / "generator")
        return {**result, "processor_seconds": fitted.cpu, "report": made.report, **found}

    def _judged(self, made: Generator, train: Population, others: Population) -> Result:
        data = open_zoo(self.networks.zoo.path).images()
        inputs, labels = data.test, data.test_labels
        if self.requested:
            return {"requested": asked(made, train, inputs, labels, self.generated, self.seed)}
        if self.networks.factor is not None:
            return {"sizes": sizes(made, others, data, self.networks.factor, self.seed,
                                   self.generated)}  # fmt: skip
        generator = torch.Generator().manual_seed(self.seed)
        drawn = timed(lambda: made.sample(self.generated, generator=generator, inputs=data.train))
        card = scorecard(
            drawn.result, train, others, inputs, labels, networks=self.generated, seed=self.seed
        )
        return {"seconds_of_sample": drawn.cpu / self.generated, "card": card.to_dict()}


def asked(
    made: Generator, train: Population, inputs: Any, labels: Any, count: int, seed: int
) -> dict[str, Any]:
    """Requested accuracies against those that networks have: slope, R² and every pair."""
    known = torch.tensor([c.metrics[REQUESTED] for c in train.checkpoints])
    levels = known.quantile(torch.tensor(QUANTILES)).tolist()
    values = [levels[n % len(levels)] for n in range(count)]
    generator = torch.Generator().manual_seed(seed)
    found = evaluate(made.sample(count, condition=values, generator=generator), inputs, labels)
    wanted, measured = np.array(values), found.accuracy.double().numpy()
    slope, offset = np.polyfit(wanted, measured, 1)
    left = ((measured - slope * wanted - offset) ** 2).sum()
    spread = ((measured - measured.mean()) ** 2).sum()
    return {
        "slope": float(slope),
        "r2": float(1 - left / spread) if spread else 0.0,
        "error": float(np.abs(measured - wanted).mean()),
        "pairs": [[float(a), float(b)] for a, b in zip(wanted, measured, strict=True)],
    }


def sizes(
    made: Generator,
    others: Population,
    data: Any,
    factor: tuple[str, tuple[int, ...]],
    seed: int,
    count: int,
) -> list[dict[str, Any]]:
    """Accuracy of networks of sizes that were not learnt from, and of trained ones.

    Of every architecture of that size as many are made, and each counts alike.
    """
    name, values = factor
    rows = []
    for value in values:
        own = others.select([c.configuration.get(name) == value for c in others.checkpoints])
        trained: list[float] = []
        made_ones: list[float] = []
        for number in own.function.unique().tolist():
            same = own.select((own.function == number).tolist())
            drawn = made.sample(count, own.functions[number],
                                generator=torch.Generator().manual_seed(seed),
                                inputs=data.train)  # fmt: skip
            for kept, some in ((trained, same), (made_ones, drawn)):
                kept.append(float(evaluate(some, data.test, data.test_labels).accuracy.mean()))
        if trained:
            rows.append({name: value, "accuracy": fmean(made_ones), "trained": fmean(trained)})
    return rows
