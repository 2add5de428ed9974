r"""The quantile by which errors on grids that were not learnt from become intervals.

Split-conformal prediction needs units that might as well have come in any other order. Grids of
one kind are such units; the nodes of one grid are not, since they share its lines and its powers.
So each of the K grids weighs :math:`1 / (K + 1)`, shared evenly by its nodes, and the last of these
weights lies at infinity, for the grid that is predicted (hierarchical conformal prediction, Lee,
Barber and Willett, arXiv:2306.06342). A node drawn at random from a further grid then has a score
of at most the quantile with at least the probability asked for. For grids of one node it is the
well-known :math:`\lceil (K + 1) p \rceil`-th smallest score.
"""

import math

import numpy as np
from jaxtyping import Float, Int

from gridstab.arguments import shortened
from gridstab.errors import InvalidParameterError

_ROUNDING = 1e-9
"""Of sums of weights; far below the weight of a node."""


def conformal_quantile(
    scores: Float[np.ndarray, " nodes"], pointer: Int[np.ndarray, " ends"], level: float
) -> float:
    """The score that a random node of a further grid does not exceed, with probability ``level``.

    Args:
        scores: Scores of the nodes, grid after grid.
        pointer: Where each grid begins, and at last where all of them end.
        level: The probability, above 0 and below 1.

    Returns:
        Infinity where the grids are too few for that level, see :func:`highest_level`.
    """
    sizes = np.diff(pointer)
    weight = np.repeat(1 / np.maximum(sizes, 1), sizes)
    order = np.argsort(scores, kind="stable")
    reached = np.flatnonzero(
        np.cumsum(weight[order]) >= level * (len(sizes) + 1) - _ROUNDING * len(sizes)
    )
    return float(scores[order[reached[0]]]) if len(reached) else math.inf


def highest_level(grids: int) -> float:
    """The largest probability for which so many grids give a finite quantile, K / (K + 1)."""
    return grids / (grids + 1)


def require_level(level: object) -> float:
    """The probability that intervals are to have.

    Raises:
        InvalidParameterError: No number between 0 and 1, both excluded.
    """
    if isinstance(level, bool) or not (isinstance(level, int | float) and 0 < level < 1):
        raise InvalidParameterError(
            "intervals must be a probability above 0 and below 1, such as 0.9, "
            f"got {shortened(level)}"
        )
    return float(level)
