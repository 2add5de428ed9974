"""Weights that are more than their entries: functions, constants and statistics of parameters.

Where a value of weights is no multiple of its entries, its ``changes`` say so: factors do not pass
through it, and elements with different numbers cannot be exchanged. A statistic has no entries; its
changes are labels, the first entry that each element is made of, by which the mean of a row is
known to belong to the row when the two are combined again (weight standardisation).
"""

from hashlib import blake2b

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.colouring import colour_by
from graphwsl.neural_graph.units import UnitTable, reduced, varying_dims
from graphwsl.neural_graph.values import Value, mixed


def changes_of(
    name: str, arguments: tuple[object, ...], shape: torch.Size
) -> Int[Tensor, "..."] | None:
    """The changes of a function, element by element, of weights and constants alone.

    Args:
        name: Name of the function.
        arguments: Values and numbers.
        shape: Shape of the result.

    Returns:
        None for sums of weights, products of parameters and multiples by one number: what happens
        to their entries happens to them.
    """
    values = [one for one in arguments if isinstance(one, Value) and one.tensor.numel()]
    weights = [one for one in values if one.is_weights]
    entries = [one for value in weights for one in value.entries or ()]
    labels = [one.changes for one in weights if not one.entries and one.changes is not None]
    marks = [one.tensor for one in values if one.is_constant]
    marks += [one.changes for one in weights if one.entries and one.changes is not None]
    if not entries and labels and not any(map(varying_dims, marks)):
        first, *others = (one.expand(shape) for one in labels)
        if all(torch.equal(first, other) for other in others):
            return first  # still a statistic of the same
    marks += foreign_statistics(arguments, shape)
    if not any(map(varying_dims, marks)) and not labels and _is_linear(name, arguments, weights):
        return None
    result = torch.zeros((1,) * len(shape), dtype=torch.int64)
    for number, one in enumerate(marks):
        if dims := varying_dims(one):
            _, numbers = reduced(one, dims).unique(return_inverse=True)
            result = mixed(result + mixed(numbers + 1) + number)
    return result.expand(shape)


def origin_of(name: str, arguments: tuple[object, ...]) -> int:
    """A number of the expression ``name(*arguments)`` of weights and constants.

    Equal entries with different numbers are different weights: halves of one matrix, of which one
    is doubled, have the same rows in no other sense.
    """
    parts: list[object] = [name]
    for one in arguments:
        if isinstance(one, Value):
            parts.append((one.origin, _content(one.tensor) if one.is_constant else ""))
        else:
            parts.append(repr(one))
    digest = blake2b(repr(parts).encode(), digest_size=7).digest()
    return int.from_bytes(digest) + 1


def foreign_statistics(
    arguments: tuple[object, ...], shape: torch.Size
) -> list[Int[Tensor, "..."]]:
    """Labels of statistics that are combined with other entries than those they are made of."""
    values = [one for one in arguments if isinstance(one, Value) and one.tensor.numel()]
    entries = [one for value in values for one in value.entries or ()]
    labels = [one.changes for one in values if one.entries == () and one.changes is not None]
    if not entries and not any(varying_dims(one.tensor) for one in values if one.is_constant):
        others = [one.expand(shape) for one in labels]
        return [] if all(torch.equal(others[0], other) for other in others) else labels
    return [one for one in labels if not _belongs(one, entries, shape)]


def labels_of(value: Value) -> Int[Tensor, "..."] | None:
    """By which entries a statistic of weights is labelled, element by element.

    Returns:
        None if they are no plain entries, so that a statistic would not know what it is made of.
    """
    assert value.entries is not None
    if not value.entries:
        return value.changes
    if len(value.entries) > 1 or (value.changes is not None and varying_dims(value.changes)):
        return None
    return value.entries[0]


def bilinear(first: Value, second: Value, result: Tensor) -> Value | None:
    """A number (or a vector on the way to it) of a matrix and vectors, as in spectral norms.

    Permuted along with the rows and columns of the matrix, the vectors leave it as it is.

    Returns:
        None if the two are not plain parameters, or not made for one another.
    """
    vector, other = (first, second) if first.tensor.ndim == 1 else (second, first)
    if not (vector.is_weights and other.is_weights and _is_plain(vector)):
        return None
    assert vector.entries is not None
    (entries,) = vector.entries
    if other.tensor.ndim == 2 and other is first and _is_plain(other):
        assert other.entries is not None
        (matrix,) = other.entries
        pair = (matrix, entries.expand(matrix.shape))
        origin = origin_of("bilinear", (first, second))
        return Value(result, None, (), matrix[:, 0], coupled=(pair,), origin=origin)
    if other.coupled and other.changes is not None:
        matrix = other.coupled[0][0]
        if other.tensor.ndim == 1 and torch.equal(matrix[:, 0], other.changes):
            pair = (matrix, entries[:, None].expand(matrix.shape))
            label = other.changes[0]
            coupled = (*other.coupled, pair)
            origin = origin_of("bilinear", (first, second))
            return Value(result, None, (), label, coupled=coupled, origin=origin)
    return None


def with_coupled(
    entries: tuple[Int[Tensor, "..."], ...], weights: list[Value]
) -> tuple[Int[Tensor, "..."], ...]:
    """Entries, and those that must be permuted along by the statistics among ``weights``."""
    found = list(entries)
    for owners, others in (pair for value in weights for pair in value.coupled):
        ordered, order = owners.flatten().sort()
        for one in entries:
            index = torch.searchsorted(ordered, one.flatten()).clamp(max=len(ordered) - 1)
            if torch.equal(ordered[index], one.flatten()):
                found.append(others.flatten()[order[index]].view(one.shape))
    return tuple(found)


def colour_ends(
    table: UnitTable,
    sources: Int[Tensor, "groups sources"],
    targets: Int[Tensor, "groups targets"],
    changes: Int[Tensor, "groups targets sources kernel"],
) -> None:
    """Colour the ends of weights; units of equal rows can be exchanged, and of equal columns."""
    if not varying_dims(changes):
        return
    for units, lists in (
        (targets, changes.flatten(2)),
        (sources, changes.transpose(1, 2).flatten(2)),
    ):
        rows = lists.flatten(0, 1)
        marks = mixed(rows + mixed(torch.arange(rows.shape[1]))).sum(dim=1)
        if varying_dims(marks):
            colour_by(table, units.flatten(), marks)


def _content(constant: Tensor) -> str:
    numbers = constant.detach().contiguous().reshape(-1)
    return blake2b(numbers.view(torch.uint8).numpy().tobytes(), digest_size=16).hexdigest()


def _belongs(
    labels: Int[Tensor, "..."], entries: list[Int[Tensor, "..."]], shape: torch.Size
) -> bool:
    """Whether a statistic of rows (or of everything) is combined with the rows it is made of."""
    labels = labels.expand(shape)
    dims = varying_dims(labels)
    labels = reduced(labels, dims)
    if not dims:
        return any(bool((one == labels.flatten()[0]).any()) for one in entries)
    return any(torch.equal(reduced(one.expand(shape), dims), labels) for one in entries)


def _is_plain(value: Value) -> bool:
    return value.entries is not None and len(value.entries) == 1 and value.changes is None


def _is_linear(name: str, arguments: tuple[object, ...], weights: list[Value]) -> bool:
    if any(one.changes is not None for one in weights):
        return False
    if len(weights) > 1:
        return name in ("add", "sub")  # of a product, every factor would be multiplied
    return name in ("mul", "neg") or (name == "div" and arguments[0] is weights[0])
