"""Messages along weighted edges: linear layers and convolutions, read from blocks of the graph."""

from itertools import product
from types import EllipsisType

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.testing.signal import Signal, sources_at
from graphwsl.testing.step import Step


def linear(step: Step, x: Signal) -> Signal:
    """Every target sums weight times value over its sources, row by row."""
    block = step.block
    if len(block.sources) != 1 or x.values.ndim != 2:
        raise step.unsupported("it multiplies several matrices")
    weights = step.weights(block)[0, :, :, 0]
    rows = []
    for values, nodes in zip(x.values, x.nodes, strict=True):
        messages = weights * values[sources_at(nodes, block.sources[0], block.tags[0])]
        rows.append(messages.sum(dim=1))
    values = torch.stack(rows) if rows else x.values.new_zeros(0, len(weights))
    return Signal(values, block.targets[0].expand(values.shape))


def convolution(step: Step, x: Signal) -> Signal:
    """Every target sums its sources' maps, shifted and weighted by the positions of the kernel."""
    stride, padding, dilation, transposed, output_padding = step.args[3:8]
    block = step.block
    maps = _source_maps(step, x)
    kernel = torch.tensor(block.kernel)
    stride, padding, dilation, output_padding = (
        torch.tensor(some).expand(len(kernel))
        for some in (stride, padding, dilation, output_padding)
    )
    size, reach = torch.tensor(maps.shape[3:]), dilation * (kernel - 1)
    if transposed:
        whole = (size - 1) * stride + reach + 1 + output_padding
        values = maps.new_zeros(*maps.shape[:1], *block.targets.shape, *whole.tolist())
    else:
        length = (size + 2 * padding - reach - 1) // stride + 1
        values = maps.new_zeros(*maps.shape[:1], *block.targets.shape, *length.tolist())
        widths = [int(one) for one in padding.flip(0) for _ in range(2)]
        maps = torch.nn.functional.pad(maps, widths)
    for index, offset in enumerate(product(*(range(one) for one in block.kernel))):
        start = torch.tensor(offset) * dilation
        weights = step.weights(block)[..., index]
        if transposed:
            window = _window(start, stride, size)
            values[window] += _sums(weights, maps)
        else:
            values += _sums(weights, maps[_window(start, stride, length)])
    if transposed:
        values = values[_window(padding, torch.ones_like(padding), whole - 2 * padding)]
    values = values.flatten(1, 2)
    shape = (1, -1, *(1,) * len(kernel))
    return Signal(values, block.targets.reshape(shape).expand(values.shape))


def _source_maps(step: Step, x: Signal) -> Float[Tensor, "batch groups sources *positions"]:
    """The feature maps of a block's sources, group by group."""
    block = step.block
    groups, width = block.sources.shape
    channels = x.of_channels().view(groups, width)
    picked = [
        group * width + sources_at(channels[group], block.sources[group], block.tags[group])
        for group in range(groups)
    ]
    return x.values[:, torch.stack(picked)]


def _sums(
    weights: Float[Tensor, "groups targets sources"],
    maps: Float[Tensor, "batch groups sources *positions"],
) -> Float[Tensor, "batch groups targets *positions"]:
    flat = torch.einsum("gts,bgsp->bgtp", weights, maps.flatten(3))
    return flat.unflatten(3, maps.shape[3:])


def _window(
    start: Int[Tensor, " dims"], step: Int[Tensor, " dims"], count: Int[Tensor, " dims"]
) -> tuple[slice | EllipsisType, ...]:
    """Every ``step``-th position from ``start``, ``count`` of them, in the last dimensions."""
    stop = start + step * (count - 1) + 1
    slices = (slice(*some) for some in zip(*(t.tolist() for t in (start, stop, step)), strict=True))
    return (..., *slices)
