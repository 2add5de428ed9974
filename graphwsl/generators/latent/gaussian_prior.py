"""A Gaussian prior: where SANE_GAUSS begins, of which bootstrapping keeps the best.

Schürholt, Mahoney, Borth, "Towards Scalable and Versatile Weight Space Learning" (2024).
"""

import torch

from graphwsl import arguments
from graphwsl.generators.latent.sampler import Matrix, Sampler


class GaussianPrior(Sampler):
    """Every dimension normally distributed about 0; of the latents only the shape is of account.

    Args:
        deviation: Deviation of every dimension. Published is 10.

    Raises:
        InvalidArgumentError: The deviation is not positive.
    """

    name = "gaussian_prior"

    def __init__(self, deviation: float = 1.0) -> None:
        super().__init__()
        arguments.positive("deviation", deviation)
        self.deviation = deviation

    def _fit(self, latents: Matrix) -> None:
        self._dimensions = latents.shape[1]

    def _draw(self, count: int, generator: torch.Generator | None) -> Matrix:
        return self.deviation * torch.randn(count, self._dimensions, generator=generator)
