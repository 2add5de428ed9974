"""The order of the checkpoints of a training, from their weights alone.

A training is a path on which far apart in time is far apart in weights. *Seriation* finds the
order back: similarities that decrease with distance make a graph, and its Fiedler vector, the
eigenvector of the second smallest eigenvalue of the Laplacian, is monotonic along the path (Atkins,
Boman and Hendrickson, "A Spectral Algorithm for Seriation and the Consecutive Ones Problem", 1998).
Schürholt and Borth, "An Investigation of the Weight Space to Monitor the Training Progress of
Neural Networks", 2020, saw that the order can be recovered.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories.checked_rows import Rows, checked, scaled, squared_distances
from graphwsl.trajectories.direction import Direction, direction_of


@dataclass(frozen=True, eq=False)
class Order:
    """The order of checkpoints, and how sure it is.

    Attributes:
        permutation: Number of the row that comes first, that comes second, and so on.
        direction: Which end is the beginning, and the evidence.
        violations: Share of pairs of neighbours of which the one that lies further away in time
            lies closer in weights; 0 for a smooth path, about 0.5 for points without order.
    """

    permutation: Int[Tensor, " checkpoints"]
    direction: Direction
    violations: float


def order(rows: Rows) -> Int[Tensor, " checkpoints"]:
    """The order of the checkpoints of one training: ``rows[order(rows)]`` is in the order of time.

    Where the direction is uncertain this is the likelier one; :func:`find_order` says how sure it
    is.

    Args:
        rows: The weights of each checkpoint, in any order.

    Raises:
        InvalidArgumentError: They are no matrix of numbers in floating point.
        TrajectoryError: There are fewer than two, weights that are not finite, or all are equal.
    """
    return find_order(rows).permutation


def find_order(rows: Rows) -> Order:
    """The order of the checkpoints of one training, its direction and how sure both are.

    Args:
        rows: The weights of each checkpoint, in any order.

    Raises:
        InvalidArgumentError: They are no matrix of numbers in floating point.
        TrajectoryError: There are fewer than two, weights that are not finite, or all are equal.
    """
    rows = scaled(checked(rows, 2, "an order"))
    squares = squared_distances(rows)
    if not squares.any():
        raise TrajectoryError(
            f"all {len(rows)} checkpoints have the same weights, which have no order"
        )
    along = seriation(squares)
    direction = direction_of(rows[along.tolist()])
    if direction.score < 0:
        along, direction = along[::-1], direction.reversed
    return Order(
        torch.from_numpy(along.copy()), direction, anti_robinson_violations(squares, along)
    )


def seriation(
    squares: Float[np.ndarray, "checkpoints checkpoints"],
) -> Int[np.ndarray, " checkpoints"]:
    """The order along a path of what has these squared distances, in either direction.

    Of the orders by three kernels the one with the fewest violations of the Robinson property:
    Gaussian of the distances, Gaussian of their ranks, and linear. Paths whose steps differ by
    orders of magnitude, with many checkpoints early and few late, need the ranks.

    Args:
        squares: Squared distances of all pairs.
    """
    count = len(squares)
    if count == 2:
        return np.arange(2)
    distances = np.sqrt(squares)
    ranks = squares.argsort(1, kind="stable").argsort(1, kind="stable")
    shared_ranks = (ranks + ranks.T) / count
    typical = np.median(squares[~np.eye(count, dtype=bool)])
    kernels = [np.exp(-2 * shared_ranks**2), distances.max() - distances]
    if typical > 0:
        kernels.insert(0, np.exp(-squares / typical))
    orders = [_by_fiedler_vector(kernel) for kernel in kernels]
    return min(orders, key=lambda along: anti_robinson_violations(squares, along))


def anti_robinson_violations(
    squares: Float[np.ndarray, "checkpoints checkpoints"], along: Int[np.ndarray, " checkpoints"]
) -> float:
    """Share of neighbours in the rows of sorted distances that do not grow away from the diagonal.

    Args:
        squares: Squared distances of all pairs.
        along: An order.
    """
    count = len(along)
    if count < 3:
        return 0.0
    growth = np.diff(squares[np.ix_(along, along)], axis=1)
    right = np.triu(np.ones((count, count - 1), dtype=bool))
    return float(np.where(right, growth < 0, growth > 0).mean())


def _by_fiedler_vector(kernel: np.ndarray) -> np.ndarray:
    laplacian = np.diag(kernel.sum(1)) - kernel
    _, vectors = np.linalg.eigh(laplacian)
    return vectors[:, 1].argsort(kind="stable")
