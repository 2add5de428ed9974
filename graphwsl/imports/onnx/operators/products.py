"""Matrix products of ONNX."""

import torch
from torch import Tensor

from graphwsl.imports.onnx.registry import Call, operator


@operator("MatMul")
def matmul(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Matrix product, over leading dimensions that broadcast."""
    return torch.matmul(a, b)


@operator("Gemm")
def gemm(call: Call, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """αAB + βC, with either factor transposed on demand."""
    a = a.t() if call.attribute("transA", 0) else a
    b = b.t() if call.attribute("transB", 0) else b
    product = _times(call.attribute("alpha", 1.0), a @ b)
    return product if c is None else product + _times(call.attribute("beta", 1.0), c)


@operator("Einsum")
def einsum(call: Call, *operands: Tensor) -> Tensor:
    """Sum of products in Einstein's notation."""
    return torch.einsum(call.attribute("equation").replace(" ", ""), *operands)


def _times(factor: float, x: Tensor) -> Tensor:
    # A product with 1 would stand in the program, and say nothing.
    return x if factor == 1 else factor * x
