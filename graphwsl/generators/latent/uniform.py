"""Uniform draws: S_U of Schürholt et al., "Hyper-Representations as Generative Models" (2022)."""

import torch

from graphwsl.errors import GeneratorError
from graphwsl.generators.latent.sampler import Matrix, Sampler


class Uniform(Sampler):
    """Every dimension uniform within bounds.

    Args:
        low: Lower bound of all dimensions; None takes the smallest latent of each.
        high: Upper bound; None takes the largest. Published are -1 and 1, the range of a tanh.

    Raises:
        GeneratorError: One bound without the other, or none between which anything lies.
    """

    name = "uniform"

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        super().__init__()
        if (low is None) != (high is None) or (
            low is not None and high is not None and not low < high
        ):
            raise GeneratorError(
                f"bounds must be two numbers in ascending order, got {low}, {high}"
            )
        self._bounds = None if low is None or high is None else (low, high)

    def _fit(self, latents: Matrix) -> None:
        if self._bounds is None:
            self._low, self._high = latents.amin(0), latents.amax(0)
        else:
            self._low, self._high = (torch.full_like(latents[0], one) for one in self._bounds)

    def _draw(self, count: int, generator: torch.Generator | None) -> Matrix:
        shares = torch.rand(count, len(self._low), generator=generator)
        return self._low + (self._high - self._low) * shares
