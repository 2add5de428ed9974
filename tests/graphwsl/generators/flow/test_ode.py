"""Solvers against a solution in closed form: their orders, and the marginals of a Gaussian."""

import math

import pytest
import torch
from scipy.integrate import solve_ivp

from graphwsl.generators.flow.ode import Solver, gaussian_deviation, gaussian_slope, integrate


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("adams", 2), ("heun", 2)])
def test_errors_fall_with_the_order_of_the_solver(solver: Solver, order: int) -> None:
    """x' = t x has the solution exp(1/2) at time 1."""
    start = torch.ones(1, 1, dtype=torch.float64)
    errors = [
        abs(float(integrate(lambda x, t: t[:, None] * x, start, steps, solver)) - math.exp(0.5))
        for steps in (16, 32)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("correlation", [0.0, 0.4])
def test_the_linear_velocity_has_the_marginals_of_a_gaussian(correlation: float) -> None:
    """On lines between Gaussians of correlation ρ the variance is (1-t)² + t² + 2 t (1-t) ρ."""
    rho = torch.tensor([correlation])

    def slope(t: float, x: float) -> float:
        return float(gaussian_slope(torch.tensor([t]), rho)) * x

    times = [0.25, 0.5, 0.75, 1.0]
    found = solve_ivp(slope, (0, 1), [1.0], t_eval=times, rtol=1e-6)
    for t, deviation in zip(times, found.y[0], strict=True):
        variance = (1 - t) ** 2 + t**2 + 2 * t * (1 - t) * correlation
        assert deviation**2 == pytest.approx(variance, abs=1e-4)
        known = float(gaussian_deviation(torch.tensor([t]), rho))
        assert known == pytest.approx(deviation, abs=1e-4)


def test_the_linear_velocity_is_the_regression_of_the_velocity() -> None:
    generator = torch.Generator().manual_seed(0)
    start, other = torch.randn(2, 200_000, generator=generator, dtype=torch.float64)
    end = 0.3 * start + math.sqrt(1 - 0.3**2) * other
    point = 0.7 * end + 0.3 * start
    regression = float(((end - start) * point).sum() / point.square().sum())
    found = float(gaussian_slope(torch.tensor([0.7]), torch.tensor([0.3])))
    assert found == pytest.approx(regression, abs=0.02)
