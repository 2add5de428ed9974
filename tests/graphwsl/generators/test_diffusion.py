"""The samplers of the diffusion against closed forms on Gaussian data."""

import math

import pytest
import torch
from torch import Tensor

from graphwsl.errors import InvalidArgumentError
from graphwsl.generators.diffusion import Diffusion

MEAN, DEVIATION = 0.7, 0.4
"""Of the data."""


def exact_noise(diffusion: Diffusion, x: Tensor, step: int) -> Tensor:
    """The mean of the noise in a point, if data are normal."""
    kept = float(diffusion.kept[step])
    variance = kept * DEVIATION**2 + 1 - kept
    return math.sqrt(1 - kept) * (x - math.sqrt(kept) * MEAN) / variance


def textbook_ddpm(diffusion: Diffusion, x: Tensor, generator: torch.Generator) -> Tensor:
    """Algorithm 2 of Ho et al., word by word."""
    for t in reversed(range(len(diffusion))):
        beta, kept = diffusion.betas[t], diffusion.kept[t]
        x = (x - beta / (1 - kept).sqrt() * exact_noise(diffusion, x, t)) / (1 - beta).sqrt()
        if t:
            variance = beta * (1 - diffusion.kept[t - 1]) / (1 - kept)
            x = x + variance.sqrt() * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x


def normal(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 1, generator=generator, dtype=torch.float64)


def test_ddpm_is_that_of_the_textbook_and_so_is_ddim_with_its_noise() -> None:
    diffusion, start = Diffusion.linear(50, 1e-4, 0.2), normal(20)
    expected = textbook_ddpm(diffusion, start, torch.Generator().manual_seed(1))

    def predict(x: Tensor, step: int) -> Tensor:
        return exact_noise(diffusion, x, step)

    ddpm = diffusion.ddpm(predict, start, torch.Generator().manual_seed(1))
    torch.testing.assert_close(ddpm, expected)
    ddim = diffusion.ddim(predict, start, 50, 1.0, torch.Generator().manual_seed(1))
    torch.testing.assert_close(ddim, expected)


def test_ddpm_samples_the_data() -> None:
    diffusion = Diffusion.linear(200, 1e-4, 0.1)
    found = diffusion.ddpm(
        lambda x, step: exact_noise(diffusion, x, step), normal(20_000),
        torch.Generator().manual_seed(2),
    )  # fmt: skip
    assert float(found.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(found.std()) == pytest.approx(DEVIATION, abs=0.02)


def test_ddim_is_of_first_order() -> None:
    """Without noise it follows an equation that keeps the quantile of a point."""
    diffusion, start = Diffusion.linear(2000, 1e-5, 0.01), normal(10)
    kept = float(diffusion.kept[-1])
    spread = math.sqrt(kept * DEVIATION**2 + 1 - kept)
    exact = MEAN + DEVIATION * (start - math.sqrt(kept) * MEAN) / spread
    errors = [
        float((diffusion.ddim(lambda x, t: exact_noise(diffusion, x, t), start, n) - exact).norm())
        for n in (100, 200)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.2)


def test_noised_points_have_the_variance_of_the_step() -> None:
    diffusion = Diffusion.linear(10, 0.1, 0.3)
    points = torch.full((40_000, 1), 2.0)
    step = torch.arange(10).repeat(4_000)
    noise = torch.randn(points.shape, generator=torch.Generator().manual_seed(0))
    found = diffusion.noised(points, noise, step)
    for t in (0, 4, 9):
        kept = math.prod(1 - float(beta) for beta in diffusion.betas[: t + 1])
        own = found[step == t]
        assert float(own.mean()) == pytest.approx(2 * math.sqrt(kept), abs=0.05)
        assert float(own.var()) == pytest.approx(1 - kept, rel=0.06)


def test_schedules_that_are_none() -> None:
    with pytest.raises(InvalidArgumentError, match="steps must be at least 1"):
        Diffusion.linear(0)
    with pytest.raises(InvalidArgumentError, match="steps must be from 1 to 5, got 6"):
        Diffusion.linear(5).ddim(lambda x, step: x, normal(1), 6)
