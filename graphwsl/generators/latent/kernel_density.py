"""A kernel density estimate that draws independently, with a bandwidth that held-out latents chose.

The estimates of Schürholt et al. (2022, 2024), one a dimension or token, as the papers describe
them. In the published code all dimensions draw alike, see
:mod:`graphwsl.generators.latent.published_kde`.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.latent.sampler import Matrix, Sampler

TOGETHER = ("dimension", "token", "network")
"""What may be drawn together."""

BANDWIDTHS = tuple(2.0**power for power in range(-8, 2))
"""Among which likelihood chooses, in deviations of each dimension; each is twice the last one."""

_LOG_NORMALS = torch.tensor(BANDWIDTHS, dtype=torch.float64).log() + math.log(2 * math.pi) / 2

FOLDS = 5
"""Parts of the networks that are held out in turn."""

MOST_NETWORKS, MOST_GROUPS = 400, 256
"""Of which, evenly spaced, the likelihood is taken."""


class KernelDensity(Sampler):
    """Gaussian kernels at the latents of networks.

    What is drawn together (a dimension, a token, the whole network) is the latent of one network,
    drawn uniformly, with normal noise of its own in every dimension; what is not is independent.

    Args:
        together: ``dimension``, ``token`` (of latents of tokens) or ``network``.
        bandwidth: Deviation of the noise, in deviations of each dimension; None takes the most
            likely of :data:`BANDWIDTHS` for latents that are held out, five times in turn. The
            report says which, and the mean log-likelihood of a latent dimension.

    Raises:
        GeneratorError: Another word for what is drawn together.
        InvalidArgumentError: The bandwidth is not positive.
    """

    name = "kernel_density"
    least = 2

    def __init__(self, together: str = "dimension", bandwidth: float | None = None) -> None:
        super().__init__()
        if together not in TOGETHER:
            raise GeneratorError(
                f"unknown unit of drawing {together!r}; choose dimension, token or network"
            )
        if bandwidth is not None:
            arguments.positive("bandwidth", bandwidth)
        self.together, self._given = together, bandwidth

    def _fit(self, latents: Matrix) -> None:
        assert self.shape is not None
        if self.together == "token" and len(self.shape) != 2:
            raise GeneratorError(
                "tokens are drawn of latents of shape (networks, tokens, features); draw a "
                "dimension or a network of these"
            )
        width = {"dimension": 1, "token": self.shape[-1], "network": latents.shape[1]}
        self._width = width[self.together]
        self._latents, self._deviation = latents, latents.std(dim=0, correction=0)
        self.bandwidth = self._given or self._most_likely()
        self.report["bandwidth"] = self.bandwidth

    def _draw(self, count: int, generator: torch.Generator | None) -> Matrix:
        networks, dimensions = self._latents.shape
        groups = dimensions // self._width
        anchors = torch.randint(networks, (count, groups), generator=generator)
        chosen = self._latents.gather(0, anchors.repeat_interleave(self._width, dim=1))
        noise = torch.randn(count, dimensions, generator=generator)
        return chosen + self.bandwidth * self._deviation * noise

    def _most_likely(self) -> float:
        """The bandwidth of the largest likelihood; the smallest where nothing varies."""
        networks, dimensions = self._latents.shape
        groups = _spaced(dimensions // self._width, MOST_GROUPS)
        chosen = _spaced(networks, MOST_NETWORKS)
        unit = torch.where(self._deviation > 0, self._deviation, 1.0)
        latents = (self._latents / unit)[chosen].double()
        # A dimension that does not vary says nothing of the bandwidth.
        latents = latents.where(self._deviation > 0, 0.0)
        latents = latents.view(len(chosen), -1, self._width)[:, groups]
        varying = (self._deviation > 0).view(-1, self._width)[groups].sum(dim=1)
        fold = torch.arange(len(chosen)) % min(FOLDS, len(chosen))
        totals = torch.zeros(len(BANDWIDTHS), dtype=torch.float64)
        for number in fold.unique().tolist():
            anchors, held_out = latents[fold != number], latents[fold == number]
            for group in range(len(groups)):
                squares = torch.cdist(held_out[:, group], anchors[:, group]).square()
                logs = _log_likelihoods(squares).sum(dim=1)
                normal = int(varying[group]) * len(held_out) * _LOG_NORMALS
                totals += logs - normal
        best = int(totals.argmax())
        seen = max(int(varying.sum()), 1) * len(chosen)
        self.report["log_likelihood"] = float(totals[best]) / seen
        return BANDWIDTHS[best]


def _spaced(count: int, most: int) -> Tensor:
    """Numbers below a count, all or evenly spaced ones."""
    return torch.arange(count) if count <= most else torch.linspace(0, count - 1, most).long()


def _log_likelihoods(squares: Float[Tensor, "held_out anchors"]) -> Float[Tensor, "bandwidths n"]:
    """For each of :data:`BANDWIDTHS` the log of the mean of unnormalised kernels at each point.

    Half a bandwidth is the fourth power of a kernel, which spares all exponentials but the first.
    Distances are taken from the smallest of a point, so that no sum vanishes.
    """
    least = squares.min(dim=1, keepdim=True).values
    kernels = torch.exp((least - squares) / (2 * BANDWIDTHS[-1] ** 2))
    logs = []
    for bandwidth in reversed(BANDWIDTHS):
        logs.append(kernels.sum(dim=1).log() - least[:, 0] / (2 * bandwidth**2))
        kernels.square_().square_()
    return torch.stack(logs[::-1]) - math.log(squares.shape[1])
