"""Gaussian diffusion by prediction of the noise, and two ways back: DDPM and DDIM.

J. Ho, A. Jain, P. Abbeel, "Denoising Diffusion Probabilistic Models" (2020); J. Song, C. Meng,
S. Ermon, "Denoising Diffusion Implicit Models" (2021).

A point after step ``t`` of ``T``, counted from 0, is √ᾱ x + √(1 − ᾱ) ε with normal ε, where ᾱ is
the product of 1 − β of all steps until then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import InvalidArgumentError

Points = Float[Tensor, "points *dimensions"]
PredictNoise = Callable[[Points, int], Points]
"""The noise in points after a step."""


@dataclass(frozen=True, eq=False)
class Diffusion:
    """A schedule of noise, and samplers that go back along it.

    Attributes:
        betas: Share of the variance that every step replaces by noise, shape ``(steps,)``.
    """

    betas: Float[Tensor, " steps"]

    @classmethod
    def linear(cls, steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> "Diffusion":
        """Shares that grow linearly, as published by Ho et al.

        Args:
            steps: How many.
            first: Share of the first step.
            last: Share of the last step.

        Raises:
            InvalidArgumentError: No steps, or shares that are not positive.
        """
        arguments.whole("steps", steps, 1)
        arguments.positive("first", first)
        arguments.positive("last", last)
        return cls(torch.linspace(first, last, steps, dtype=torch.float64))

    def __len__(self) -> int:
        return len(self.betas)

    @cached_property
    def kept(self) -> Float[Tensor, " steps"]:
        """ᾱ, the share of the variance that is left of the data after each step."""
        return (1 - self.betas).cumprod(0)

    def noised(self, points: Points, noise: Points, step: Int[Tensor, " points"]) -> Points:
        """Points after a step each.

        Args:
            points: Data, with variance about 1 in every dimension.
            noise: Normal numbers.
            step: From 0.
        """
        kept = self.kept[step].to(points).reshape(-1, *[1] * (points.ndim - 1))
        return kept.sqrt() * points + (1 - kept).sqrt() * noise

    def ddpm(
        self, predict: PredictNoise, start: Points, generator: torch.Generator | None = None
    ) -> Points:
        """All steps back, with fresh noise in each.

        Its variance is that of the posterior, β (1 − ᾱ of the step before) / (1 − ᾱ).

        Args:
            predict: The noise in points after a step.
            start: Normal numbers.
            generator: Source of randomness, of the CPU.
        """
        steps = list(reversed(range(len(self))))
        return self._back(predict, start, steps, 1.0, generator)

    def ddim(
        self,
        predict: PredictNoise,
        start: Points,
        steps: int = 60,
        eta: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Points:
        """Some of the steps back.

        Args:
            predict: The noise in points after a step.
            start: Normal numbers.
            steps: How many, evenly spaced from the last to the first.
            eta: Deviation of fresh noise, over that of DDPM: from 0, for none, to 1.
            generator: Source of randomness, of the CPU.

        Raises:
            InvalidArgumentError: More steps than the schedule has, or more noise than DDPM's.
        """
        arguments.whole("steps", steps, 1, len(self))
        if not 0 <= eta <= 1:
            raise InvalidArgumentError(f"eta must be from 0 to 1, got {eta}")
        taken = torch.linspace(len(self) - 1, 0, steps, dtype=torch.float64).round().long()
        return self._back(predict, start, taken.tolist(), eta, generator)

    @torch.no_grad()
    def _back(
        self,
        predict: PredictNoise,
        start: Points,
        steps: list[int],
        eta: float,
        generator: torch.Generator | None,
    ) -> Points:
        """Steps of Song et al., equation 12, which are those of DDPM for ``eta`` 1."""
        kept, x = self.kept.tolist(), start
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            now, then = kept[step], 1.0 if following is None else kept[following]
            noise = predict(x, step)
            data = (x - (1 - now) ** 0.5 * noise) / now**0.5
            spread = eta * ((1 - then) / (1 - now) * (1 - now / then)) ** 0.5
            x = then**0.5 * data + max(1 - then - spread**2, 0.0) ** 0.5 * noise
            if spread:
                fresh = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x)
                x = x + spread * fresh
        return x
