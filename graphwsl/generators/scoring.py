"""Judging generated networks: against held-out networks, and against baselines."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.aligned_zoo import AlignedZoo, require_one_function
from graphwsl.generators.baselines import BASELINES, Material
from graphwsl.generators.behaviour import Behaviour, behaviour
from graphwsl.generators.card import Scorecard
from graphwsl.generators.made import population_of
from graphwsl.generators.reached import reached
from graphwsl.generators.score import Score, Standard
from graphwsl.generators.tuning import Tuner
from graphwsl.populations.population import Population
from graphwsl.zoo.data_set import DataSet

ENSEMBLE = 10
"""Networks of an ensemble, or as many as the smallest row of the card has."""


def scorecard(
    samples: Population,
    train: Population,
    held_out: Population,
    inputs: Any,
    labels: Int[Tensor, " samples"],
    *,
    baselines: Sequence[str] | None = None,
    networks: int = 100,
    tuning_epochs: Sequence[int] = (),
    data: DataSet | None = None,
    batch_size: int = 32,
    tuned_networks: int = 16,
    seed: int = 0,
) -> Scorecard:
    """How good made networks are, how unlike one another, and how new.

    Accuracy alone is never a result: copies of training networks have it, and so has an average of
    aligned ones. Both are rows of the card, and beside each stand its dispersion, its disagreement
    and its distance to the training networks, in weights and in errors. Networks that were asked
    for by their accuracy or loss are compared with what was asked for.

    Args:
        samples: Networks to be judged.
        train: Those that their generator learnt from, at least two.
        held_out: Others that were trained alike, and that it never saw.
        inputs: Samples, as :func:`graphwsl.populations.evaluate` takes them.
        labels: The class of each sample, from 0.
        baselines: Names among ``graphwsl.generators.BASELINES``; None for all.
        networks: That each baseline makes.
        tuning_epochs: Networks are tuned and judged after so many epochs of training, with the
            factors of the first training network.
        data: What they learn then; ``inputs`` and ``labels`` should be no part of its training
            samples.
        batch_size: Samples a step then, unless it is a factor.
        tuned_networks: So many networks of every row, the first ones, are tuned.
        seed: Seed of all that baselines draw.

    Raises:
        GeneratorError: A population has no networks or several functions, or the populations have
            different ones, or training networks are not finite, or no other ones are; an unknown
            baseline; tuning without data, or of an architecture that has no name.
        PredictorError: The networks cannot take the inputs, or the labels do not fit them.

    >>> card = scorecard(samples, train, test, x, y)  # doctest: +SKIP
    >>> card.is_copying, card.to_dict()["accuracy_mean"]  # doctest: +SKIP
    """
    arguments.whole("networks", networks, 2)
    arguments.whole("seed", seed, 0)
    made = {name: BASELINES.find(name) for name in (BASELINES if baselines is None else baselines)}
    _require_comparable(samples=samples, train=train, held_out=held_out)
    seconds: dict[str, float] = {}
    with _timed(seconds, "alignment"):
        zoo = AlignedZoo.of(train)
    tuner = None
    if tuning_epochs:
        tuner = Tuner.of(train, zoo.function, tuning_epochs, data, batch_size=batch_size,
                         networks=tuned_networks, inputs=inputs, labels=labels)  # fmt: skip
    size = min(ENSEMBLE, networks, *map(len, (samples, train, held_out)))
    judge = _Judge(inputs, labels, size, tuner, seconds)
    standard = judge.standard(zoo, train, held_out)
    own = judge.run(samples, "samples")
    sampled, near = judge.score(standard, samples, "samples", own)
    scores = {
        name: judge.score(
            standard,
            population_of(
                make(Material(zoo, near), networks, torch.Generator().manual_seed(seed)),
                zoo.function,
                name,
            ),
            name,
        )[0]
        for name, make in made.items()
    }
    return Scorecard(
        samples=sampled,
        train=judge.train_score(standard),
        held_out=judge.score(standard, held_out, "held_out")[0],
        baselines=scores,
        ensemble_size=size,
        scratch=judge.scratch(),
        reached=reached(samples, own),
        seconds=seconds,
    )


class _Judge:
    """Evaluates, aligns and tunes populations, and keeps the time."""

    def __init__(
        self,
        inputs: Any,
        labels: Tensor,
        ensemble: int,
        tuner: Tuner | None,
        seconds: dict[str, float],
    ) -> None:
        self._inputs, self._labels, self._ensemble = inputs, labels, ensemble
        self._tuner, self._seconds = tuner, seconds

    def standard(self, zoo: AlignedZoo, train: Population, held_out: Population) -> Standard:
        """What all others are measured by."""
        own, others = self.run(train, "train"), self.run(held_out, "held_out")
        if not bool(own.is_finite.all()):
            lost = train.checkpoints[int((~own.is_finite).nonzero()[0])]
            raise GeneratorError(
                f"training network {lost.model!r} has outputs that are not finite; leave it out"
            )
        rows = self._aligned(zoo, held_out, others)
        with _timed(self._seconds, "novelty"):
            return Standard.of(zoo, own, rows, others)

    def score(
        self, standard: Standard, population: Population, name: str, own: Behaviour | None = None
    ) -> tuple[Score, Int[Tensor, " networks"]]:
        """The score of some networks, and the training networks nearest to them."""
        own = self.run(population, name) if own is None else own
        rows = self._aligned(standard.zoo, population, own)
        with _timed(self._seconds, "novelty"):
            new = standard.novelty(rows, own)
        return standard.score(rows, own, new, self._tuned(rows, name)), new.nearest

    def train_score(self, standard: Standard) -> Score:
        """The score of the training networks."""
        rows = standard.zoo.rows
        return standard.score(rows, standard.behaviour, None, self._tuned(rows, "train"))

    def scratch(self) -> dict[int, float]:
        """The accuracy of networks that are trained from their initialisation."""
        if self._tuner is None:
            return {}
        with _timed(self._seconds, "tuning"):
            return self._tuner.from_scratch()

    def run(self, population: Population, name: str) -> Behaviour:
        """What some networks do with the samples."""
        with _timed(self._seconds, "evaluation"):
            return behaviour(population, self._inputs, self._labels, self._ensemble, name)

    def _aligned(self, zoo: AlignedZoo, population: Population, own: Behaviour) -> Tensor:
        with _timed(self._seconds, "alignment"):
            return zoo.align(torch.stack(population.states)[own.is_finite])

    def _tuned(self, rows: Tensor, name: str) -> dict[int, float]:
        if self._tuner is None:
            return {}
        with _timed(self._seconds, "tuning"):
            return self._tuner.tune(rows, name)


def _require_comparable(**populations: Population) -> None:
    """Refuse networks of different functions."""
    functions = {name: require_one_function(some, name) for name, some in populations.items()}
    train = functions["train"]
    for name, function in functions.items():
        other = function.architecture
        if other.digest != train.architecture.digest or function.program != train.program:
            raise GeneratorError(
                f"the networks of {name} ({other.name!r}, {other.num_entries:,} numbers) do not do "
                f"what those of train do ({train.architecture.name!r}, "
                f"{train.architecture.num_entries:,} numbers); score networks of one architecture "
                "and activation"
            )


@contextmanager
def _timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - start
