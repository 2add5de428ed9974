"""Padding and strides of operators that slide a window."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from graphwsl.imports.onnx.registry import Call


@dataclass(frozen=True)
class Window:
    """A window, one number for each spatial dimension.

    Attributes:
        size: Its positions.
        stride: Its steps.
        dilation: Distance between its positions.
        before: Padding in front.
        after: Padding behind.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def is_symmetric(self) -> bool:
        """Whether there is as much padding in front as behind."""
        return self.before == self.after

    def pad(self, x: Tensor, value: float = 0.0) -> Tensor:
        """The input, padded with a value on all sides of the window."""
        sides = [
            side
            for pair in reversed(list(zip(self.before, self.after, strict=True)))
            for side in pair
        ]
        return functional.pad(x, sides, value=value) if any(sides) else x


def window(call: Call, size: Sequence[int], lengths: Sequence[int]) -> Window:
    """The window of a node.

    Args:
        call: The call.
        size: Positions of the window.
        lengths: Spatial sizes of the input.
    """
    dims = len(size)
    stride = tuple(call.attribute("strides", [1] * dims))
    dilation = tuple(call.attribute("dilations", [1] * dims))
    automatic = call.attribute("auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max((math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, k, s, d in zip(lengths, size, stride, dilation, strict=True)
        ]
        less, more = tuple(n // 2 for n in totals), tuple(n - n // 2 for n in totals)
        before, after = (less, more) if automatic == "SAME_UPPER" else (more, less)
    else:
        pads = call.attribute("pads", [0] * 2 * dims) if automatic == "NOTSET" else [0] * 2 * dims
        before, after = tuple(pads[:dims]), tuple(pads[dims:])
    return Window(tuple(size), stride, dilation, before, after)
