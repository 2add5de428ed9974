"""The published comparison: learn from some clean networks, diagnose those with noisy labels.

The five cases are those of Table B of https://github.com/YefanZhou/ModelDiagnosis
(``benchmark/README.md``). Its figures are cut, not rounded, to two decimals.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.tree import DecisionTreeClassifier

from gnncore.names import unknown
from graphwsl.arguments import listed, text, whole
from graphwsl.diagnosis.md_tree import MDTree
from graphwsl.diagnosis.questions import OPTIMAL, find_question
from graphwsl.diagnosis.soft_tree import SoftTree
from graphwsl.diagnosis.table import as_table, column, matrix, numbers, select
from graphwsl.errors import DiagnosisError, InvalidArgumentError

Seeds = Sequence[int | np.integer[Any]] | np.ndarray
"""Seeds of draws."""

SEEDS = (42, 90, 38, 18, 72)
"""The published seeds."""

VALIDATION = ("train_error", "train_loss", "test_loss", "test_error")
"""What the validation-based tree sees."""

LARGEST_SEED = 2**32 - 1


class Case(NamedTuple):
    """What is asked, and from which networks a method learns.

    Attributes:
        question: Name of the question.
        sampling: How training networks are chosen: ``random`` cells of one width and amount of
            data, a ``random_data`` amount, ``data_limit`` or ``width_limit``.
        amount: So many cells or amounts, or the limit.
        hyperparameters: What the tree over hyperparameters sees.
    """

    question: str
    sampling: str
    amount: int
    hyperparameters: tuple[str, ...]


_SIZES = ("log_data_amount", "log_para_amount")

CASES = {
    1: Case("temperature", "random", 8, _SIZES),
    2: Case("temperature", "data_limit", 1, _SIZES),
    3: Case("temperature", "width_limit", 2, _SIZES),
    4: Case("width", "random_data", 1, _SIZES[:1]),
    5: Case("width", "data_limit", 1, _SIZES[:1]),
}
"""The published cases by number."""


def training_rows(table: Any, sampling: str, amount: int, seed: int) -> np.ndarray:
    """Numbers of the rows that are learnt from, drawn as published.

    Args:
        table: Table with the columns ``width`` and ``data``.
        sampling: As in :class:`Case`.
        amount: As in :class:`Case`.
        seed: Seed of the draw.

    Raises:
        DiagnosisError: There are fewer cells or amounts than are to be drawn.
    """
    data, width = numbers(table, "data"), numbers(table, "width")
    limited = {"data_limit": data, "width_limit": width}
    if sampling in limited:
        return np.flatnonzero(limited[sampling] <= amount)
    if sampling == "random":  # cells come by data, then by width, whether or not all are there
        places = [(a, b) for a in np.unique(data) for b in np.unique(width)]
        place_of = np.array([places.index(one) for one in zip(data, width, strict=True)])
    else:
        places = list(np.unique(data))
        place_of = np.searchsorted(places, data)
    if len(places) < amount:
        raise DiagnosisError(f"{amount} of {len(places)} cells of width and data cannot be drawn")
    drawn = np.random.RandomState(seed).choice(len(places), size=amount, replace=False)
    return np.flatnonzero(np.isin(place_of, drawn))


class Method(NamedTuple):
    """A way to answer questions.

    Attributes:
        make: Makes a classifier for a question and a seed.
        columns: What it sees of a case; None for all.
        by_group: Whether it is told which networks differ in their temperature alone.
    """

    make: Callable[[str, int], Any]
    columns: Callable[[Case], tuple[str, ...]] | None = None
    by_group: bool = False


def _free_tree(seed: int) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=4, random_state=seed)


METHODS = {
    "md_tree": Method(lambda question, seed: MDTree(question)),
    "md_tree_exact": Method(lambda question, seed: MDTree(question, "exact")),
    "soft_tree": Method(lambda question, seed: SoftTree(question), by_group=True),
    "validation": Method(lambda question, seed: _free_tree(seed), lambda case: VALIDATION),
    # The published figures of this one are those of the first seed, in each of the trees.
    "hyperparameters": Method(
        lambda question, seed: _free_tree(SEEDS[0]), lambda case: case.hyperparameters
    ),
}
"""Methods by name: the published tree, with golden-section search and with exact search; the soft
tree; and free decision trees of depth 4 over validation metrics and over hyperparameters."""


def evaluate(
    train_csv: Any,
    test_csv: Any,
    case: int = 1,
    method: str = "md_tree",
    seeds: Seeds = SEEDS,
) -> Float[np.ndarray, " seeds"]:
    """The accuracy of a method on the networks of the second table, for each seed.

    Networks that are optimal are left out, as published.

    Args:
        train_csv: Table of which a part is learnt from, or its path.
        test_csv: Table of the networks that are diagnosed, or its path.
        case: Number of the case, from 1 to 5.
        method: ``md_tree``, ``md_tree_exact``, ``soft_tree`` (ours), ``validation`` or
            ``hyperparameters``.
        seeds: Seeds of the draws.

    Returns:
        Shares of right answers.

    Raises:
        InvalidArgumentError: The case or a seed is no such number, there are no seeds, or the
            method is no text.
        DiagnosisError: There is no such method, a file cannot be read, or a column is
            missing or holds what is no finite number.

    >>> from graphwsl.diagnosis import published_file
    >>> accuracies = evaluate(published_file("clean"), published_file("noisy"))
    >>> round(100 * accuracies.mean(), 2)
    87.71
    """
    whole("case", case, min(CASES), max(CASES))
    text("method", method)
    if method not in METHODS:
        raise DiagnosisError(unknown("method", method, METHODS))
    numbers_of_seeds = checked_seeds(seeds)
    question = find_question(CASES[case].question)
    train, test = (_without_optimal(as_table(one), question.label) for one in (train_csv, test_csv))
    return np.array(
        [
            np.mean(answers(train, test, CASES[case], method, seed) == test[question.label])
            for seed in numbers_of_seeds
        ]
    )


def checked_seeds(seeds: Any) -> list[int]:
    """Seeds of draws as integers.

    Args:
        seeds: Integers of Python or NumPy, in a list or an array.

    Raises:
        InvalidArgumentError: There are none, or one is no integer from 0 to 2³² - 1.
    """
    given = seeds.tolist() if isinstance(seeds, np.ndarray) and seeds.ndim == 1 else seeds
    listed("seeds", given, (int, np.integer), "an integer", "give 42, 90")
    for seed in (found := list(given)):
        whole("each of seeds", seed, 0, LARGEST_SEED)
    if not found:
        raise InvalidArgumentError(f"seeds must hold at least one, got {found}; give 42, 90")
    return [int(seed) for seed in found]


def answers(train: Any, test: Any, case: Case, method: str, seed: int) -> np.ndarray:
    """What a method says of each test network.

    Args:
        train: Table of which a part is learnt from, without optimal networks.
        test: Table of the networks that are diagnosed.
        case: Question and choice of the training networks.
        method: Name of the method.
        seed: Seed of the draw.

    Raises:
        DiagnosisError: A column is missing or holds what is no finite number, or no network is
            left to learn from.
    """
    make, columns, by_group = METHODS[method]
    rows = training_rows(train, case.sampling, case.amount, seed)
    if not len(rows):
        raise DiagnosisError(f"no network has at most the {case.sampling} {case.amount}")
    some = select(train, rows)
    seen = columns(case) if columns is not None else None
    x, x_test = ((matrix(one, seen) if seen else one) for one in (some, test))
    groups = {"groups": cells(some)} if by_group else {}
    classifier = make(case.question, seed)
    return classifier.fit(x, some[find_question(case.question).label], **groups).predict(x_test)


def cells(table: Any) -> np.ndarray:
    """A number a network, equal where networks have one width and amount of data.

    Args:
        table: Table with the columns ``width`` and ``data``.
    """
    _, cell = np.unique(matrix(table, ("width", "data")), axis=0, return_inverse=True)
    return cell.ravel()


def _without_optimal(table: Any, label: str) -> dict[str, np.ndarray]:
    return select(table, column(table, label).astype(str) != OPTIMAL)
