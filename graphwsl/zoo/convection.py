"""Points of the plane of space and time, and the waves that move over it, at every whole speed."""

import math

import torch

from graphwsl.zoo.data_set import DataSet

LENGTH = 2 * math.pi
"""Space goes from 0 to this, where it begins again; time goes from 0 to 1."""
FASTEST = 50
"""Speeds are whole numbers from 0 to this."""
_TRAIN, _TEST = 1024, (32, 16)


def convection() -> DataSet:
    """1,024 points (x, t) to learn from, and a grid of 32 × 16 to test on; labels are sin(x − βt).

    The training points fill the plane evenly: those of a Sobol sequence. Signal β is the wave of
    speed β, which solves ∂u/∂t + β ∂u/∂x = 0 with u(x, 0) = sin x.
    """
    sobol = torch.quasirandom.SobolEngine(2).draw(_TRAIN + 1, dtype=torch.float64)[1:]
    along, later = (torch.arange(count, dtype=torch.float64) for count in _TEST)
    grid = torch.cartesian_prod((along + 0.5) / _TEST[0], (later + 0.5) / _TEST[1])
    parts = [points * torch.tensor([LENGTH, 1.0], dtype=torch.float64) for points in (sobol, grid)]
    speeds = torch.arange(FASTEST + 1, dtype=torch.float64)[:, None]
    waves = [(x - speeds * t).sin()[:, :, None].float() for x, t in (p.unbind(1) for p in parts)]
    train, test = (points.float() for points in parts)
    return DataSet(train, waves[0], test, waves[1], signals=FASTEST + 1)
