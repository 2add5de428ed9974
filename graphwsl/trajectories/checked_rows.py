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
    if isinstance(rows, np.ndarray):
        rows = torch.from_numpy(rows)
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


def squared_distances(
    rows: Float[Tensor, "checkpoints entries"],
) -> Float[np.ndarray, "checkpoints checkpoints"]:
    """Squared Euclidean distances of all pairs, in double precision.

    Differences are taken before products, so that late checkpoints, which lie close together far
    from the origin, lose no digits.
    """
    return squared_distances_of(gram(rows, rows[0]))


def gram(
    rows: Float[Tensor, "checkpoints entries"], origin: Float[Tensor, " entries"] | None = None
) -> Float[np.ndarray, "checkpoints checkpoints"]:
    """Inner products of all pairs, in double precision.

    Args:
        rows: The weights of each checkpoint.
        origin: What is subtracted first; nothing by default.
    """
    products = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for start in range(0, rows.shape[1], _COLUMNS):
        part = rows[:, start : start + _COLUMNS].double()
        if origin is not None:
            part = part - origin[start : start + _COLUMNS].double()
        products += part @ part.T
    return products.numpy()


def squared_distances_of(
    products: Float[np.ndarray, "checkpoints checkpoints"],
) -> Float[np.ndarray, "checkpoints checkpoints"]:
    """Squared distances of what has these inner products."""
    lengths = products.diagonal()
    return np.clip(lengths[:, None] + lengths - 2 * products, 0, None)
