"""A diagnosis of single networks: what to change, how sure that is, or that nothing is wrong.

Each question is answered by the soft tree, learnt from a whole population. Two things are told by
the networks of that population that look most alike, whose number is fixed:

- Whether anything is wrong: so many of them have no more room for improvement than is tolerated.
- What a metric would be that was not measured: each of them lends its own, and the answers are
  averaged. The less is known, the less sure is the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.neighbors import NearestNeighbors

from graphwsl.arguments import positive
from graphwsl.diagnosis.labels import PUBLISHED_AXES, ROOMS, Axes, failure_labels
from graphwsl.diagnosis.published import published_table
from graphwsl.diagnosis.questions import OPTIMAL, QUESTIONS, Question, find_question
from graphwsl.diagnosis.soft_tree import SoftTree, log_scaled
from graphwsl.diagnosis.table import as_table, column, matrix, names_of, rows_of, select
from graphwsl.errors import DiagnosisError

NOTHING = "nothing"
"""Answer to any question about a network that no change would improve much."""

METRICS = ("train_error", "mode_connectivity_peak", "hessian_t", "CKA")
"""What tells networks apart; all but the first may be missing."""

RANGES = {
    "train_error": (0.0, 100.0),
    "mode_connectivity_peak": (-100.0, 0.0),
    "CKA": (-1.0, 1.0 + 1e-6),
}
"""Values that metrics can have [%, %, -]."""

NEIGHBOURS = 30
"""Networks that look most alike, so many or all that there are."""

NAMES = ("network", "model", "name")
"""Columns that may hold the names of networks."""

ADVICE = {
    ("temperature", "small"): "too cold: smaller batches or a larger rate of learning",
    ("temperature", "large"): "too hot: larger batches or a smaller rate of learning",
    ("width", "width"): "too small: a larger network",
    ("width", "batch"): "another temperature helps more than a larger network",
    ("data", "data"): "too little data",
    ("data", "batch"): "another temperature helps more than more data",
}
"""What an answer advises, by question and answer."""


@dataclass(frozen=True)
class Answer:
    """The answer to one question about one network.

    Attributes:
        answer: An answer of the question, or ``nothing``.
        probabilities: How likely each answer is; they sum to 1.
    """

    answer: str
    probabilities: dict[str, float]

    @property
    def probability(self) -> float:
        """How sure the answer is."""
        return self.probabilities[self.answer]


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a network.

    Attributes:
        network: Its name, or the number of its row.
        answers: The answer to each question.
        rooms: Expected improvement of the accuracy by each change, in its units: the mean
            of the networks that look most alike.
        missing: Metrics that were not measured.
        beyond: Metrics that are outside the range of the networks that were learnt from; answers
            are then extrapolated.
    """

    network: str
    answers: dict[str, Answer]
    rooms: dict[str, float]
    missing: tuple[str, ...]
    beyond: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "network": self.network,
            "answers": {
                question: {
                    "answer": one.answer,
                    "probability": one.probability,
                    "probabilities": one.probabilities,
                }
                for question, one in self.answers.items()
            },
            "rooms": self.rooms,
            "missing": [*self.missing],
            "beyond": [*self.beyond],
        }


class Diagnoser:
    """Learns from a population what is wrong with its networks, and diagnoses others.

    Args:
        questions: Names of the questions; None for all that the population has answers to.
        tolerance: Room for improvement that counts as none, in units of the accuracy.
    """

    def __init__(self, questions: Sequence[str] | None = None, tolerance: float = 1.0) -> None:
        positive("tolerance", tolerance)
        self.asked = None if questions is None else [find_question(one).name for one in questions]
        self.tolerance = tolerance

    def fit(self, population: Any = None, axes: Axes = PUBLISHED_AXES) -> "Diagnoser":
        """Learn from a population.

        Args:
            population: Table of metrics, or its path; labels are worked out unless it has them.
                None for the published one, 1,690 ResNet-18 on CIFAR-10.
            axes: How its networks differ.

        Raises:
            DiagnosisError: The file cannot be read, or the population lacks a metric of
                :data:`METRICS`, but for CKA, or an axis that a question needs, has one answer alone
                to a question, or less room for improvement than is tolerated.
        """
        table = published_table() if population is None else as_table(population)
        labelled = _labelled(table, axes)
        questions = self._questions(labelled)
        self.metrics = METRICS if "CKA" in names_of(table) else METRICS[:-1]
        self.values = _checked(labelled, self.metrics)
        self.rooms = {
            change: matrix(labelled, (name,))[:, 0]
            for change, name in ROOMS.items()
            if name in labelled
        }
        groups = _groups(labelled, axes)
        self.trees, self.fine = {}, {}
        for question in questions:
            labels = labelled[question.label].astype(str)
            wrong = labels != OPTIMAL
            given = set(labels[wrong].tolist())
            if len(given) < 2:
                raise DiagnosisError(
                    f"the question {question.name!r} cannot be learnt from networks whose answers "
                    f"are all {given.pop() if given else OPTIMAL!r}; add others"
                )
            some = select(labelled, wrong)
            self.trees[question.name] = SoftTree(question.name).fit(
                some, labels[wrong], None if groups is None else groups[wrong]
            )
            best = np.max([self.rooms[change] for change in _changes(question)], axis=0)
            self.fine[question.name] = best <= self.tolerance
        if all(fine.all() for fine in self.fine.values()):
            largest = max(float(room.max()) for room in self.rooms.values())
            raise DiagnosisError(
                f"a tolerance of {self.tolerance:g} is more than any change brings to any network "
                f"of the population, {largest:.3g} at most; give less, in units of the accuracy"
            )
        return self

    def diagnose(self, networks: Any) -> list[Diagnosis]:
        """Answer all questions about each network.

        Args:
            networks: Table of metrics, or its path: ``train_error`` and whichever others of
                :data:`METRICS` were measured.

        Raises:
            DiagnosisError: The file cannot be read, ``train_error`` is missing, or a metric is no
                finite number or outside of what it can be.
        """
        table = as_table(networks)
        known = [name for name in self.metrics if name in names_of(table)]
        if METRICS[0] not in known:
            column(table, METRICS[0])
        values = _checked(table, known)
        near = self._most_alike(values, known)
        missing = tuple(name for name in self.metrics if name not in known)
        answers = {name: self._answers(name, values, known, near) for name in self.trees}
        rooms = {change: room[near].mean(1) for change, room in self.rooms.items()}
        low, high = self.values.min(0), self.values.max(0)
        return [
            Diagnosis(
                name,
                {question: found[row] for question, found in answers.items()},
                {change: float(room[row]) for change, room in rooms.items()},
                missing,
                tuple(
                    metric
                    for at, metric in enumerate(known)
                    if not low[self._at(metric)] <= values[row, at] <= high[self._at(metric)]
                ),
            )
            for row, name in enumerate(_names(table))
        ]

    def _questions(self, labelled: dict[str, np.ndarray]) -> list[Question]:
        there = [one for one in QUESTIONS.values() if one.label in labelled]
        if self.asked is None:
            return there
        for name in self.asked:
            if name not in {one.name for one in there}:
                raise DiagnosisError(
                    f"the question {name!r} needs a population whose networks differ in {name}; "
                    f"this one answers {', '.join(one.name for one in there)}"
                )
        return [one for one in there if one.name in self.asked]

    def _at(self, metric: str) -> int:
        return self.metrics.index(metric)

    def _most_alike(
        self, values: Float[np.ndarray, "networks known"], known: Sequence[str]
    ) -> np.ndarray:
        """The numbers of the networks of the population that look most alike, for each network."""
        own = log_scaled(self.values[:, [self._at(name) for name in known]], known, True)
        mean, scale = own.mean(0), own.std(0)
        scale[scale == 0] = 1
        count = min(NEIGHBOURS, len(own))
        search = NearestNeighbors(n_neighbors=count).fit((own - mean) / scale)
        asked = (log_scaled(values, known, True) - mean) / scale
        return search.kneighbors(asked, return_distance=False)

    def _answers(
        self,
        name: str,
        values: Float[np.ndarray, "networks known"],
        known: Sequence[str],
        near: np.ndarray,
    ) -> list[Answer]:
        tree, count = self.trees[name], near.shape[1]
        columns = {}
        for metric in tree.metrics:
            lent = self.values[near, self._at(metric)]
            own = np.repeat(values[:, [known.index(metric)]], count, 1) if metric in known else lent
            columns[metric] = own.ravel()
        second = tree.predict_proba(columns)[:, 1].reshape(near.shape).mean(1)
        # One more of either kind, so that nothing is impossible.
        fine = (self.fine[name][near].sum(1) + 1) / (count + 2)
        first_name, second_name = QUESTIONS[name].answers
        found = []
        for share, p in zip(fine.tolist(), second.tolist(), strict=True):
            probabilities = {
                NOTHING: share,
                first_name: (1 - share) * (1 - p),
                second_name: (1 - share) * p,
            }
            found.append(Answer(max(probabilities, key=probabilities.__getitem__), probabilities))
        return found


def diagnose(
    networks: Any,
    population: Any = None,
    *,
    axes: Axes = PUBLISHED_AXES,
    questions: Sequence[str] | None = None,
    tolerance: float = 1.0,
) -> list[Diagnosis]:
    """What is wrong with networks, and how sure that is.

    Args:
        networks: Table of the networks' metrics, or its path: ``train_error`` [%], and whichever
            were measured of ``mode_connectivity_peak`` [%], ``hessian_t`` (natural logarithm of
            the trace) and ``CKA``.
        population: Table that is learnt from; see :meth:`Diagnoser.fit`.
        axes: How the networks of the population differ.
        questions: ``temperature``, ``width``, ``data``; None for all that can be answered.
        tolerance: Room for improvement that counts as none, in units of the accuracy.

    Raises:
        DiagnosisError: As for :meth:`Diagnoser.fit` and :meth:`Diagnoser.diagnose`.
        InvalidArgumentError: The tolerance is not positive.

    >>> network = {"train_error": [12.0], "mode_connectivity_peak": [-14.0], "hessian_t": [5.2]}
    >>> diagnose(network)[0].answers["temperature"].answer
    'large'
    """
    return Diagnoser(questions, tolerance).fit(population, axes).diagnose(networks)


def _labelled(table: Any, axes: Axes) -> dict[str, np.ndarray]:
    """A table with rooms and labels, as it is or worked out."""
    names = set(names_of(table))
    rooms = {"rfi_inc_temp", "rfi_dec_temp"} <= names
    answered = [
        one
        for one in QUESTIONS.values()
        if one.label in names and {ROOMS[change] for change in _changes(one)} <= names
    ]
    if rooms and answered:
        return {name: np.asarray(table[name]) for name in names_of(table)}
    return failure_labels(table, axes)


def _changes(question: Question) -> list[str]:
    """The changes that a question is about."""
    own = [] if question.name == "temperature" else [question.name]
    return ["hotter", "colder", *own]


def _groups(table: Any, axes: Axes) -> np.ndarray | None:
    names = [name for name in (axes.width, axes.data) if name in names_of(table)]
    if not names:
        return None
    _, group = np.unique(matrix(table, [str(name) for name in names]), axis=0, return_inverse=True)
    return group.ravel()


def _checked(table: Any, names: Sequence[str]) -> Float[np.ndarray, "networks metrics"]:
    """Metrics that are within what they can be."""
    values = matrix(table, names)
    for at, name in enumerate(names):
        low, high = RANGES.get(name, (-np.inf, np.inf))
        bad = np.flatnonzero((values[:, at] < low) | (values[:, at] > high))
        if len(bad):
            raise DiagnosisError(
                f"{name} must be from {low:g} to {high:g}, row {bad[0] + 1} has "
                f"{values[bad[0], at]:g}; errors and peaks are in percent, peaks below zero"
            )
    return values


def _names(table: Any) -> list[str]:
    for name in NAMES:
        if name in names_of(table):
            return [str(one) for one in column(table, name).tolist()]
    return [f"row {number}" for number in range(1, rows_of(table) + 1)]
