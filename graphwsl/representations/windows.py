"""How a whole network is read window by window, all windows of the length that was learnt."""

from dataclasses import dataclass

import torch
from jaxtyping import Int, Shaped
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ReadingWindows:
    """Windows that cover a sequence, each token in the middle of one where that is possible.

    Windows at the ends are moved inwards instead of being cut, for models read windows of other
    lengths than those they were trained on with up to twice the error (Schürholt et al., 2024).

    Attributes:
        index: The tokens of each window, shape ``(windows, length)``.
        window: From which window a token is taken, shape ``(tokens,)``.
        position: Where in that window it is, shape ``(tokens,)``.
    """

    index: Int[Tensor, "windows length"]
    window: Int[Tensor, " tokens"]
    position: Int[Tensor, " tokens"]

    @classmethod
    def of(cls, num_tokens: int, length: int, halo: int) -> "ReadingWindows":
        """Windows of a sequence.

        Args:
            num_tokens: Length of the sequence, at least that of a window.
            length: Tokens of a window, its halo included.
            halo: Tokens on either side that are read and thrown away, less than half of them.
        """
        core = length - 2 * halo
        starts = (torch.arange(0, num_tokens, core) - halo).clamp(min=0, max=num_tokens - length)
        window = torch.arange(num_tokens) // core
        position = torch.arange(num_tokens) - starts[window]
        return cls(starts[:, None] + torch.arange(length), window, position)

    def cut(
        self, some: Shaped[Tensor, "networks tokens *rest"]
    ) -> Shaped[Tensor, "networks_windows length *rest"]:
        """The windows of every network, one after the other."""
        return some[:, self.index].flatten(0, 1)

    def join(
        self, windows: Shaped[Tensor, "networks_windows length *rest"]
    ) -> Shaped[Tensor, "networks tokens *rest"]:
        """The sequences again, every token from its own window."""
        return windows.unflatten(0, (-1, len(self.index)))[:, self.window, self.position]
