"""Machine code for small loops over vectors, emitted instruction by instruction.

A thin layer over llvmlite's builder. Nothing reorders what is emitted before registers are
allocated, so that a kernel decides itself which values stay in registers.
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

LANES = 8
"""Numbers of a vector; processors with narrower registers take two for one."""

FLOAT, INT, BYTE = ir.FloatType(), ir.IntType(64), ir.IntType(8)
VECTOR = ir.VectorType(FLOAT, LANES)
INTEGERS = ir.VectorType(ir.IntType(32), LANES)
BYTES = ir.VectorType(BYTE, LANES)

_KINDS = {
    "f": (FLOAT.as_pointer(), ctypes.c_void_p),
    "b": (BYTE.as_pointer(), ctypes.c_void_p),
    "i": (INT.as_pointer(), ctypes.c_void_p),
    "n": (INT, ctypes.c_int64),
}

Value = Any
"""A value of llvmlite, which has no types."""

Term = tuple[Value | int, int]
"""An index and its stride."""


class Loop:
    """What the body of nested loops sees: the indices, and the values ``carried`` between turns.

    The body replaces ``carried``; after the loop it holds the values of the last turn.
    """

    def __init__(self, indices: list[Value], carried: list[Value]) -> None:
        self.indices, self.carried = indices, carried


class Emitter:
    """One function of pointers to floats (``f``), bytes (``b``) and integers (``i``), and numbers.

    The letter of a number is ``n``. Pointers must not overlap.

    Args:
        signature: One letter an argument.
    """

    def __init__(self, signature: str) -> None:
        self.signature = signature
        self.module = ir.Module()
        form = ir.FunctionType(ir.VoidType(), [_KINDS[letter][0] for letter in signature])
        self.function = ir.Function(self.module, form, "kernel")
        for argument, letter in zip(self.function.args, signature, strict=True):
            if letter != "n":
                argument.add_attribute("noalias")
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self._fma = ir.Function(
            self.module, ir.FunctionType(VECTOR, [VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32"
        )
        self.zero = self.constant(0.0)

    @contextmanager
    def loops(
        self, *ranges: Value | int | tuple[Value, Value], carried: Sequence[Value] = ()
    ) -> Iterator[Loop]:
        """Loops within each other, the last innermost, over ``range(n)`` or ``range(*pair)``."""
        first, *more = ranges
        start, stop = first if isinstance(first, tuple) else (0, first)
        if not more:
            with self._loop(start, stop, carried) as loop:
                yield loop
            return
        with self._loop(start, stop, carried) as outer:
            with self.loops(*more, carried=outer.carried) as inner:
                inner.indices = [*outer.indices, *inner.indices]
                yield inner
            outer.carried = inner.carried
        inner.carried = outer.carried

    @contextmanager
    def _loop(
        self, start: Value | int, stop: Value | int, carried: Sequence[Value]
    ) -> Iterator[Loop]:
        builder, before = self.builder, self.builder.block
        head, body, after = [self.function.append_basic_block() for _ in range(3)]
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(INT)
        index.add_incoming(self.number(start), before)
        values = [builder.phi(value.type) for value in carried]
        for phi, value in zip(values, carried, strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", index, self.number(stop)), body, after)
        builder.position_at_end(body)
        loop = Loop([index], list(values))
        yield loop
        index.add_incoming(builder.add(index, self.number(1)), builder.block)
        for phi, value in zip(values, loop.carried, strict=True):
            phi.add_incoming(value, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        loop.carried = values

    def sum_of(self, *terms: Term) -> Value:
        """The sum of index · stride over the terms."""
        total = self.number(0)
        for index, stride in terms:
            product = self.builder.mul(self.number(index), self.number(stride))
            total = self.builder.add(total, product)
        return total

    def at(self, pointer: Value, *terms: Term) -> Value:
        """``pointer`` moved by the sum of index · stride over the terms."""
        for term in terms:
            pointer = self.builder.gep(pointer, [self.sum_of(term)])
        return pointer

    def load(self, pointer: Value, offset: int = 0) -> Value:
        """The vector of floats at ``pointer + offset``."""
        return self.builder.load(self._pointer(pointer, offset, VECTOR), align=4)

    def load_bytes(self, pointer: Value, offset: int = 0) -> Value:
        """The bytes at ``pointer + offset``, as a vector of integers."""
        loaded = self.builder.load(self._pointer(pointer, offset, BYTES), align=1)
        return self.builder.zext(loaded, INTEGERS)

    def broadcast(self, pointer: Value, offset: int = 0) -> Value:
        """The float at ``pointer + offset`` in every lane."""
        scalar = self.builder.load(self._pointer(pointer, offset, FLOAT), align=4)
        undefined = ir.Constant(VECTOR, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(first, undefined, _lanes([0] * LANES))

    def integer(self, pointer: Value, offset: int) -> Value:
        """The integer at ``pointer + offset``."""
        return self.builder.load(self.builder.gep(pointer, [self.number(offset)]), align=8)

    def gather(self, pointers: Sequence[Value], offset: Value) -> Value:
        """The floats at ``pointer + offset`` of as many pointers as there are lanes."""
        vector = ir.Constant(VECTOR, ir.Undefined)
        for lane, pointer in enumerate(pointers):
            scalar = self.builder.load(self.builder.gep(pointer, [offset]), align=4)
            vector = self.builder.insert_element(vector, scalar, ir.Constant(ir.IntType(32), lane))
        return vector

    def store(self, value: Value, pointer: Value, offset: int = 0) -> None:
        """Write a vector of floats, or one float, to ``pointer + offset``."""
        self.builder.store(value, self._pointer(pointer, offset, value.type), align=4)

    def store_bytes(self, value: Value, pointer: Value, offset: int = 0) -> None:
        """Write a vector of small integers as bytes to ``pointer + offset``."""
        target = self._pointer(pointer, offset, BYTES)
        self.builder.store(self.builder.trunc(value, BYTES), target, align=1)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a · b + c, rounded once where the processor can."""
        return self.builder.call(self._fma, [a, b, c])

    def constant(self, value: float) -> Value:
        """A vector of one number."""
        return ir.Constant(VECTOR, [value] * LANES)

    def clamp(self, vector: Value, low: float, high: float) -> Value:
        """The numbers moved into [low, high]; NaN stays."""
        for bound, beyond in ((self.constant(low), "<"), (self.constant(high), ">")):
            outside = self.builder.fcmp_ordered(beyond, vector, bound)
            vector = self.builder.select(outside, bound, vector)
        return vector

    def sum(self, vector: Value) -> Value:
        """The sum over the lanes, as one float."""
        undefined = ir.Constant(VECTOR, ir.Undefined)
        for distance in (4, 2, 1):
            order = [(lane + distance) % LANES for lane in range(LANES)]
            turned = self.builder.shuffle_vector(vector, undefined, _lanes(order))
            vector = self.builder.fadd(vector, turned)
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    def compile(self) -> Callable[..., None]:
        """The function; it takes addresses and numbers, and lets other threads run meanwhile."""
        self.builder.ret_void()
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
        )
        module = llvm.parse_assembly(str(self.module))
        module.verify()
        compiler = llvm.create_mcjit_compiler(module, machine)
        compiler.finalize_object()
        form = ctypes.CFUNCTYPE(None, *(_KINDS[letter][1] for letter in self.signature))
        function: Any = form(compiler.get_function_address("kernel"))
        function.compiler = compiler  # which owns the code
        return function

    def number(self, value: Value | int) -> Value:
        """An integer as a value."""
        return ir.Constant(INT, value) if isinstance(value, int) else value

    def _pointer(self, pointer: Value, offset: int, form: ir.Type) -> Value:
        moved = self.builder.gep(pointer, [self.number(offset)])
        return self.builder.bitcast(moved, form.as_pointer())


def integers(value: int) -> Value:
    """A vector of one integer."""
    return _lanes([value] * LANES)


def _lanes(values: list[int]) -> Value:
    return ir.Constant(INTEGERS, values)
