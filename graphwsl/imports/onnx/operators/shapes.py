"""Operators that rearrange, join and split."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from graphwsl.imports.onnx.registry import Call, operator
from graphwsl.imports.onnx.values import to_tensor


@operator("Shape")
def shape(call: Call, x: Tensor) -> np.ndarray:
    """Sizes, or some of them."""
    sizes = list(x.shape)[call.attribute("start", 0) : call.attribute("end")]
    return np.array(sizes, dtype=np.int64)


@operator("Size")
def size(call: Call, x: Tensor) -> np.ndarray:
    """Number of elements."""
    return np.array(x.numel(), dtype=np.int64)


@operator("Reshape", settings=(1,))
def reshape(call: Call, x: Tensor, shape: np.ndarray | None = None) -> Tensor:
    """Other sizes for the same elements; 0 keeps a size, -1 is what is left."""
    sizes = call.attribute("shape") if shape is None else shape.tolist()
    if not call.attribute("allowzero", 0):
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return x.reshape(sizes)


@operator("Flatten")
def flatten(call: Call, x: Tensor) -> Tensor:
    """A matrix: the axes before one, and those from it on."""
    axis = call.attribute("axis", 1)
    rows = int(np.prod(x.shape[:axis], dtype=np.int64))
    return x.reshape(rows, x.numel() // rows if rows else 0)


@operator("Transpose")
def transpose(call: Call, x: Tensor) -> Tensor:
    """Axes in another order; reversed by default."""
    return x.permute(call.attribute("perm", list(reversed(range(x.ndim)))))


@operator("Squeeze", settings=(1,))
def squeeze(call: Call, x: Tensor, axes: np.ndarray | None = None) -> Tensor:
    """Without axes of size 1."""
    away = call.attribute("axes") if axes is None else axes.tolist()
    return x.squeeze() if away is None else x.squeeze(tuple(away))


@operator("Unsqueeze", settings=(1,))
def unsqueeze(call: Call, x: Tensor, axes: np.ndarray | None = None) -> Tensor:
    """With further axes of size 1."""
    new = call.attribute("axes") if axes is None else axes.reshape(-1).tolist()
    for axis in sorted(axis % (x.ndim + len(new)) for axis in new):
        x = x.unsqueeze(axis)
    return x


@operator("Concat")
def concat(call: Call, *inputs: Tensor) -> Tensor:
    """Tensors joined along an axis."""
    return torch.cat(inputs, call.attribute("axis"))


@operator("Split", settings=(1,))
def split(call: Call, x: Tensor, sizes: np.ndarray | None = None) -> tuple[Tensor, ...]:
    """Parts along an axis, of given or equal sizes."""
    axis = call.attribute("axis", 0)
    given = call.attribute("split") if sizes is None else sizes.tolist()
    if given is None:
        count = call.attribute("num_outputs", len(call.node.outputs))
        return x.split(-(-x.shape[axis] // count), axis)
    return x.split(given, axis)


@operator("Expand", settings=(1,))
def expand(call: Call, x: Tensor, shape: np.ndarray) -> Tensor:
    """Repeated along axes of size 1, as far as broadcasting asks."""
    return x.expand(torch.broadcast_shapes(x.shape, tuple(shape.tolist())))


@operator("Tile", settings=(1,))
def tile(call: Call, x: Tensor, repeats: np.ndarray) -> Tensor:
    """Repeated along each axis."""
    return x.repeat(repeats.tolist())


@operator("Slice", settings=(1, 2, 3, 4))
def slices(
    call: Call,
    x: Tensor,
    starts: np.ndarray | None = None,
    ends: np.ndarray | None = None,
    axes: np.ndarray | None = None,
    steps: np.ndarray | None = None,
) -> Tensor:
    """A part along each axis, also backwards."""
    first = call.attribute("starts") if starts is None else starts.tolist()
    last = call.attribute("ends") if ends is None else ends.tolist()
    along = call.attribute("axes", list(range(len(first)))) if axes is None else axes.tolist()
    stride = [1] * len(first) if steps is None else steps.tolist()
    for axis, start, end, step in zip(along, first, last, stride, strict=True):
        indices = _selected(start, end, step, x.shape[axis])
        if step == 1:
            x = x.narrow(axis, indices.start, len(indices))
        elif step > 0:
            x = x[(slice(None),) * (axis % x.ndim) + (slice(indices.start, indices.stop, step),)]
        else:
            x = x.index_select(axis, torch.tensor(list(indices), dtype=torch.long, device=x.device))
    return x


def _selected(start: int, end: int, step: int, size: int) -> range:
    """The indices of a slice.

    Unlike in Python, going backwards from before the front starts there, and the largest integers
    stand for the end in the direction of the steps.
    """
    low, high = (0, size) if step > 0 else (-1, size - 1)
    start = start + size if start < 0 else start
    end = end + size if end < 0 else end
    end = low if step < 0 and end in (2**31 - 1, 2**63 - 1) else end
    return range(min(max(start, 0), high), min(max(end, low), high), step)


@operator("Pad", settings=(1, 2, 3))
def pad(
    call: Call,
    x: Tensor,
    pads: np.ndarray | None = None,
    value: np.ndarray | None = None,
    axes: np.ndarray | None = None,
) -> Tensor:
    """Padded with a constant, a reflection, the edge, or from the other end."""
    sides = call.attribute("pads", call.attribute("paddings")) if pads is None else pads.tolist()
    along = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in axes.tolist()]
    before, after = sides[: len(along)], sides[len(along) :]
    mode = call.attribute("mode", "constant")
    if mode == "constant":
        amounts = [0] * 2 * x.ndim
        for axis, start, end in zip(along, before, after, strict=True):
            first = 2 * (x.ndim - 1 - axis)
            amounts[first : first + 2] = [start, end]
        filling = call.attribute("value", 0.0) if value is None else value.item()
        return functional.pad(x, amounts, value=filling)
    for axis, start, end in zip(along, before, after, strict=True):
        indices = np.pad(np.arange(x.shape[axis]), (start, end), mode=mode)
        if (start, end) != (0, 0):
            x = x.index_select(axis, to_tensor(indices, x.device))
    return x


@operator("DepthToSpace")
def depth_to_space(call: Call, x: Tensor) -> Tensor:
    """Channels spread over blocks of pixels."""
    block = call.attribute("blocksize")
    n, c, h, w = x.shape
    if call.attribute("mode", "DCR") == "DCR":
        x = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    else:
        x = x.reshape(n, c // block**2, block, block, h, w).permute(0, 1, 4, 2, 5, 3)
    return x.reshape(n, c // block**2, h * block, w * block)


@operator("SpaceToDepth")
def space_to_depth(call: Call, x: Tensor) -> Tensor:
    """Blocks of pixels gathered into channels."""
    block = call.attribute("blocksize")
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, c * block**2, h // block, w // block)
