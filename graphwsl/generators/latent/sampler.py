"""What a sampler is: fitted to the latents of networks, it draws others."""

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError

Latents = Float[Tensor, "networks *latent"]
"""Latents of shape ``(networks, features)`` or ``(networks, tokens, features)``."""
Matrix = Float[Tensor, "networks dimensions"]


class Sampler(ABC):
    """Draws latents; a subclass says how in :meth:`_fit` and :meth:`_draw`.

    Attributes:
        name: The name by which it is known.
        report: What the fit has chosen, such as a bandwidth.
    """

    name: ClassVar[str]
    least: ClassVar[int] = 1
    """Networks that it must be fitted to."""

    def __init__(self) -> None:
        self.report: dict[str, float] = {}
        self.shape: tuple[int, ...] | None = None

    def fit(self, latents: Latents) -> Self:
        """Look at the latents of networks; they may be those of a few good ones, as prompts.

        Args:
            latents: A row, or a sequence of tokens, a network.

        Raises:
            GeneratorError: Too few networks, another shape, or values that are not finite.
        """
        if latents.ndim not in (2, 3) or not latents[:1].numel():
            raise GeneratorError(
                "latents must be of shape (networks, features) or (networks, tokens, features), "
                f"got {tuple(latents.shape)}"
            )
        if len(latents) < self.least:
            raise GeneratorError(
                f"sampler {self.name!r} needs the latents of at least {self.least} networks, got "
                f"{len(latents)}"
            )
        if not bool(latents.isfinite().all()):
            raise GeneratorError("latents must be finite; leave out networks whose latents are not")
        self.shape = tuple(latents.shape[1:])
        self.report = {}
        self._fit(latents.detach().flatten(1))
        return self

    def draw(self, count: int, generator: torch.Generator | None = None) -> Latents:
        """New latents, of the shape of those that it was fitted to.

        Args:
            count: How many networks.
            generator: Source of randomness.

        Raises:
            GeneratorError: It was not fitted.
        """
        arguments.whole("count", count, 1)
        arguments.generator("generator", generator)
        if self.shape is None:
            raise GeneratorError(f"sampler {self.name!r} draws after it was fitted; call fit first")
        return self._draw(count, generator).reshape(count, *self.shape)

    @abstractmethod
    def _fit(self, latents: Matrix) -> None:
        """Look at latents, all dimensions of a network in a row."""

    @abstractmethod
    def _draw(self, count: int, generator: torch.Generator | None) -> Matrix:
        """Rows of new latents."""
