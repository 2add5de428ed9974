"""From noise to networks: the steps by which the equation of a flow is solved, from time 0 to 1."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Solver = Literal["euler", "heun"]
Points = Float[Tensor, "points dimensions"]
Velocity = Callable[[Points, Float[Tensor, " points"]], Points]
"""How fast points move, each at its time."""


def integrate(velocity: Velocity, points: Points, steps: int, solver: Solver = "heun") -> Points:
    """Where points are at time 1 that are given at time 0.

    Args:
        velocity: How fast they move.
        points: A row a point.
        steps: Steps of equal length.
        solver: ``euler``, one evaluation a step and of first order, or ``heun``, two and of second
            order.
    """
    length = 1.0 / steps
    for number in range(steps):
        time = points.new_full((len(points),), number * length)
        first = velocity(points, time)
        if solver == "heun":
            second = velocity(points + length * first, time + length)
            first = (first + second) / 2
        points = points + length * first
    return points


def interpolated(start: Points, end: Points, time: Float[Tensor, " points"]) -> Points:
    """Points on straight lines, each at its time."""
    return torch.lerp(start, end, time[:, None])


def gaussian_slope(
    time: Float[Tensor, " points"], correlation: Float[Tensor, "*dimensions"]
) -> Float[Tensor, "points *dimensions"]:
    r"""How fast a Gaussian variable moves that is known to be at 1, at each time.

    Let noise and data be standard Gaussian with correlation :math:`\rho`. On the straight line
    :math:`x_t = (1 - t) x_0 + t x_1` the mean velocity is

    .. math::
        E[x_1 - x_0 \mid x_t] = \frac{(2 t - 1)(1 - \rho)}{(1 - t)^2 + t^2 + 2 t (1 - t) \rho} x_t.

    Args:
        time: Times from 0 to 1.
        correlation: Of each dimension.
    """
    time = time.view(-1, *(1,) * correlation.ndim)
    variance = (1 - time).square() + time.square() + 2 * time * (1 - time) * correlation
    return (2 * time - 1) * (1 - correlation) / variance
