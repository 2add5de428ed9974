"""The folder that a training on a zoo fills: asked for once, resumed, repaired."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnncore.storage import (
    LOCK_NAME,
    MANIFEST_NAME,
    Manifest,
    StorageError,
    WorkFolder,
    write_json,
)
from graphwsl.populations.population import Population
from graphwsl.populations.splits import PARTS, beginning, split_models
from graphwsl.populations.training_request import look_for
from graphwsl.zoo.checkpoint import Problem
from graphwsl.zoo.zoo import Zoo

STATE = "training"
"""Folder of the state between two epochs; gone once the training is complete."""


@dataclass(frozen=True)
class TrainingFolder:
    """A folder, and what is asked for in it.

    Attributes:
        work: The folder.
        request: All that the result depends on, see
            :func:`graphwsl.populations.training_request.look_for`.
        files: Names of all files of the work.
        learnt: What is done with the networks, for messages: ``learnt from``.
        resume: Whether to go on with work that is there.
    """

    work: WorkFolder
    request: dict[str, Any]
    files: tuple[str, ...]
    learnt: str
    resume: bool

    def look(self) -> dict[str, Any] | None:
        """What was asked for before; None if the folder is free.

        Raises:
            Exception: One of the class of the work's errors: another request, or something that
                does not belong there.
        """
        return look_for(self.work, self.request, files=self.files, state=STATE,
                        learnt=self.learnt, resume=self.resume)  # fmt: skip

    def fill(self, train: Callable[[Path], None]) -> list[str] | None:
        """Train, unless the folder is complete and nothing in it damaged or lost.

        Args:
            train: Trains and writes all files but the manifest; takes the folder of the state.

        Returns:
            What was there but damaged, and is made again; None if nothing was to be done.

        Raises:
            FolderInUseError: Another process works in the folder.
        """
        work = self.work
        with work.claim(self.look) as before:
            flaws = [problem.text for problem in work.damage()] if work.is_complete else []
            if work.is_complete and not flaws:
                return None
            write_json(work.path / work.kind.configuration, self.request)
            try:
                train(work.path / STATE)
            except work.kind.error_class:
                if before is None:
                    work.withdraw(STATE)
                raise
            work.remove(STATE)
            Manifest.of(work.path, (MANIFEST_NAME, LOCK_NAME)).write()
        return flaws


def networks_of_epochs(
    zoo: Zoo, epochs: Sequence[int] | None, error_class: type[Exception]
) -> tuple[Population, list[Problem]]:
    """The networks of a zoo that can be used, of some epochs, and what is wrong with others.

    Args:
        zoo: The zoo.
        epochs: None for all.
        error_class: Raised where no checkpoint is of these epochs.

    Raises:
        Exception: One of that class.
        PredictorError: No network can be used.
        StorageError: A file of the zoo is damaged.
    """
    chosen = None if epochs is None else set(epochs)
    kept = [c for c in zoo.checkpoints if chosen is None or c.epoch in chosen]
    if chosen and not kept:
        known = sorted({c.epoch for c in zoo.checkpoints if c.epoch is not None})
        raise error_class(
            f"the zoo has no checkpoints of the epochs {sorted(chosen)}; it has {known}"
        )
    listed = list(zoo.problems)  # reading adds to them what it cannot use
    population, unusable = Population.load_usable(zoo, kept)
    return population, [*listed, *unusable]


def parts_of_zoo(
    population: Population, seed: int, together: Sequence[str] | None = None
) -> dict[str, Population]:
    """Networks to learn from, to choose by and to judge by.

    Args:
        population: All.
        seed: Seed of the split.
        together: Networks that agree in these factors are in one part; by default those that began
            alike.

    Raises:
        PredictorError: There are too few.
    """
    checkpoints = population.checkpoints
    together = beginning(checkpoints) if together is None else together
    split = split_models(checkpoints, seed, together=together)
    return {part: population.select(split.numbers(part, checkpoints)) for part in PARTS}


def problems_of(work: WorkFolder, load: Callable[[Path], object]) -> list[str]:
    """Everything that is not as it should be in a folder, one line each; reads all files.

    Args:
        work: The folder.
        load: Loads what was learnt, which is checked by its own seal where no training wrote it.

    Raises:
        Exception: One of the class of the work's errors: the folder holds nothing of the kind.
    """
    if not work.is_complete and (work.path / work.kind.configuration).exists():
        return [f"unfinished: continue it with {work.kind.made_by} --resume"]
    problems = [problem.text for problem in work.damage()] if work.is_complete else []
    if not problems:
        try:
            load(work.path)
        except StorageError as error:
            problems.append(str(error))
    return problems
