"""One cell of the comparison: a representation, learnt from one seed, and all that is asked of it.

A second kind of cell holds what costs nothing: the baselines of the scorecard, once a zoo.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.cells import RESULT, Result, run_cell
from benchmarks.hardware import hardware
from benchmarks.representation_tasks.rows import Row
from benchmarks.representation_tasks.studies import Study, last_epoch
from benchmarks.timing import timed
from gnncore.errors import GnncoreError
from graphwsl.errors import GraphwslError
from graphwsl.generators import scorecard
from graphwsl.generators.latent import best, condition_batch_norm, generate
from graphwsl.generators.tuning import Tuner
from graphwsl.populations import Population, evaluate
from graphwsl.properties import linear_probes
from graphwsl.representations import Representation
from graphwsl.representations.quality import agreement, unexplained
from graphwsl.zoo import open_zoo

SAMPLERS = ("kernel_density", "neighbourhood", "published_kde", "uniform")
BEST = 0.3
"""The share of the training networks whose latents are sampled, as published."""

TUNED, SCRATCH, BATCH_SIZE = 8, (1, 5, 25), 32
"""Networks of every row that are tuned, epochs after which those from scratch are judged, and
samples a step."""


@dataclass(frozen=True)
class Cell:
    """A representation of the networks of a study.

    Attributes:
        row: What is fitted.
        study: To what.
        seed: Seed of initial weights, batches and augmentations.
        size: ``small`` or ``published``.
        options: In place of the settings of all rows, such as ``epochs``.
        generated: Networks that each sampler makes.
        tuning: Epochs of tuning after which they are judged, too.
    """

    row: Row
    study: Study
    seed: int
    size: str = "small"
    options: dict[str, Any] = field(default_factory=dict)
    generated: int = 50
    tuning: tuple[int, ...] = (1,)

    def folder(self, out: Path) -> Path:
        """Where the result is kept; everything that it depends on has a part in it."""
        row = self.row.name.replace("/", "-")
        return (
            out
            / f"{row}-{self.row.digest(self.size, **self.options)}"
            / f"{_name_of(self.study)}-{_made(self.generated, self.tuning)}-seed-{self.seed}"
        )

    def is_done(self, out: Path) -> bool:
        """Whether its result is there."""
        return (self.folder(out) / RESULT).is_file()

    def run(self, out: Path) -> Result | None:
        """The result, worked out unless it is there; None if another process is at work on it."""
        return run_cell(self.folder(out), self._work)

    def _work(self, folder: Path) -> Result:
        study = self.study
        result: Result = {
            "row": self.row.name,
            "study": study.name,
            "seed": self.seed,
            "networks": {
                part: len(getattr(study.split, part)) for part in ("train", "valid", "test")
            },
            "checkpoints": len(study.zoo.population),
            "hardware": hardware(),
        }
        made = self.row.make(self.size, self.seed, **self.options)
        queries = study.samples[2] if made.settings.structure < 1 else None
        train, valid = study.part("train"), study.part("valid")
        try:
            fitted = timed(lambda: made.fit(train, valid, inputs=queries, work=folder / "training"))
        except (GraphwslError, GnncoreError) as error:
            return {**result, "failed": str(error)}
        made.save(folder / "representation")
        return {
            **result,
            "epochs_of_settings": self.row.make(self.size, self.seed).settings.epochs,
            "processor_seconds": fitted.cpu,
            "report": made.report,
            "probes": probed(made, study),
            "reconstruction": rebuilt(made, study),
            "generation": {
                name: score
                for sampler in SAMPLERS
                for name, score in drawn(
                    made, study, sampler, self.generated, self.seed, self.tuning
                ).items()
            },
        }


@dataclass(frozen=True)
class FreeCell:
    """What costs nothing, scored beside the networks of a study.

    Attributes:
        study: The study.
        generated: Networks that each baseline makes.
        tuning: Epochs of tuning after which they are judged, too.
    """

    study: Study
    generated: int = 50
    tuning: tuple[int, ...] = (1,)

    def folder(self, out: Path) -> Path:
        """Where the result is kept."""
        return out / "free" / f"{_name_of(self.study)}-{_made(self.generated, self.tuning)}"

    def is_done(self, out: Path) -> bool:
        """Whether its result is there."""
        return (self.folder(out) / RESULT).is_file()

    def run(self, out: Path) -> Result | None:
        """The result, worked out unless it is there; None if another process is at work on it."""
        return run_cell(self.folder(out), lambda _: self._work())

    def _work(self) -> Result:
        test = last_epoch(self.study.part("test"))
        result: Result = {"row": "free", "study": self.study.name}
        card = _scored(test, self.study, None, self.generated, self.tuning)
        return {**result, "card": card, "scratch": from_scratch(self.study)}


def probed(made: Representation, study: Study) -> dict[str, Any]:
    """Linear probes of the mean latent and of all latents, beside what needs no learning."""
    features = {
        "mean": made.embed,
        "all latents": lambda some: made.embed(some, full=True),
    }
    try:
        found = linear_probes(features, study.zoo.population, study.split, others=study.strangers())
    except GraphwslError as error:
        return {"failed": str(error), "probes": []}
    return found.to_dict()


@torch.no_grad()
def rebuilt(made: Representation, study: Study) -> dict[str, Any]:
    """How test networks come back: in their weights, in what they do, and in accuracy."""
    inputs, labels, _ = study.samples
    test = study.part("test")
    try:
        found = made.reconstruct(test)
        before, after = (evaluate(some, inputs, labels) for some in (test, found))
        last = [n for n, c in enumerate(test.checkpoints) if c.epoch == _last(test)]
        sizes = [
            len(state) / latents.numel()
            for state, latents in zip(test.states, made.encode(test), strict=True)
        ]
        agreed = agreement(test, found, inputs)
        return {
            "compression": sum(sizes) / len(sizes),
            "unexplained": _unexplained(made, study, test, found),
            "agreement": float(agreed.mean()),
            "agreement_by_width": _by_width(study, test, agreed),
            "agreement_of_trained": float(
                agreement(test.select(last), found.select(last), inputs).mean()
            ),
            "accuracy_mean": [_finite_mean(one.accuracy) for one in (before, after)],
            "accuracy_best": [float(one.accuracy.nan_to_num(0).max()) for one in (before, after)],
        }
    except GraphwslError as error:
        return {"failed": str(error)}


def _by_width(study: Study, networks: Population, values: Tensor) -> dict[str, float]:
    """The mean of networks of every width; nothing where all networks of the zoo have one."""
    of_zoo = {checkpoint.configuration.get("width") for checkpoint in study.zoo.checkpoints}
    if len(of_zoo) < 2:
        return {}
    own = [checkpoint.configuration.get("width") for checkpoint in networks.checkpoints]
    members = {width: [n for n, one in enumerate(own) if one == width] for width in own}
    return {str(width): float(values[members[width]].mean()) for width in members}


def _unexplained(
    made: Representation, study: Study, test: Population, found: Population
) -> float | None:
    """The error of weights, over the variance of layers; None where no training network is alike,
    such as those of another width."""
    train = study.part("train")
    if {one.digest for one in test.present} - {one.digest for one in train.present}:
        return None
    return float(unexplained(made.aligned(test), found, made.aligned(train)).mean())


def drawn(
    made: Representation,
    study: Study,
    sampler: str,
    count: int,
    seed: int,
    tuning: tuple[int, ...] = (),
) -> dict[str, dict[str, Any]]:
    """The score of networks that are drawn near the best training networks, in latent space.

    Those with batch norms are scored once more after these were conditioned.
    """
    train = last_epoch(study.part("train"))
    try:
        if len(train.functions) > 1 or len(train.present) > 1:
            raise GraphwslError("networks of several functions cannot be scored together")
        accuracy = torch.tensor([c.metrics["test_accuracy"] for c in train.checkpoints])
        latents = best(torch.stack(made.encode(train)), accuracy, BEST)
        networks = generate(
            sampler,
            latents,
            lambda some: made.decode(some, train.present[0]),
            train.functions[0],
            count=count,
            seed=seed,
        )
    except GraphwslError as error:
        return {sampler: {"failed": str(error)}}
    found = {sampler: _scored(networks, study, [], count, tuning)}
    try:
        networks = condition_batch_norm(networks, study.samples[2])
    except GraphwslError:  # they have none
        return found
    return {**found, f"{sampler}, conditioned": _scored(networks, study, [], count, tuning)}


def from_scratch(study: Study) -> dict[str, Any]:
    """The mean accuracy of networks that are trained from their initialisation, by epochs."""
    train = last_epoch(study.part("train"))
    inputs, labels, _ = study.samples
    zoo = open_zoo(study.zoo.path)
    try:
        tuner = Tuner.of(
            train,
            train.functions[0],
            SCRATCH,
            zoo.images(),
            batch_size=BATCH_SIZE,
            networks=TUNED,
            inputs=inputs,
            labels=labels,
        )
        return {str(epoch): value for epoch, value in tuner.from_scratch().items()}
    except GraphwslError as error:
        return {"failed": str(error)}


def _scored(
    samples: Population,
    study: Study,
    baselines: list[str] | None,
    networks: int,
    tuning: tuple[int, ...],
) -> dict[str, Any]:
    train, test = (last_epoch(study.part(part)) for part in ("train", "test"))
    inputs, labels, _ = study.samples
    zoo = open_zoo(study.zoo.path)
    try:
        card = scorecard(
            samples,
            train,
            test,
            inputs,
            labels,
            baselines=baselines,
            networks=networks,
            tuning_epochs=tuning,
            data=zoo.images() if tuning else None,
            batch_size=BATCH_SIZE,
            tuned_networks=TUNED,
        )
    except GraphwslError as error:
        return {"failed": str(error)}
    return card.to_dict()


def _made(generated: int, tuning: tuple[int, ...]) -> str:
    tuned = "-".join(map(str, tuning))
    return f"{generated}-generated" + (f"-tuned-{tuned}" if tuned else "")


def _name_of(study: Study) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{study.name}-{study.zoo.extent}-{study.digest}")


def _last(population: Population) -> int:
    return max(checkpoint.epoch or 0 for checkpoint in population.checkpoints)


def _finite_mean(values: Tensor) -> float:
    """Accuracy of networks; one that is not finite is right about nothing."""
    return float(values.nan_to_num(0).mean())
