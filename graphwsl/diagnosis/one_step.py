"""What advice is worth: the test accuracy that networks gain when they follow it.

The change that a diagnosis advises is made once, and the rest is left as it is. How far the change
goes is not part of the advice, so three ways are compared: one step of the population's grid, a
step drawn at random among all in that direction (here its mean), and the best of them. Who would
lose by it stays as it was.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from gnncore.names import unknown
from graphwsl.arguments import described
from graphwsl.diagnosis.evaluation import CASES, METHODS, SEEDS, Seeds, answers, checked_seeds
from graphwsl.diagnosis.labels import (
    PUBLISHED_AXES,
    Axes,
    accuracies,
    accuracies_ahead,
    room_for_improvement,
)
from graphwsl.diagnosis.questions import OPTIMAL, TEMPERATURE, find_question
from graphwsl.diagnosis.table import as_table, column, select
from graphwsl.errors import DiagnosisError

STEPS = ("one", "random", "best")
"""How far a change goes."""

_CHANGES = {"small": "hotter", "large": "colder", "width": "width", "data": "data"}
"""The change that an answer advises; of ``batch``, the answer to another question decides."""

Gains = Float[np.ndarray, "networks 3"]


def gains_of_changes(table: Any, axes: Axes = PUBLISHED_AXES) -> dict[str, Gains]:
    """What each network gains by each change, for the three :data:`STEPS`.

    Args:
        table: A row a network of a whole population.
        axes: How the networks differ.

    Raises:
        DiagnosisError: A column is missing or holds no finite numbers, an axis has one value
            only, or two networks differ in no axis.
    """
    table = as_table(table)
    own = accuracies(table, axes)

    def gains(now: float, ahead: np.ndarray) -> tuple[float, float, float]:
        better = (ahead - now).clip(min=0)
        return (better[0], better.mean(), better.max()) if len(better) else (0.0, 0.0, 0.0)

    return {
        change: np.array([gains(now, ahead) for now, ahead in zip(own, lists, strict=True)])
        for change, lists in accuracies_ahead(table, axes).items()
    }


def gain_of_advice(
    table: Any, advice: Sequence[str] | np.ndarray, axes: Axes = PUBLISHED_AXES
) -> dict[str, float]:
    """The mean gain of networks that follow advice, in units of the accuracy, for each step.

    Args:
        table: A row a network of a whole population.
        advice: A change a network, ``hotter``, ``colder``, ``width`` or ``data``; others are left
            out of the mean.
        axes: How the networks differ.

    Raises:
        DiagnosisError: As for :func:`gains_of_changes`, or there is not one change a network, or
            none at all.
    """
    gains = gains_of_changes(table, axes)
    changes = np.asarray(advice)
    networks = len(next(iter(gains.values())))
    if changes.shape != (networks,):
        raise DiagnosisError(
            f"there must be a change a network, got {described(advice)} for {networks} networks"
        )
    chosen = [own[changes == change] for change, own in gains.items()]
    followed = np.concatenate(chosen)
    if not len(followed):
        raise DiagnosisError(f"no network is advised to change; choose among {', '.join(gains)}")
    return dict(zip(STEPS, followed.mean(0).tolist(), strict=True))


def one_step_improvement(
    train_csv: Any,
    test_csv: Any,
    question: str = "temperature",
    method: str = "md_tree",
    seeds: Seeds = SEEDS,
) -> dict[str, float]:
    """The published comparison of advice: the mean gain over seeds, in points, for each step.

    Methods learn from few clean networks: from those of eight cells about the temperature, from
    those of one amount of data about the width. Whoever answers ``batch`` asks for the temperature
    then. Networks that are optimal are left out.

    Args:
        train_csv: Table of which a part is learnt from, or its path.
        test_csv: Table of the networks that follow the advice, or its path.
        question: ``temperature`` or ``width``.
        method: As for :func:`~graphwsl.diagnosis.evaluation.evaluate`, or ``random`` for advice
            that is drawn, or ``optimal`` for the change with the most room.
        seeds: Seeds of the draws.

    Raises:
        InvalidArgumentError: There are no seeds, or one is none.
        DiagnosisError: There is no such question or method, a file cannot be read, or a column
            is missing or holds what is no finite number.
    """
    if question not in ("temperature", "width"):
        raise DiagnosisError(unknown("question", question, ("temperature", "width")))
    if method not in METHODS and method not in ("random", "optimal"):
        raise DiagnosisError(unknown("method", method, (*METHODS, "random", "optimal")))
    draws = checked_seeds(seeds)
    train, test = as_table(train_csv), as_table(test_csv)
    labels = {TEMPERATURE.label, find_question(question).label}
    learnt, asked = (_known(one, labels) for one in (train, test))
    if method == "random":
        changes = {"hotter": 0.5, "colder": 0.5}
        if question == "width":
            changes = {"hotter": 0.25, "colder": 0.25, "width": 0.5}
        gains = gains_of_changes(test)
        mean = sum(share * gains[change][asked] for change, share in changes.items())
        return dict(zip(STEPS, np.mean(mean, axis=0).tolist(), strict=True))
    found = []
    for seed in draws if method != "optimal" else [0]:
        advice = np.full(len(asked), "", dtype=object)
        advice[asked] = (
            _optimal(test, question)[asked]
            if method == "optimal"
            else _advice(select(train, learnt), select(test, asked), question, method, seed)
        )
        found.append(gain_of_advice(test, advice))
    return {step: float(np.mean([gain[step] for gain in found])) for step in STEPS}


def _known(table: Any, labels: set[str]) -> np.ndarray:
    """Rows that are optimal in no respect."""
    return np.logical_and.reduce([column(table, one).astype(str) != OPTIMAL for one in labels])


def _optimal(table: Any, question: str) -> np.ndarray:
    rooms = room_for_improvement(table)
    changes = ["hotter", "colder"] + (["width"] if question == "width" else [])
    best = np.argmax([rooms[change] for change in changes], axis=0)
    return np.array(changes)[best]


def _advice(train: Any, test: Any, question: str, method: str, seed: int) -> np.ndarray:
    """The change that a method advises each test network to make."""
    case = CASES[1] if question == "temperature" else CASES[4]
    first = answers(train, test, case, method, seed)
    if question == "width":
        second = answers(train, test, case._replace(question="temperature"), method, seed)
        first = np.where(first == "batch", second, first)
    return np.array([_CHANGES[answer] for answer in first])
