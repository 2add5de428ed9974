"""From arrays to tensors and back."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from graphwsl.errors import UnsupportedModelError
from graphwsl.imports.onnx.registry import Value


def to_tensor(
    value: Value,
    device: torch.device | None = None,
    types: Mapping[torch.dtype, torch.dtype] | None = None,
) -> Tensor:
    """An array as a tensor; a tensor as it is.

    Args:
        value: Either.
        device: Where the tensor is to be; on the CPU by default.
        types: Types to be replaced by others; by default it keeps its own.

    Raises:
        UnsupportedModelError: torch has no such type.
    """
    if isinstance(value, Tensor):
        return value
    array = np.array(value)  # torch shares memory, and must not with a constant
    try:
        if array.dtype.name == "bfloat16":
            tensor = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        else:
            tensor = torch.from_numpy(array)
    except TypeError as error:
        raise UnsupportedModelError(f"tensors of type {array.dtype} are not supported") from error
    return tensor.to(device=device, dtype=(types or {}).get(tensor.dtype))


def to_array(value: Value) -> np.ndarray:
    """A tensor as an array: from here on its values are taken for fixed."""
    if isinstance(value, Tensor):
        value = value.float() if value.dtype == torch.bfloat16 else value
        return np.array(value.tolist(), dtype=str(value.dtype).removeprefix("torch."))
    return value


def to_dtype(code: int) -> torch.dtype:
    """The type of torch for a type of ONNX.

    Raises:
        UnsupportedModelError: torch has no such type.
    """
    from onnx import helper

    try:
        array = np.zeros((), dtype=helper.tensor_dtype_to_np_dtype(code))
    except (KeyError, TypeError) as error:
        raise UnsupportedModelError(f"the type {code} of ONNX is not supported") from error
    return to_tensor(array).dtype
