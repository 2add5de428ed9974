"""From noise to networks: the steps by which the equation of a flow is solved, from time 0 to 1."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Solver = Literal["euler", "adams", "heun", "rk4"]
Points = Float[Tensor, "points dimensions"]
Velocity = Callable[[Points, Float[Tensor, " points"]], Points]
"""How fast points move, each at its time."""


def integrate(
    velocity: Velocity,
    points: Points,
    steps: int,
    solver: Solver = "heun",
    differentiated: int | None = None,
) -> Points:
    """Where points are at time 1 that are given at time 0.

    Args:
        velocity: How fast they move.
        points: A row a point.
        steps: Steps of equal length.
        solver: ``euler``, one evaluation a step and of first order, ``adams``, one and of second
            order (Adams and Bashforth, which looks back a step), ``heun``, two and of second
            order, or ``rk4``, four and of fourth order.
        differentiated: So many of the last steps have a gradient; None for all.
    """
    length, before = 1.0 / steps, None
    has_gradient = torch.is_grad_enabled()
    for number in range(steps):
        is_free = differentiated is None or number >= steps - differentiated
        with torch.set_grad_enabled(has_gradient and is_free):
            points, before = _step(velocity, points, number * length, length, solver, before)
    return points


def _step(
    velocity: Velocity,
    points: Points,
    start: float,
    length: float,
    solver: Solver,
    before: Points | None,
) -> tuple[Points, Points | None]:
    """Where points are a step later, and the velocity that ``adams`` looks back at."""
    time = points.new_full((len(points),), start)
    first = velocity(points, time)
    if solver == "adams":
        now, first = first, first if before is None else 1.5 * first - 0.5 * before
        before = now
    elif solver == "heun":
        second = velocity(points + length * first, time + length)
        first = (first + second) / 2
    elif solver == "rk4":
        second = velocity(points + length / 2 * first, time + length / 2)
        third = velocity(points + length / 2 * second, time + length / 2)
        fourth = velocity(points + length * third, time + length)
        first = (first + 2 * second + 2 * third + fourth) / 6
    return points + length * first, before


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
        correlation: Correlation of each dimension.
    """
    time = time.view(-1, *(1,) * correlation.ndim)
    return (2 * time - 1) * (1 - correlation) / _variance(time, correlation)


def gaussian_deviation(
    time: Float[Tensor, " points"], correlation: Float[Tensor, "*dimensions"]
) -> Float[Tensor, "points *dimensions"]:
    """The standard deviation of the same variable on its line, see :func:`gaussian_slope`.

    Args:
        time: Times from 0 to 1.
        correlation: Correlation of each dimension.
    """
    return _variance(time.view(-1, *(1,) * correlation.ndim), correlation).sqrt()


def _variance(time: Tensor, correlation: Tensor) -> Tensor:
    return (1 - time).square() + time.square() + 2 * time * (1 - time) * correlation
