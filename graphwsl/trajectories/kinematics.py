"""How a training moves through weight space: speed, turning and curvature along its path."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import TrajectoryError
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
        TrajectoryError: There are fewer than two, weights that are not finite, or steps whose
            lengths or curvature are beyond double precision.
    """
    path = checked(rows, 2, "motion").double()
    steps = path.diff(dim=0)
    lengths = _lengths(steps)
    chords = _lengths(path[2:] - path[:-2])
    before, after = steps[:-1], steps[1:]
    shorter = torch.minimum(lengths[:-1], lengths[1:])
    # arccos loses half of the digits of small angles, atan2 none.
    unit_before = before / lengths[:-1, None]
    unit_after = after / lengths[1:, None]
    turning = 2 * torch.atan2(
        torch.linalg.vector_norm(unit_after - unit_before, dim=1),
        torch.linalg.vector_norm(unit_after + unit_before, dim=1),
    )
    apart = (shorter > 0) & (chords > 0)
    curvature = 2 * turning.sin() / torch.where(apart, chords, torch.nan)
    travelled = float(lengths.sum())
    whole = float(_lengths(path[-1:] - path[:1]))
    if not math.isfinite(travelled) or not math.isfinite(whole) or bool(curvature.isinf().any()):
        raise TrajectoryError(
            f"the path is {travelled:g} long, beyond what double precision can tell of its lengths "
            "or curvature; scale the weights"
        )
    return Motion(
        lengths.numpy(),
        turning.numpy(),
        curvature.numpy(),
        whole / travelled if travelled > 0 else float("nan"),
    )


def _lengths(steps: Float[Tensor, "steps entries"]) -> Float[Tensor, " steps"]:
    """Their lengths, without squares that overflow or underflow."""
    peaks = steps.abs().amax(1, keepdim=True)
    units = torch.where((peaks > 0) & peaks.isfinite(), peaks, 1.0)
    return torch.linalg.vector_norm(steps / units, dim=1) * units[:, 0]
