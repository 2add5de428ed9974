"""How much a network from elsewhere may ask for: steps, and bytes that it holds at a time.

A file of a few hundred bytes can loop without end or double a tensor forty times. So every run has
a budget. What an operator would compute is foreseen from the shapes of its inputs, before memory
is taken for it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from graphwsl.errors import ImportedModelError
from graphwsl.imports.onnx.graph import Node

MOST_STEPS = 50_000
"""Operators that one run may execute, those of loops each time."""

MOST_BYTES = 2**31
"""What the values of one run may hold at a time, where its inputs are small [bytes]."""

MOST_BYTES_A_BYTE = 1000
"""Bytes that a run may hold for each byte of the inputs that a user gives."""

MOST_INPUTS = 2**25
"""Elements of inputs that a file may declare."""

Value = Tensor | np.ndarray
Shape = tuple[int, ...]


@dataclass(eq=False)
class Budget:
    """What is left to a run.

    Attributes:
        bytes: Bytes that its values may take in addition to those that they take.
        steps: Operators that it may execute.
    """

    bytes: int = MOST_BYTES
    steps: int = MOST_STEPS

    @classmethod
    def of(cls, inputs: Iterable[Tensor]) -> "Budget":
        """The budget of a run on these inputs."""
        given = sum(map(size_of, inputs))
        return cls(max(MOST_BYTES, MOST_BYTES_A_BYTE * given))

    def step(self, what: object) -> None:
        """Count one operator, or one step of a loop.

        Raises:
            ImportedModelError: There were too many.
        """
        self.steps -= 1
        if self.steps < 0:
            raise ImportedModelError(
                f"the network does not end: at {what}, more than {MOST_STEPS:,} operators were run"
            )

    def foresee(self, node: Node, inputs: Sequence[Value | None]) -> None:
        """Whether what a node computes will fit.

        Raises:
            ImportedModelError: It will not.
        """
        estimate = _ESTIMATES.get(node.operator)
        if estimate is None:
            return
        try:
            elements = estimate(node.attributes, inputs)
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            return  # the operator itself says what is wrong with its inputs
        self._require(node, elements * max(map(_item_size, inputs), default=8))

    def take(self, node: Node, size: int) -> None:
        """Count bytes that are held from now on.

        Raises:
            ImportedModelError: They are too many.
        """
        self._require(node, size)
        self.bytes -= size

    def _require(self, node: Node, size: int) -> None:
        if size > self.bytes:
            raise ImportedModelError(
                f"{node} computes {size:.3g} bytes, more than the {self.bytes:.3g} that are left "
                "to the network"
            )


def size_of(value: object) -> int:
    """Bytes of a value, also of one that shares them with another."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    return value.nbytes if isinstance(value, np.ndarray) else 0


def _item_size(value: Value | None) -> int:
    if value is None:
        return 1
    return value.element_size() if isinstance(value, Tensor) else value.itemsize


def _shape(value: Any) -> Shape:
    return () if value is None else tuple(value.shape)


def _count(value: Any) -> int:
    return math.prod(_shape(value))


def _numbers(value: Any) -> list[Any]:
    return [] if value is None else list(np.asarray(value.tolist()).reshape(-1).tolist())


def _broadcast(*shapes: Shape) -> int:
    ranks = max(map(len, shapes))
    padded = [(1,) * (ranks - len(shape)) + tuple(shape) for shape in shapes]
    return math.prod(max(sizes) for sizes in zip(*padded, strict=True))


def _elementwise(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    return _broadcast(*map(_shape, inputs))


def _joined(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    return sum(map(_count, inputs))


def _shaped(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    return math.prod(map(abs, _numbers(inputs[0])))


def _expanded(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    return _broadcast(_shape(inputs[0]), tuple(_numbers(inputs[1])))


def _tiled(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    return _count(inputs[0]) * math.prod(map(abs, _numbers(inputs[1])))


def _padded(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    given = inputs[1] if len(inputs) > 1 else None
    declared = attributes.get("pads", attributes.get("paddings", []))
    pads = declared if given is None else _numbers(given)
    shape, half = _shape(inputs[0]), len(pads) // 2
    sums = [max(0, a + b) for a, b in zip(pads, pads[half:], strict=False)]
    if half == len(shape):
        return math.prod(size + more for size, more in zip(shape, sums, strict=True))
    return math.prod(shape) * math.prod(1 + more for more in sums)  # any axes may be meant


def _window(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    batch, channels, *lengths = _shape(inputs[0])
    filters = max(channels, *_shape(inputs[1])[:2]) if len(inputs) > 1 else channels
    dims = len(lengths)
    pads = attributes.get("pads", [0] * 2 * dims)
    sizes = [n + a + b for n, a, b in zip(lengths, pads[:dims], pads[dims:], strict=True)]
    return batch * filters * math.prod(max(size, 0) for size in sizes)


def _transposed_window(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    batch, _, *lengths = _shape(inputs[0])
    _, filters, *kernel = _shape(inputs[1])
    ones = [1] * len(lengths)
    sizes = [
        n * stride + k * dilation + more
        for n, k, stride, dilation, more in zip(
            lengths,
            kernel,
            attributes.get("strides", ones),
            attributes.get("dilations", ones),
            attributes.get("output_padding", ones),
            strict=True,
        )
    ]
    wanted = math.prod(attributes.get("output_shape", [0]))
    return batch * filters * attributes.get("group", 1) * max(math.prod(sizes), wanted)


def _resized(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    shape = _shape(inputs[0])
    scales = [_numbers(one) for one in inputs[1:3]] + [attributes.get("scales", [])]
    sizes = _numbers(inputs[3]) if len(inputs) > 3 else []
    factor = max((math.prod(max(n, 1.0) for n in one) for one in scales if one), default=1.0)
    return max(math.ceil(math.prod(shape) * factor), math.prod(max(n, 1) for n in sizes))


def _range(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    start, limit, step = (one.item() for one in inputs)
    return max(0, math.ceil((limit - start) / step))


def _one_hot(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    return _count(inputs[0]) * abs(int(inputs[1].item()))


def _gathered(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    shape = _shape(inputs[0])
    return _count(inputs[1]) * (math.prod(shape) // max(shape[attributes.get("axis", 0)], 1))


def _gathered_slices(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    *rows, depth = _shape(inputs[1])
    return math.prod(rows) * math.prod(_shape(inputs[0])[depth:])


def _product(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    *batch_a, m, k = (1, 1, *_shape(inputs[0]))
    *batch_b, rows, n = (1, 1, *_shape(inputs[1]))
    m = k if attributes.get("transA") else m
    n = rows if attributes.get("transB") else n
    return _broadcast(tuple(batch_a), tuple(batch_b)) * m * n


def _of_equation(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    left, _, right = attributes["equation"].replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for letters, value in zip(left.split(","), inputs, strict=True):
        sizes.update(zip(letters.replace("...", ""), _shape(value), strict=True))
    return math.prod(sizes[letter] for letter in right)


def _indices(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    return 2 * _count(inputs[0]) * max(1, len(_shape(inputs[0])))


def _declared(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    return math.prod(map(abs, attributes["shape"]))


def _scalar(attributes: Mapping[str, Any], inputs: Sequence[Any]) -> int:
    return abs(int(inputs[0].item()))


_ESTIMATES: dict[str, Callable[[Mapping[str, Any], Sequence[Any]], int]] = {
    **dict.fromkeys(
        (
            *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Where", "And", "Or", "Xor", "Equal"),
            *("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Mean", "Sum"),
            *("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "PRelu"),
        ),
        _elementwise,
    ),
    **dict.fromkeys(("MatMul", "Gemm", "MatMulInteger"), _product),
    **dict.fromkeys(
        ("Conv", "ConvInteger", "AveragePool", "MaxPool", "LpPool", "QLinearConv"), _window
    ),
    **dict.fromkeys(("HannWindow", "HammingWindow", "BlackmanWindow"), _scalar),
    **dict.fromkeys(("RandomNormal", "RandomUniform"), _declared),
    "Concat": _joined,
    "ConstantOfShape": _shaped,
    "ConvTranspose": _transposed_window,
    "Einsum": _of_equation,
    "Expand": _expanded,
    "Gather": _gathered,
    "GatherND": _gathered_slices,
    "NonZero": _indices,
    "OneHot": _one_hot,
    "Pad": _padded,
    "Range": _range,
    "Resize": _resized,
    "Tile": _tiled,
    "Upsample": _resized,
}
"""Elements of the results of operators that can compute more than they are given."""
