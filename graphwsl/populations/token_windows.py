"""Windows: stretches of a sequence of tokens that a model of bounded length reads.

Schürholt et al., 2024: random windows to learn from; successive ones to read a whole network, with
a halo of tokens on either side that is read and thrown away.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from graphwsl.errors import GraphwslError


@dataclass(frozen=True, eq=False)
class TokenWindows:
    """Windows of one length.

    Attributes:
        index: Indices into the sequence, -1 beyond its ends, shape ``(windows, length)``.
        is_core: Which of them are no halo and within the sequence, shape ``(windows, length)``.
    """

    index: Int[Tensor, "windows length"]
    is_core: Bool[Tensor, "windows length"]

    @classmethod
    def successive(cls, num_tokens: int, size: int, halo: int = 0) -> "TokenWindows":
        """Windows whose cores cover the sequence, each token once.

        Args:
            num_tokens: Length of the sequence.
            size: Tokens of a core.
            halo: Tokens on either side of it.

        Raises:
            GraphwslError: The size is not positive, or the halo negative.
        """
        starts = torch.arange(0, num_tokens, _checked(size, halo))
        return cls._at(starts, num_tokens, size, halo)

    @classmethod
    def random(
        cls, num_tokens: int, size: int, count: int, generator: torch.Generator | None = None
    ) -> "TokenWindows":
        """Windows that start anywhere and stay within the sequence if it is long enough.

        Args:
            num_tokens: Length of the sequence.
            size: Tokens of a window.
            count: How many windows.
            generator: Source of randomness.

        Raises:
            GraphwslError: The size is not positive.
        """
        last = max(num_tokens - _checked(size, 0), 0)
        starts = torch.randint(0, last + 1, (count,), generator=generator)
        return cls._at(starts, num_tokens, size, 0)

    @classmethod
    def _at(
        cls, starts: Int[Tensor, " windows"], num_tokens: int, size: int, halo: int
    ) -> "TokenWindows":
        offset = torch.arange(-halo, size + halo)
        index = starts[:, None] + offset
        is_within = (index >= 0) & (index < num_tokens)
        return cls(index.where(is_within, -1), is_within & (offset >= 0) & (offset < size))

    def of(self, some: Shaped[Tensor, "networks tokens *rest"]) -> Shaped[Tensor, "..."]:
        """All windows of every network, shape ``(networks, windows, length, …)``; 0 beyond."""
        index = self.index.to(some.device)
        windows = some[:, index.clamp(min=0)]
        return windows.masked_fill_(_like(index < 0, windows[0]), 0)

    def of_each(self, some: Shaped[Tensor, "networks tokens *rest"]) -> Shaped[Tensor, "..."]:
        """One window of every network, that of its number, shape ``(networks, length, …)``."""
        index = self.index.to(some.device)
        networks = torch.arange(len(some), device=some.device)[:, None]
        windows = some[networks, index.clamp(min=0)]
        return windows.masked_fill_(_like(index < 0, windows), 0)

    def join(
        self, windows: Shaped[Tensor, "networks windows length width"]
    ) -> Shaped[Tensor, "networks tokens width"]:
        """The sequence again, from the cores of successive windows."""
        return windows[:, self.is_core.to(windows.device)]


def _like(mask: Bool[Tensor, "windows length"], windows: Tensor) -> Bool[Tensor, "..."]:
    """The mask with axes of length 1 for those of the tokens."""
    return mask.view(*mask.shape, *[1] * (windows.ndim - 2))


def _checked(size: int, halo: int) -> int:
    if size < 1 or halo < 0:
        raise GraphwslError(
            f"windows of {size} tokens with a halo of {halo}; choose a positive size and a halo "
            "that is not negative"
        )
    return size
