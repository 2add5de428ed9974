"""Convolutions, plain and transposed."""

import torch
from torch import Tensor

from graphwsl.imports.onnx.operators.windows import window
from graphwsl.imports.onnx.registry import Call, operator

CONV = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
CONV_TRANSPOSE = {
    1: torch.conv_transpose1d,
    2: torch.conv_transpose2d,
    3: torch.conv_transpose3d,
}


@operator("Conv")
def conv(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolution in one to three dimensions, with groups and dilation."""
    dims = weight.ndim - 2
    if dims not in CONV:
        raise call.refuse(f"a convolution in {dims} dimensions")
    over = window(call, weight.shape[2:], x.shape[2:])
    padding = over.before if over.is_symmetric else (0,) * dims
    return CONV[dims](
        x if over.is_symmetric else over.pad(x),
        weight,
        bias,
        stride=over.stride,
        padding=padding,
        dilation=over.dilation,
        groups=call.attribute("group", 1),
    )


@operator("ConvTranspose")
def conv_transpose(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Transposed convolution in one to three dimensions."""
    dims = weight.ndim - 2
    if dims not in CONV_TRANSPOSE:
        raise call.refuse(f"a transposed convolution in {dims} dimensions")
    over = window(call, weight.shape[2:], x.shape[2:])
    extra = tuple(call.attribute("output_padding", [0] * dims))
    # Without padding; what the padding takes away is cut off below.
    full = [
        (n - 1) * s + (k - 1) * d + 1 + more
        for n, k, s, d, more in zip(
            x.shape[2:], over.size, over.stride, over.dilation, extra, strict=True
        )
    ]
    before, lengths = _crop(call, full, x.shape[2:], over.stride, over.before, over.after)
    missing = tuple(
        max(start + length - n, 0) for start, length, n in zip(before, lengths, full, strict=True)
    )
    y = CONV_TRANSPOSE[dims](
        x,
        weight,
        bias,
        stride=over.stride,
        output_padding=tuple(a + b for a, b in zip(extra, missing, strict=True)),
        dilation=over.dilation,
        groups=call.attribute("group", 1),
    )
    for axis, (start, length) in enumerate(zip(before, lengths, strict=True), start=2):
        if (start, length) != (0, y.shape[axis]):
            y = y.narrow(axis, start, length)
    return y


def _crop(
    call: Call,
    full: list[int],
    lengths: torch.Size,
    stride: tuple[int, ...],
    before: tuple[int, ...],
    after: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where the output starts within the full one, and how long it is."""
    automatic = call.attribute("auto_pad", "NOTSET")
    wanted = call.attribute("output_shape")
    if wanted is None and automatic in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(lengths, stride, strict=True)]
    if wanted is None:
        return before, tuple(n - a - b for n, a, b in zip(full, before, after, strict=True))
    wanted = wanted[-len(full) :]
    cut = [max(n - length, 0) for n, length in zip(full, wanted, strict=True)]
    start = [n // 2 if automatic == "SAME_UPPER" else n - n // 2 for n in cut]
    return tuple(start), tuple(wanted)
