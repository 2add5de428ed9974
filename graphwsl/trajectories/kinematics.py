"""How a training moves through weight space: speed, turning and curvature along its path."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from graphwsl.trajectories.checked_rows import Rows, checked


@dataclass(frozen=True, eq=False)
class Motion:
    """What a path does, checkpoint by checkpoint.

    Attributes:
        step_lengths: Distances of successive checkpoints, the speed where these are equally far
            apart in time. Shape ``(checkpoints - 1,)``.
        turning: Angles between successive steps [rad]: 0 straight on, π back. NaN beside a step of
            length 0. Shape ``(checkpoints - 2,)``.
        curvature: Reciprocal radius of the circle through three successive checkpoints (Menger
            curvature) [1/distance]; NaN where two of them are equal. Shape ``(checkpoints - 2,)``.
        straightness: Distance from first to last over the length of the path, from 0 to 1; NaN
            where nothing moves.
    """

    step_lengths: Float[np.ndarray, " steps"]
    turning: Float[np.ndarray, " turns"]
    curvature: Float[np.ndarray, " turns"]
    straightness: float


def motion(rows: Rows) -> Motion:
    """How a training moves.

    Args:
        rows: The weights of each checkpoint, in the order of time.

    Raises:
        InvalidArgumentError: They are no matrix of numbers in floating point.
        TrajectoryError: There are fewer than two, or weights that are not finite.
    """
    path = checked(rows, 2, "motion").double()
    steps = path.diff(dim=0)
    lengths = torch.linalg.vector_norm(steps, dim=1)
    chords = torch.linalg.vector_norm(path[2:] - path[:-2], dim=1)
    before, after = steps[:-1], steps[1:]
    sizes = lengths[:-1] * lengths[1:]
    # arccos loses half of the digits of small angles, atan2 none.
    unit_before = before / lengths[:-1, None]
    unit_after = after / lengths[1:, None]
    turning = 2 * torch.atan2(
        torch.linalg.vector_norm(unit_after - unit_before, dim=1),
        torch.linalg.vector_norm(unit_after + unit_before, dim=1),
    )
    apart = (sizes > 0) & (chords > 0)
    curvature = 2 * turning.sin() / torch.where(apart, chords, torch.nan)
    travelled = float(lengths.sum())
    whole = float(torch.linalg.vector_norm(path[-1] - path[0]))
    return Motion(
        lengths.numpy(),
        turning.numpy(),
        curvature.numpy(),
        whole / travelled if travelled > 0 else float("nan"),
    )
