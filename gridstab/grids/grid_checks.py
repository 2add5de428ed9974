"""What :meth:`PowerGrid.from_arrays` asks of its arguments; messages name nodes by their labels."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from gridstab.arguments import shortened
from gridstab.errors import InvalidGridError

LONGEST_LABEL = 200
"""Characters of a node's label, at most."""

LONGEST_NAME = 255
"""Characters of a grid's name, at most."""

# int() and float() alone would read "1_0", "nan" and Arabic digits as well.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""A number as files write it."""

Describe = Callable[[int], str]
"""Says where an entry is, by its position in the caller's own array."""


def numbers(what: str, values: ArrayLike | float) -> Any:
    """The values as double precision; NaN and infinities pass.

    Raises:
        InvalidGridError: Something is no real number, such as a text, None or a ragged list.
    """
    try:
        array = np.array(values)
        if array.dtype.kind not in "biufO":
            raise TypeError(f"got {shortened(array.ravel()[0] if array.size else array.dtype)}")
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidGridError(f"{what} must be numbers: {_one_line(error)}") from error


def vector(
    what: str, values: ArrayLike | float, count: int, thing: str
) -> Float[np.ndarray, " count"]:
    """One number for each of ``count`` things; a scalar holds for all of them.

    Raises:
        InvalidGridError: Another number of values, or no numbers.
    """
    array = numbers(what, values)
    if array.ndim == 0:
        return np.full(count, float(array))
    if array.shape != (count,):
        raise InvalidGridError(
            f"{what} needs one value a {thing} ({count}), got shape {array.shape}"
        )
    return array


def require(
    what: str,
    values: Float[np.ndarray, " entries *components"],
    good: Bool[np.ndarray, " entries"],
    condition: str,
    describe: Describe,
) -> None:
    """Refuse the first value that is not ``good``."""
    bad = np.flatnonzero(~good)
    if bad.size:
        value = values[bad[0]]
        raise InvalidGridError(
            f"{what} must be {condition}, got {value} at {describe(int(bad[0]))}"
        )


def node_pairs(lines: ArrayLike) -> Int[np.ndarray, "lines 2"]:
    """The lines as integers.

    Raises:
        InvalidGridError: They are no pairs of integers.
    """
    try:
        pairs = np.asarray(lines)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidGridError(
            f"lines must be integer node pairs of shape (lines, 2): {_one_line(error)}"
        ) from error
    if pairs.size == 0:
        return np.zeros((0, 2), np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise InvalidGridError(
            f"lines must be integer node pairs of shape (lines, 2), "
            f"got shape {pairs.shape} of {pairs.dtype}"
        )
    return pairs.astype(np.int64)


def require_lines(lines: Int[np.ndarray, "lines 2"], labels: Sequence[str]) -> None:
    """Refuse unknown nodes, self-loops and repeated lines, by their index in the list given."""
    nodes = len(labels)
    for bad in np.flatnonzero(((lines < 0) | (lines >= nodes)).any(axis=1))[:1]:
        raise InvalidGridError(
            f"line {bad} joins {lines[bad, 0]} and {lines[bad, 1]}, but nodes are 0 to {nodes - 1}"
        )
    for bad in np.flatnonzero(lines[:, 0] == lines[:, 1])[:1]:
        raise InvalidGridError(
            f"line {bad} is a self-loop at node {labels[lines[bad, 0]]}; remove it"
        )
    pairs = np.sort(lines, axis=1)
    order = np.lexsort(pairs.T[::-1])
    for twice in np.flatnonzero((np.diff(pairs[order], axis=0) == 0).all(axis=1))[:1]:
        first, second = sorted(order[twice : twice + 2].tolist())
        a, b = (labels[node] for node in pairs[first])
        raise InvalidGridError(
            f"nodes {a} and {b} are joined twice, by lines {first} and {second}; "
            "merge parallel lines into one"
        )


def default_labels(nodes: int) -> tuple[str, ...]:
    """The numbers of the nodes."""
    return tuple(map(str, range(nodes)))


def checked_labels(labels: Sequence[str], nodes: int) -> tuple[str, ...]:
    """The labels as plain texts.

    Raises:
        InvalidGridError: Not one text a node, or one that is empty, not printable, too long or
            there twice.
    """
    if (
        isinstance(labels, str)
        or not isinstance(labels, Sequence | np.ndarray)
        or not np.ndim(labels)
    ):
        raise InvalidGridError(f"labels must be a list of one text a node, got {shortened(labels)}")
    if len(labels) != nodes:
        raise InvalidGridError(f"labels needs one text a node ({nodes}), got {len(labels)}")
    seen: dict[str, int] = {}
    for node, label in enumerate(labels):
        if not (isinstance(label, str) and label.strip() and label.isprintable()):
            raise InvalidGridError(
                f"labels must be texts, printable and not empty, got {shortened(label)} at {node}"
            )
        if len(label) > LONGEST_LABEL:
            raise InvalidGridError(
                f"labels must have at most {LONGEST_LABEL} characters, "
                f"got {shortened(label)} of {len(label)} at {node}"
            )
        if label in seen:
            raise InvalidGridError(
                f"labels must be unique, got {shortened(label)} at {seen[label]} and {node}"
            )
        seen[str(label)] = node
    return tuple(seen)


def checked_name(name: str) -> str:
    """The name of a grid, which goes into tables, pictures and files.

    Raises:
        InvalidGridError: No text, not printable, or too long.
    """
    if not isinstance(name, str) or not name.isprintable():
        raise InvalidGridError(f"the name must be printable text, got {shortened(name)}")
    if len(name) > LONGEST_NAME:
        raise InvalidGridError(
            f"the name must have at most {LONGEST_NAME} characters, "
            f"got {shortened(name)} of {len(name)}"
        )
    return name


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
