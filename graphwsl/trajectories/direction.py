"""Which end of a path of checkpoints is its beginning, from weights alone.

What a training does to weights tells: they grow, their largest grow most, steps become short beside
them, and the beginning is left faster than the end is reached. None of these holds always. With
strong weight decay weights shrink, and once a training is stationary nothing changes any more, so
each is a voice, and :attr:`Direction.is_certain` says whether they agree.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

CERTAIN = 0.5
"""A score of at least this is certain: see the page on trajectories for how often it errs."""
FEWEST_STEPS = 8
"""Steps below which their lengths count as nothing: checkpoints may lie unevenly in time."""


@dataclass(frozen=True)
class Direction:
    """How likely a path runs forward in time.

    Attributes:
        score: Mean of the evidence, from -1 (backward) to 1 (forward).
        growth: Correlation of the norm of the weights with time.
        extremes: Correlation of the largest weight with time.
        slowing: Correlation of the lengths of steps, relative to the weights, with going back;
            None for less than :data:`FEWEST_STEPS` steps.
        leaving: How much sooner the first checkpoint is left than the last one is reached, from -1
            to 1; None likewise.
    """

    score: float
    growth: float
    extremes: float
    slowing: float | None
    leaving: float | None

    @property
    def is_certain(self) -> bool:
        """Whether the evidence is strong enough to rely on."""
        return abs(self.score) >= CERTAIN

    @property
    def reversed(self) -> "Direction":
        """The same of the path backward."""
        values: dict[str, Any] = {name: None if v is None else -v for name, v in vars(self).items()}
        return replace(self, **values)


def direction_of(path: Float[Tensor, "checkpoints entries"]) -> Direction:
    """The evidence on whether a path runs forward in time.

    Args:
        path: The weights of at least two checkpoints, in order or backward.
    """
    norms = torch.linalg.vector_norm(path, dim=1, dtype=torch.float64).numpy()
    largest = path.abs().amax(1).double().numpy()
    growth, extremes = _trend(norms), _trend(largest)
    slowing = leaving = None
    if len(path) > FEWEST_STEPS:
        lengths = _lengths(path[1:], path[:-1])
        relative = lengths / np.sqrt(np.maximum(norms[1:] * norms[:-1], 1e-300))
        slowing = -_trend(np.log(np.maximum(relative, 1e-300)))
        left, reached = _lengths(path, path[:1])[1:-1], _lengths(path, path[-1:])[-2:0:-1]
        floor = 1e-12 * max(left.max(), reached.max(), 1e-300)
        ratio = np.log(np.maximum(left, floor) / np.maximum(reached, floor)).mean()
        leaving = float(np.tanh(3 * ratio))
    voices = [value for value in (growth, extremes, slowing, leaving) if value is not None]
    return Direction(float(np.mean(voices)), growth, extremes, slowing, leaving)


def _lengths(
    path: Float[Tensor, "checkpoints entries"], origin: Float[Tensor, "#checkpoints entries"]
) -> Float[np.ndarray, " checkpoints"]:
    lengths: np.ndarray = torch.linalg.vector_norm(
        path - origin, dim=1, dtype=torch.float64
    ).numpy()
    return lengths


def _trend(values: Float[np.ndarray, " checkpoints"]) -> float:
    """Correlation with time; 0 of what does not change."""
    values = values - values.mean()
    time = np.arange(len(values)) - (len(values) - 1) / 2
    size = np.linalg.norm(values) * np.linalg.norm(time)
    return float(values @ time / size) if size > 0 else 0.0
