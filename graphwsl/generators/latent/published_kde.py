"""The kernel density estimate as published code draws from it, to compare with.

The code of "Hyper-Representations as Generative Models" (2022) and of SANE (2024) fits an estimate
a dimension and seeds each with the same number, so that all choose the same network and the same
noise: what is drawn is the latent of a known network, shifted by one number.
"""

import torch

from graphwsl import arguments
from graphwsl.generators.latent.sampler import Matrix, Sampler


class PublishedKDE(Sampler):
    """Latents of known networks, each shifted in all dimensions by one normally distributed number.

    Args:
        bandwidth: Deviation of that number: 0.002 in 2022, 0.2 in SANE.

    Raises:
        InvalidArgumentError: The bandwidth is not positive.
    """

    name = "published_kde"

    def __init__(self, bandwidth: float = 0.002) -> None:
        super().__init__()
        arguments.positive("bandwidth", bandwidth)
        self.bandwidth = bandwidth

    def _fit(self, latents: Matrix) -> None:
        self._latents = latents
        self.report["bandwidth"] = self.bandwidth

    def _draw(self, count: int, generator: torch.Generator | None) -> Matrix:
        anchors = torch.randint(len(self._latents), (count,), generator=generator)
        return self._latents[anchors] + self.bandwidth * torch.randn(count, 1, generator=generator)
