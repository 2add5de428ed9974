"""Which checkpoints belong to one training, when several are mixed and nobody says how many.

Networks that were initialised independently have nearly orthogonal weights however long they train,
while a training remembers where it comes from. So checkpoints are joined wherever their weights are
similar, and what hangs together is a training.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories.checked_rows import Rows, checked, gram, scaled

SIMILAR = 0.5
"""Cosine similarity from which two checkpoints are of one training."""
_LARGEST = 3.0
"""Weights count as at most so many times the median weight of their network: gains of norms, which
are near 1 in every network, would make all of them alike."""


def separate(rows: Rows, *, similar: float = SIMILAR) -> Int[Tensor, " checkpoints"]:
    """The trainings that checkpoints belong to, numbered in the order in which they appear.

    Trainings that begin at the same weights are one here; :func:`graphwsl.trajectories.parentage`
    tells who comes from whom.

    Args:
        rows: The weights of each checkpoint, all of one shape, in any order.
        similar: Cosine similarity, of weights clipped at three times the median, from which two
            checkpoints are of one training, as are those that others join. Between 0 and 1.

    Raises:
        InvalidArgumentError: The rows are no matrix of numbers in floating point.
        TrajectoryError: There are no checkpoints, weights that are not finite, or ``similar`` is
            not between 0 and 1.
    """
    rows = checked(rows, 1, "separation")
    if not 0 < similar < 1:
        raise TrajectoryError(f"similar must be between 0 and 1, got {similar}")
    _, labels = connected_components(similarities(rows) >= similar, directed=False)
    _, first, numbers = np.unique(labels, return_index=True, return_inverse=True)
    return torch.from_numpy(first.argsort().argsort()[numbers])


def similarities(
    rows: Float[Tensor, "checkpoints entries"],
) -> Float[np.ndarray, "checkpoints checkpoints"]:
    """Cosine similarities of clipped weights; those of networks without any weight are 0."""
    rows = scaled(rows, each=True)
    limit = _LARGEST * rows.abs().median(1, keepdim=True).values
    products = gram(torch.where(limit > 0, rows.clamp(-limit, limit), rows))
    sizes = np.sqrt(products.diagonal())
    return products / np.maximum(sizes[:, None] * sizes, 1e-300)
