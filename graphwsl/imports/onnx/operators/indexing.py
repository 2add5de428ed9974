"""Looking up, writing at indices, and masks."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from graphwsl.imports.onnx.registry import Call, operator


@operator("Gather")
def gather(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    """Slices of one axis at indices, as an embedding does."""
    axis = call.attribute("axis", 0) % x.ndim
    indices = _from_front(indices, x.shape[axis])
    if axis == 0 and x.ndim == 2:
        return functional.embedding(indices, x)
    taken = x.index_select(axis, indices.reshape(-1))
    return taken.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


@operator("GatherElements")
def gather_elements(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    """Single elements along an axis."""
    axis = call.attribute("axis", 0)
    return x.gather(axis, _from_front(indices, x.shape[axis]))


@operator("GatherND")
def gather_nd(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    """Elements or slices at indices of several axes."""
    if call.attribute("batch_dims", 0):
        raise call.refuse("batch_dims")
    return x[tuple(indices.long().unbind(-1))]


@operator("ScatterElements", "Scatter")
def scatter_elements(call: Call, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """Elements written, added or otherwise combined along an axis."""
    axis = call.attribute("axis", 0)
    indices = _from_front(indices, x.shape[axis])
    how = call.attribute("reduction", "none")
    if how == "none":
        return x.scatter(axis, indices, updates)
    names = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
    return x.scatter_reduce(axis, indices, updates, names[how])


@operator("ScatterND")
def scatter_nd(call: Call, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """Elements or slices written at, or added to, indices of several axes."""
    how = call.attribute("reduction", "none")
    if how not in ("none", "add"):
        raise call.refuse(f"reduction {how!r}")
    coordinates = tuple(indices.long().unbind(-1))
    return x.index_put(coordinates, updates, accumulate=how == "add")


@operator("OneHot", settings=(1, 2))
def one_hot(call: Call, indices: Tensor, depth: np.ndarray, values: np.ndarray) -> Tensor:
    """A new axis with one value at the index and another elsewhere, and where it is beyond."""
    axis, size = call.attribute("axis", -1), int(depth.item())
    off, on = (torch.tensor(value) for value in values)
    numbers = _from_front(indices, size)
    hot = torch.where(numbers.unsqueeze(-1) == torch.arange(size), on, off)
    return hot.movedim(-1, axis)


@operator("NonZero")
def nonzero(call: Call, x: Tensor) -> Tensor:
    """Indices of the elements that are not zero, one column for each."""
    return torch.nonzero(x).t()


@operator("Compress", settings=(1,))
def compress(call: Call, x: Tensor, condition: np.ndarray) -> Tensor:
    """Slices of one axis where a condition holds."""
    axis = call.attribute("axis")
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    return x.index_select(axis, torch.from_numpy(np.flatnonzero(condition)))


@operator("Trilu", settings=(1,))
def trilu(call: Call, x: Tensor, k: np.ndarray | None = None) -> Tensor:
    """Upper or lower triangle."""
    diagonal = 0 if k is None else int(k.item())
    return x.triu(diagonal) if call.attribute("upper", 1) else x.tril(diagonal)


@operator("Range", settings=(0, 1, 2))
def arange(call: Call, start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Numbers at equal distances."""
    return np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


@operator("ConstantOfShape", settings=(0,))
def constant_of_shape(call: Call, shape: np.ndarray) -> np.ndarray:
    """A tensor of one value."""
    value = call.attribute("value", np.zeros(1, np.float32))
    return np.full(shape.tolist(), value.item(), dtype=value.dtype)


@operator("EyeLike")
def eye_like(call: Call, x: Tensor) -> np.ndarray:
    """Ones on a diagonal."""
    from onnx import helper

    kind = call.attribute("dtype")
    rows, columns = x.shape
    dtype = (
        str(x.dtype).removeprefix("torch.")
        if kind is None
        else helper.tensor_dtype_to_np_dtype(kind)
    )
    return np.eye(rows, columns, call.attribute("k", 0), dtype=dtype)


def _from_front(indices: Tensor, size: int) -> Tensor:
    """Indices counted from the front; left as they are where none counts from the end."""
    indices = indices.long()
    return indices + size * (indices < 0) if bool((indices < 0).any()) else indices
