"""SIMD vectors for numba: one trajectory a lane, arithmetic on all lanes at once.

Inside ``@njit`` code a vector behaves like a number: ``+ - * /``, negation, comparisons (which
give a mask), and the functions below. Numbers mixed with vectors are broadcast. Vectors live in
registers; rows of a C-contiguous array of shape ``(rows, lanes)`` hold them in memory::

    lanes = Lanes(np.float32, 16)            # outside, passed as an argument

    @njit
    def axpy(lanes, a, x, y):                # y += a x, row by row
        for i in range(x.shape[0]):
            store(load(lanes, y, i) + a * load(lanes, x, i), y, i)

Products and sums may be contracted to fused multiply-adds where the processor has them. Arrays
must be aligned to the vector, see :func:`aligned_rows`.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import (
    NativeValue,
    intrinsic,
    lower_builtin,
    models,
    register_model,
    typeof_impl,
    unbox,
)

CONTRACT = ("contract",)


class Lanes:
    """The shape of a vector: its number type and its lane count (a type, carried as a value)."""

    def __init__(self, dtype: type[np.floating[Any]], count: int) -> None:
        self.dtype = np.dtype(dtype)
        self.count = count


class LanesType(types.Type):
    """numba's type of :class:`Lanes`."""

    def __init__(self, dtype: types.Float, count: int) -> None:
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype}, {count})")


class Vector(types.Type):
    """numba's type of a vector of floating-point numbers."""

    def __init__(self, dtype: types.Float, count: int) -> None:
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Vector({dtype}, {count})")


class Mask(types.Type):
    """numba's type of one truth value a lane."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(name=f"Mask({count})")


def _float(dtype: types.Float) -> ir.Type:
    return ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType()


def _vector(vector: Vector) -> ir.VectorType:
    return ir.VectorType(_float(vector.dtype), vector.count)


@register_model(LanesType)
class _LanesModel(models.OpaqueModel):
    pass


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, _vector(vector))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, mask: Mask) -> None:
        super().__init__(manager, mask, ir.VectorType(ir.IntType(1), mask.count))


@typeof_impl.register(Lanes)
def _typeof_lanes(lanes: Lanes, context: Any) -> LanesType:
    return LanesType(types.float32 if lanes.dtype == np.float32 else types.float64, lanes.count)


@unbox(LanesType)
def _unbox_lanes(lanes: LanesType, obj: Any, c: Any) -> NativeValue:
    return NativeValue(c.context.get_dummy_value())


def aligned_rows(rows: int, lanes: Lanes) -> np.ndarray:
    """Zeros of shape ``(rows, lanes)``, aligned to cache lines."""
    size = rows * lanes.count * lanes.dtype.itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(lanes.dtype).reshape(rows, lanes.count)


# --- arithmetic -----------------------------------------------------------------------------


def _splat(context: Any, builder: Any, vector: Vector, value: Any, of: types.Type) -> Any:
    """``value`` in every lane; vectors pass unchanged."""
    if isinstance(of, Vector):
        return value
    number = context.cast(builder, value, of, vector.dtype)
    form = _vector(vector)
    undefined, index = ir.Constant(form, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(undefined, number, ir.Constant(index, 0))
    zeros = ir.Constant(ir.VectorType(index, vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, undefined, zeros)


def _operator(function: Any, build: Callable[..., Any], result: Callable[[Vector], Any]) -> None:
    """Defines a binary operator for (vector, vector), (vector, number) and (number, vector)."""

    @infer_global(function)
    class _Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            vectors = [arg for arg in args if isinstance(arg, Vector)]
            numbers = [arg for arg in args if isinstance(arg, types.Number)]
            if len(args) == 2 and vectors and len(vectors) + len(numbers) == 2:
                return signature(result(vectors[0]), *args)
            return None

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = next(arg for arg in sig.args if isinstance(arg, Vector))
        x, y = (_splat(context, builder, vector, v, t) for v, t in zip(args, sig.args, strict=True))
        return build(builder, x, y)

    for left, right in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(function, left, right)(lower)


def _same(vector: Vector) -> Vector:
    return vector


def _mask(vector: Vector) -> Mask:
    return Mask(vector.count)


for _function, _build in (
    (operator.add, lambda b, x, y: b.fadd(x, y, flags=CONTRACT)),
    (operator.sub, lambda b, x, y: b.fsub(x, y, flags=CONTRACT)),
    (operator.mul, lambda b, x, y: b.fmul(x, y, flags=CONTRACT)),
    (operator.truediv, lambda b, x, y: b.fdiv(x, y)),
):
    _operator(_function, _build, _same)
    _operator(getattr(operator, f"i{_function.__name__}"), _build, _same)

for _function, _symbol in (
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.gt, ">"),
    (operator.ge, ">="),
    (operator.eq, "=="),
):
    _operator(_function, lambda b, x, y, _s=_symbol: b.fcmp_ordered(_s, x, y), _mask)


@infer_global(operator.neg)
class _NegTyping(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], args[0]) if isinstance(args[0], Vector) else None


@lower_builtin(operator.neg, Vector)
def _neg(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


@infer_global(operator.and_)
class _AndTyping(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], *args) if all(isinstance(a, Mask) for a in args) else None


@lower_builtin(operator.and_, Mask, Mask)
def _and(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.and_(*args)


# --- memory ---------------------------------------------------------------------------------


def _row(context: Any, builder: Any, array: types.Array, value: Any, i: Any, form: Any) -> Any:
    data = context.make_array(array)(context, builder, value).data
    return builder.gep(builder.bitcast(data, form.as_pointer()), [i])


@intrinsic
def load(typing: Any, lanes: LanesType, rows: types.Array, i: types.Integer) -> Any:
    """Row ``i`` of ``rows`` as a vector."""
    vector = Vector(lanes.dtype, lanes.count)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(_row(context, builder, rows, args[1], args[2], _vector(vector)))
        value.align = min(64, lanes.dtype.bitwidth // 8 * lanes.count)
        return value

    return vector(lanes, rows, i), generate


@intrinsic
def store(typing: Any, vector: Vector, rows: types.Array, i: types.Integer) -> Any:
    """Writes ``vector`` to row ``i`` of ``rows``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _row(context, builder, rows, args[1], args[2], _vector(vector))
        # LLVM makes masked stores, slow on some processors, of "y = select(mask, x, y)" in memory;
        # behind a fence, which costs nothing itself, it does not see the pattern.
        value = _call(builder, "arithmetic.fence", _vector(vector), args[0])
        builder.store(value, pointer).align = min(64, vector.dtype.bitwidth // 8 * vector.count)
        return context.get_dummy_value()

    return types.void(vector, rows, i), generate


@intrinsic
def broadcast(typing: Any, lanes: LanesType, number: types.Number) -> Any:
    """``number`` in every lane."""
    vector = Vector(lanes.dtype, lanes.count)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _splat(context, builder, vector, args[1], number)

    return vector(lanes, number), generate


# --- functions ------------------------------------------------------------------------------


def _call(builder: Any, name: str, form: ir.VectorType, *args: Any) -> Any:
    """An LLVM intrinsic on vectors, for example ``llvm.fabs.v16f32``."""
    suffix = f"v{form.count}f{32 if isinstance(form.element, ir.FloatType) else 64}"
    declared = ir.FunctionType(form, [form] * len(args))
    function = cgutils.get_or_insert_function(builder.module, declared, f"llvm.{name}.{suffix}")
    return builder.call(function, args)


@intrinsic
def absolute(typing: Any, x: Vector) -> Any:
    """The absolute value of each number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "fabs", _vector(x), *args)

    return x(x), generate


def _magic(x: Vector) -> ir.Constant:
    """1.5 · 2^(mantissa bits): adding it rounds to a whole number, whose parity is bit 0."""
    bits = 23 if x.dtype.bitwidth == 32 else 52
    return ir.Constant(_vector(x), [1.5 * 2.0**bits] * x.count)


@intrinsic
def nearest(typing: Any, x: Vector) -> Any:
    """x rounded to the nearest integer, halves to even; |x| must stay below 2^22 (2^51)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fsub(builder.fadd(args[0], _magic(x), flags=CONTRACT), _magic(x))

    return x(x), generate


@intrinsic
def nearest_and_parity(typing: Any, x: Vector) -> Any:
    """``nearest(x)``, and −0.0 where that is odd, 0.0 where it is even."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        width = x.dtype.bitwidth
        bits = ir.VectorType(ir.IntType(width), x.count)
        shifted = builder.fadd(args[0], _magic(x), flags=CONTRACT)
        whole = builder.fsub(shifted, _magic(x))
        parity = builder.bitcast(shifted, bits)
        sign = builder.shl(parity, ir.Constant(bits, [width - 1] * x.count))
        pair = (whole, builder.bitcast(sign, _vector(x)))
        return context.make_tuple(builder, sig.return_type, pair)

    return types.UniTuple(x, 2)(x), generate


@intrinsic
def flip_sign(typing: Any, x: Vector, sign: Vector) -> Any:
    """x with its sign turned where ``sign`` is −0.0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = ir.VectorType(ir.IntType(x.dtype.bitwidth), x.count)
        flipped = builder.xor(*(builder.bitcast(value, bits) for value in args))
        return builder.bitcast(flipped, _vector(x))

    return x(x, sign), generate


@intrinsic
def maximum(typing: Any, x: Vector, y: Vector) -> Any:
    """The larger of x and y; y where either is not a number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return x(x, y), generate


@intrinsic
def minimum(typing: Any, x: Vector, y: Vector) -> Any:
    """The smaller of x and y; y where either is not a number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return x(x, y), generate


@intrinsic
def select(typing: Any, mask: Mask, x: Vector, y: Vector) -> Any:
    """x where the mask holds, else y."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return x(mask, x, y), generate


@intrinsic
def any_lane(typing: Any, mask: Mask) -> Any:
    """Whether the mask holds in any lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], ir.IntType(mask.count))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(mask), generate
