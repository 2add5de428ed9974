"""Sums, means and extremes along axes."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from graphwsl.imports.onnx.registry import Call, operator

Reduction = Callable[[Tensor, tuple[int, ...], bool], Tensor]


def _product(x: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(axis, keepdim=keepdim)
    return x


REDUCTIONS: dict[str, Reduction] = {
    "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "ReduceL2": lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt(),
    "ReduceLogSum": lambda x, axes, keep: x.sum(axes, keepdim=keep).log(),
    "ReduceLogSumExp": lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keepdim=keep),
    "ReduceProd": _product,
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdim=keep, dtype=x.dtype),
    "ReduceSumSquare": lambda x, axes, keep: x.square().sum(axes, keepdim=keep),
}


def _register() -> None:
    for name, function in REDUCTIONS.items():

        @operator(name, settings=(1,))
        def reduced(
            call: Call,
            x: Tensor,
            axes: np.ndarray | None = None,
            function: Reduction = function,
        ) -> Tensor:
            """A reduction over the axes of the input or the attribute; over all without."""
            over = call.attribute("axes") if axes is None else axes.tolist()
            if not over:
                if call.attribute("noop_with_empty_axes", 0):
                    return x
                over = range(x.ndim)
            if not x.ndim:
                return function(x.reshape(1), (0,), False)
            return function(x, tuple(over), bool(call.attribute("keepdims", 1)))


_register()


@operator("ArgMax")
def argmax(call: Call, x: Tensor) -> Tensor:
    """Index of the largest value along an axis."""
    return _index(call, x, torch.argmax)


@operator("ArgMin")
def argmin(call: Call, x: Tensor) -> Tensor:
    """Index of the smallest value along an axis."""
    return _index(call, x, torch.argmin)


def _index(call: Call, x: Tensor, function: Callable[..., Tensor]) -> Tensor:
    axis, keep = call.attribute("axis", 0), bool(call.attribute("keepdims", 1))
    if call.attribute("select_last_index", 0):
        return x.shape[axis] - 1 - function(x.flip(axis), axis, keepdim=keep)
    return function(x, axis, keepdim=keep)


@operator("CumSum", settings=(1,))
def cumsum(call: Call, x: Tensor, axis: np.ndarray) -> Tensor:
    """Running sum along an axis, from either end, with or without the value itself."""
    along = int(axis)
    x = x.flip(along) if call.attribute("reverse", 0) else x
    total = x.cumsum(along)
    total = total - x if call.attribute("exclusive", 0) else total
    return total.flip(along) if call.attribute("reverse", 0) else total


@operator("TopK", settings=(1,))
def top_k(call: Call, x: Tensor, k: np.ndarray | None = None) -> tuple[Tensor, Tensor]:
    """The largest or smallest values along an axis, and their indices.

    Of equal values those with lower indices come first, which ``torch.topk`` does not promise.
    """
    count = call.attribute("k") if k is None else int(k.item())
    axis, largest = call.attribute("axis", -1), bool(call.attribute("largest", 1))
    values, indices = torch.sort(x, dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, count), indices.narrow(axis, 0, count)
