"""What was wrong with networks, by how much better they are elsewhere in their population.

No threshold on any metric says that a network failed. In a population whose networks differ in
temperature, width and amount of data, the *room for improvement* of a change is the best test
accuracy among all networks that differ by that change alone, less that of the network itself. Its
label is the change with the most room (Zhou et al., ICML 2024).
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from graphwsl.diagnosis.questions import DATA, OPTIMAL, TEMPERATURE, WIDTH
from graphwsl.diagnosis.table import as_table, column, names_of, numbers, select
from graphwsl.errors import DiagnosisError

ROOMS = {
    "hotter": "rfi_inc_temp",
    "colder": "rfi_dec_temp",
    "width": "rfi_width",
    "data": "rfi_data",
}
"""Changes, and the column of the published tables that holds the room for each."""

Room = Float[np.ndarray, " networks"]


@dataclass(frozen=True)
class Axes:
    """Which columns say how networks of a population differ.

    Attributes:
        temperature: Column of the temperature, as batch size or rate of learning.
        hot_is: Whether ``small`` values of it are hot, as of batch sizes, or ``large`` ones, as
            of rates of learning.
        width: Column of the size of the networks; None if all have one.
        data: Column of the amount of data; None if all have the same.
        accuracy: Column of the accuracy on test data; the unit of all rooms is its unit. See
            :func:`accuracies` for the names under which it is found besides.
    """

    temperature: str = "bs"
    hot_is: str = "small"
    width: str | None = "width"
    data: str | None = "data"
    accuracy: str = "test_acc"

    def __post_init__(self) -> None:
        if self.hot_is not in ("small", "large"):
            raise DiagnosisError(f"hot_is must be 'small' or 'large', got {self.hot_is!r}")

    @property
    def columns(self) -> list[str]:
        """The columns that tell networks apart."""
        return [name for name in (self.temperature, self.width, self.data) if name is not None]

    def changes(self) -> dict[str, tuple[str, bool]]:
        """Each change, the column along which it goes, and whether that grows."""
        small_is_hot = self.hot_is == "small"
        found = {
            "hotter": (self.temperature, not small_is_hot),
            "colder": (self.temperature, small_is_hot),
        }
        if self.width is not None:
            found["width"] = (self.width, True)
        if self.data is not None:
            found["data"] = (self.data, True)
        return found


PUBLISHED_AXES = Axes()
"""Those of the published tables."""


ACCURACY, ERROR = "test_accuracy", "test_error"
"""What zoos and landscapes call the accuracy, a share, and the error."""


def accuracies(table: Any, axes: Axes = PUBLISHED_AXES) -> Float[np.ndarray, " networks"]:
    """The accuracy of each network on test data.

    A table without the column ``test_acc``, where no other is named, may have ``test_accuracy``,
    whose shares become points, or ``test_error``. Errors are in percent, like all of a table.

    Args:
        table: A row a network.
        axes: How the networks differ.

    Raises:
        DiagnosisError: There is no such column, it holds what is no finite number, or errors that
            seem to be shares.
    """
    name, known = axes.accuracy, names_of(table)
    is_other = name == PUBLISHED_AXES.accuracy and name not in known
    if is_other and ACCURACY in known:
        found = numbers(table, ACCURACY)
        return 100 * found if len(found) and found.max() <= 1 else found
    if name != ERROR and not (is_other and ERROR in known):
        return numbers(table, name)
    errors = numbers(table, ERROR)
    if len(errors) and errors.max() <= 1:
        raise DiagnosisError(
            f"{ERROR} must be in percent, the largest is {errors.max():g}; if it is a share, "
            f"multiply by 100, otherwise give 100 - {ERROR} as {PUBLISHED_AXES.accuracy}"
        )
    return 100 - errors


def accuracies_ahead(table: Any, axes: Axes = PUBLISHED_AXES) -> dict[str, list[np.ndarray]]:
    """For each change and network, the accuracies of the networks that it leads to, nearest first.

    Args:
        table: A row a network.
        axes: How the networks differ.

    Raises:
        DiagnosisError: A column is missing or holds no finite numbers, an axis has one value
            only, or two networks differ in no axis.
    """
    table = as_table(table)
    places = {name: numbers(table, name) for name in axes.columns}
    accuracy = accuracies(table, axes)
    _check_axes(places)
    found = {}
    for change, (axis, grows) in axes.changes().items():
        lines = defaultdict(list)
        others = [values for name, values in places.items() if name != axis]
        for row in range(len(accuracy)):
            lines[tuple(values[row] for values in others)].append(row)
        ahead: list[np.ndarray] = [np.empty(0)] * len(accuracy)
        for rows in lines.values():
            rows.sort(key=lambda row: places[axis][row], reverse=not grows)
            for place, row in enumerate(rows):
                ahead[row] = accuracy[rows[place + 1 :]]
        found[change] = ahead
    return found


def room_for_improvement(table: Any, axes: Axes = PUBLISHED_AXES) -> dict[str, Room]:
    """The room for improvement of each change.

    Args:
        table: A row a network.
        axes: How the networks differ.

    Raises:
        DiagnosisError: As for :func:`accuracies_ahead`.
    """
    table = as_table(table)
    own = accuracies(table, axes)
    return {
        change: np.array([max([now, *ahead]) - now for now, ahead in zip(own, lists, strict=True)])
        for change, lists in accuracies_ahead(table, axes).items()
    }


def failure_labels(table: Any, axes: Axes = PUBLISHED_AXES) -> dict[str, np.ndarray]:
    """A table with the room for each change and the right answer to every question.

    Questions about a change for which there is no axis are left out. Networks whose temperature
    cannot be improved, or for which both changes of a question have equal room, are ``optimal``.

    Args:
        table: A row a network.
        axes: How the networks differ.

    Returns:
        All columns of the table, the columns of :data:`ROOMS`, ``bs_failure``, and, where there
        are these axes, ``width_vs_batch`` and ``data_vs_batch``.

    Raises:
        DiagnosisError: As for :func:`accuracies_ahead`.
    """
    table = as_table(table)
    rooms = room_for_improvement(table, axes)
    best = np.maximum(rooms["hotter"], rooms["colder"])
    labels = {
        TEMPERATURE.label: _larger(("small", rooms["hotter"]), ("large", rooms["colder"])),
    }
    for question in (WIDTH, DATA):
        if question.name in rooms:
            name = question.answers[1]
            labels[question.label] = _larger((name, rooms[name]), ("batch", best))
    columns = {name: np.asarray(table[name]) for name in names_of(table)}
    return columns | {ROOMS[change]: room for change, room in rooms.items()} | labels


def mean_over_seeds(table: Any, axes: Axes = PUBLISHED_AXES) -> dict[str, np.ndarray]:
    """A row for all networks that differ in no axis: the means of their numbers.

    Columns of texts are kept where they are the same for all of these networks, and left out
    otherwise.

    Args:
        table: A row a network.
        axes: How the networks differ.

    Raises:
        DiagnosisError: A column of the axes is missing or holds no finite numbers.
    """
    table = as_table(table)
    places = np.stack([numbers(table, name) for name in axes.columns], axis=1)
    _, first, group = np.unique(places, axis=0, return_index=True, return_inverse=True)
    counts = np.bincount(group.ravel())
    found: dict[str, np.ndarray] = {}
    for name in names_of(table):
        values = column(table, name)
        try:
            found[name] = np.bincount(group.ravel(), weights=values.astype(float)) / counts
        except (TypeError, ValueError):
            if (values[first][group.ravel()] == values).all():
                found[name] = values[first]
    order = np.argsort(first)  # as they came
    return select(found, order)


def _larger(one: tuple[str, Room], other: tuple[str, Room]) -> np.ndarray:
    return np.where(one[1] > other[1], one[0], np.where(one[1] < other[1], other[0], OPTIMAL))


def _check_axes(places: dict[str, Room]) -> None:
    for name, values in places.items():
        if len(np.unique(values)) < 2:
            raise DiagnosisError(
                f"labels need networks that differ in {name!r}, all have "
                f"{values[0] if len(values) else 'none'}; name another column, or none for it"
            )
    rows = np.stack(list(places.values()), axis=1)
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[group.ravel()] != np.arange(len(rows)))
    if len(again):
        row = again[0]
        raise DiagnosisError(
            f"rows {first[group.ravel()[row]] + 1} and {row + 1} have the same "
            f"{', '.join(places)}; average over seeds first (graphwsl.diagnosis.mean_over_seeds)"
        )
