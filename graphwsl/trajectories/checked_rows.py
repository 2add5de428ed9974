"""What the functions of this package take, checked; and distances between checkpoints."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import TrajectoryError

Rows = Float[Tensor, "checkpoints entries"] | Float[np.ndarray, "checkpoints entries"]
"""The weights of a checkpoint a row, as ``zoo.array()`` and ``Population.rows`` have them."""

_COLUMNS = 2**18
"""Entries that are converted to double precision at once."""
_MODERATE = 100
"""Exponent of 2 up to which sums of squares, and squares of these, are far from any limit."""


def checked(rows: Any, least: int, what: str) -> Float[Tensor, "checkpoints entries"]:
    """The rows as a tensor.

    Args:
        rows: The weights of each checkpoint.
        least: Number of checkpoints that there must be.
        what: What is asked of them, for the message, such as "an order".

    Raises:
        InvalidArgumentError: They are no matrix of numbers in floating point.
        TrajectoryError: There are too few, or one has weights that are complex or not finite.
    """
    if isinstance(rows, np.ndarray) and rows.dtype.kind in "biufc":
        rows = torch.from_numpy(_native(rows))
    arguments.rows("rows", rows)
    rows = rows.detach()
    if rows.is_complex():
        raise TrajectoryError(
            "weights must be real numbers, got complex ones; give "
            "torch.view_as_real(rows).flatten(1)"
        )
    if len(rows) < least or not rows.shape[1]:
        entries = "" if rows.shape[1] else " without weights"
        raise TrajectoryError(
            f"{what} needs at least {least} checkpoints, got {len(rows)}{entries}; give more"
        )
    if not (finite := rows.isfinite().all(1)).all():
        number = int((~finite).nonzero()[0, 0])
        raise TrajectoryError(f"checkpoint {number} has weights that are not finite; leave it out")
    return rows


def scaled(
    rows: Float[Tensor, "checkpoints entries"], *, each: bool = False
) -> Float[Tensor, "checkpoints entries"]:
    """The rows times a power of 2, such that squares neither overflow nor underflow.

    Rows of moderate size are given back as they are; no digits are lost in others.

    Args:
        rows: The weights of each checkpoint.
        each: Whether each row has its own power.
    """
    peaks = rows.abs().amax(1).double().numpy() if each else rows.abs().max().double().numpy()
    exponents = np.frexp(peaks)[1]
    if np.abs(exponents).max() <= _MODERATE:
        return rows
    factors = exponents[:, None] if each else exponents
    return torch.from_numpy(np.ldexp(rows.double().numpy(), -factors))


def squared_distances(
    rows: Float[Tensor, "checkpoints entries"],
) -> Float[np.ndarray, "checkpoints checkpoints"]:
    """Squared Euclidean distances of all pairs over that of the largest difference of an entry.

    Differences are taken before products, in double precision, so that late checkpoints, which lie
    close together far from the origin, lose no digits.

    Args:
        rows: The weights of each checkpoint, scaled by :func:`scaled`.
    """
    largest = max(
        float((part.double() - part[0].double()).abs().max()) for part in rows.split(_COLUMNS, 1)
    )
    return squared_distances_of(gram(rows, rows[0], largest or 1.0))


def gram(
    rows: Float[Tensor, "checkpoints entries"],
    origin: Float[Tensor, " entries"] | None = None,
    unit: float = 1.0,
) -> Float[np.ndarray, "checkpoints checkpoints"]:
    """Inner products of all pairs, in double precision.

    Args:
        rows: The weights of each checkpoint.
        origin: What is subtracted first; nothing by default.
        unit: What entries are then divided by.
    """
    products = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for start in range(0, rows.shape[1], _COLUMNS):
        part = rows[:, start : start + _COLUMNS].double()
        if origin is not None:
            part = part - origin[start : start + _COLUMNS].double()
        if unit != 1:
            part = part / unit
        products += part @ part.T
    return products.numpy()


def squared_distances_of(
    products: Float[np.ndarray, "checkpoints checkpoints"],
) -> Float[np.ndarray, "checkpoints checkpoints"]:
    """Squared distances of what has these inner products."""
    lengths = products.diagonal()
    return np.clip(lengths[:, None] + lengths - 2 * products, 0, None)


def _native(rows: np.ndarray) -> np.ndarray:
    """A copy that torch takes: of this machine's byte order, and of double precision at most."""
    dtype = rows.dtype.newbyteorder("=")
    if dtype.kind == "f" and dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    elif dtype.kind == "c" and dtype.itemsize > 16:
        dtype = np.dtype(np.complex128)
    if dtype == rows.dtype and rows.flags.c_contiguous and rows.flags.writeable:
        return rows
    with np.errstate(over="ignore", under="ignore"):
        return rows.astype(dtype, order="C", copy=True)
