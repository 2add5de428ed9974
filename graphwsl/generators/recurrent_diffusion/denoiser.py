"""The denoiser of single tokens: convolutions along the numbers of one, with additive skips.

As published it never sees two tokens together: what they have in common is in their prototypes.
"""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float, Int
from torch import Tensor, nn

from graphwsl.generators.recurrent_diffusion.positions import sines

TIME_CHANNELS = 256
"""Sines and cosines of the step."""


class Denoiser(nn.Module):
    """The noise in tokens, by their prototypes and the step.

    Every layer adds a linear map of the prototype to its signals, one number for each of the token,
    multiplies by that of the step, and convolves without a change of length. Signals of the first
    half are added to those of the second that have as many channels.

    Args:
        width: Numbers of a token.
        condition: Channels of a prototype.
        channels: Signals between layers, from 1 to 1; the same read backwards.
        kernel: Numbers that a convolution sees, odd.
    """

    def __init__(self, width: int, condition: int, channels: Sequence[int], kernel: int) -> None:
        super().__init__()
        self.time = nn.Sequential(
            nn.Linear(TIME_CHANNELS, width), nn.SiLU(), nn.Linear(width, width)
        )
        pairs = list(pairwise(channels))
        self.middle = len(pairs) // 2
        self.shifts = nn.ModuleList(nn.Linear(condition, width) for _ in pairs)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(before, after, kernel, padding=kernel // 2),
                *((nn.BatchNorm1d(after), nn.ELU()) if number < len(pairs) - 1 else ()),
            )
            for number, (before, after) in enumerate(pairs)
        )

    def forward(
        self,
        x: Float[Tensor, "tokens width"],
        step: Int[Tensor, " tokens"],
        condition: Float[Tensor, "tokens channels"],
    ) -> Float[Tensor, "tokens width"]:
        """The noise in tokens.

        Args:
            x: Tokens after a step of the diffusion, 0 in the padding.
            step: Step of each token, from 0.
            condition: Prototype of each token.
        """
        scale = self.time(sines(step, TIME_CHANNELS))[:, None]
        signal, before = x[:, None], []
        for number, (shift, layer) in enumerate(zip(self.shifts, self.layers, strict=True)):
            before.append(signal)
            if number > self.middle:
                signal = signal + before[len(self.layers) - number]
            signal = layer((signal + shift(condition)[:, None]) * scale)
        return signal[:, 0]
