"""What a network of an ONNX file is fed with."""

from dataclasses import dataclass

import torch
from onnx import ModelProto
from torch import Tensor

from graphwsl.imports.onnx.values import to_dtype


@dataclass(frozen=True)
class InputType:
    """One input of a network.

    Attributes:
        name: Its name.
        dtype: Its type.
        shape: Its declared sizes; a name, perhaps empty, where the size is free.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int | str, ...]

    def sized(self, free: int) -> tuple[int, ...]:
        """The shape with 1 for a free first size, the batch, and ``free`` for the others."""
        return tuple(
            size if isinstance(size, int) else 1 if axis == 0 else free
            for axis, size in enumerate(self.shape)
        )

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Random values: standard normal, or integers that are 0 or 1."""
        if self.dtype.is_floating_point:
            return torch.randn(shape, generator=generator).to(self.dtype)
        return torch.randint(2, shape, generator=generator).to(self.dtype)


def input_types(model: ModelProto) -> list[InputType]:
    """The inputs that a model declares, without those that are initialisers.

    Raises:
        UnsupportedModelError: An input is of a type that torch does not have.
    """
    initialised = {tensor.name for tensor in model.graph.initializer}
    return [
        InputType(
            one.name,
            to_dtype(one.type.tensor_type.elem_type),
            tuple(
                size.dim_value if size.dim_value > 0 else size.dim_param
                for size in one.type.tensor_type.shape.dim
            ),
        )
        for one in model.graph.input
        if one.name not in initialised
    ]
