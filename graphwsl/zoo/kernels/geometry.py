"""The sizes of a convolution, all of which its compiled loops know."""

from dataclasses import dataclass
from typing import NamedTuple

TILE = 8
"""Accumulators of a loop. With operands they stay within 16 vector registers, and they hide the
latency of two fused multiply-adds a cycle."""


@dataclass(frozen=True)
class Geometry:
    """A convolution without padding, and the maximum over squares that its outputs go through.

    Everything lies with the batch innermost, ``x[model, channel, row, column, image]``: a vector
    holds one pixel of consecutive images and a weight is broadcast, so that any number of channels
    and any kernel run at full width. A linear layer is the case of 1 × 1 images.

    Attributes:
        inputs: Channels of the input.
        outputs: Channels of the output.
        height: Rows of the input.
        width: Columns of the input.
        kernel: Rows and columns of the kernel.
        stride: Stride of the convolution.
        pool: Rows and columns of the squares, 1 for none.
        batch: Images, a multiple of 16.
        shared: Whether all models see the same images, of which there is one copy.
    """

    inputs: int
    outputs: int
    height: int
    width: int
    kernel: int
    stride: int
    pool: int
    batch: int
    shared: bool = False

    @property
    def full_rows(self) -> int:
        """Rows of the output before pooling."""
        return (self.height - self.kernel) // self.stride + 1

    @property
    def full_columns(self) -> int:
        """Columns of the output before pooling."""
        return (self.width - self.kernel) // self.stride + 1

    @property
    def rows(self) -> int:
        """Rows of the output."""
        return self.full_rows // self.pool

    @property
    def columns(self) -> int:
        """Columns of the output."""
        return self.full_columns // self.pool

    @property
    def taps(self) -> int:
        """Entries of a kernel."""
        return self.kernel**2

    @property
    def input_plane(self) -> int:
        """Numbers of a channel of the input."""
        return self.height * self.width * self.batch

    @property
    def output_plane(self) -> int:
        """Numbers of a channel of the output."""
        return self.rows * self.columns * self.batch

    @property
    def full_plane(self) -> int:
        """Numbers of a channel of the output before pooling."""
        return self.full_rows * self.full_columns * self.batch

    @property
    def squares(self) -> list[tuple[int, int]]:
        """The positions of a square that is pooled to one, row by row."""
        return [(row, column) for row in range(self.pool) for column in range(self.pool)]

    @property
    def operations(self) -> int:
        """Floating-point operations of a forward pass of one model; a backward pass takes twice
        as many with the gradient of the inputs, as many without."""
        return 2 * self.inputs * self.outputs * self.taps * self.full_plane


class Tiles(NamedTuple):
    """Runs of channels that are worked on together, one after the other.

    Attributes:
        start: The first channel.
        runs: Number of runs.
        length: Channels of each.
    """

    start: int
    runs: int
    length: int


def tiles(channels: int, largest: int) -> list[Tiles]:
    """Channels in as few tiles of at most ``largest`` as possible, of nearly equal length."""
    count = -(-channels // max(1, largest))
    length, longer = divmod(channels, count)
    short = count - longer
    parts = [Tiles(0, short, length), Tiles(short * length, longer, length + 1)]
    return [part for part in parts if part.runs]
