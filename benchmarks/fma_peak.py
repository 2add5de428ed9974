"""Peak of one core in fused multiply-adds: independent vector chains, compiled by llvmlite.

    python -m benchmarks.fma_peak

One operation counts as two FLOP. Twelve chains hide a latency of up to six cycles at two
operations a cycle, and fit the sixteen vector registers of AVX2 together with both operands.
"""

import ctypes
from typing import Annotated

import llvmlite.binding as llvm
import typer

from benchmarks.running import run_benchmark
from benchmarks.timing import Spread, timed

CHAINS = 12
ROUNDS = 4
"""Operations of each chain in one turn of the loop."""

_BITS = {"float": 32, "double": 64}
_LLVM_TYPE = {"float32": "float", "float64": "double"}


def vector_bits() -> int:
    """Widest vector register of this processor."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 512
    return 256 if features.get("avx") else 128


def assembly(scalar: str, bits: int) -> str:
    """LLVM IR of ``scalar kernel(i64 turns)``."""
    lanes = bits // _BITS[scalar]
    vector = f"<{lanes} x {scalar}>"
    fma = f"@llvm.fma.v{lanes}f{_BITS[scalar]}"
    constant = {
        name: "<" + ", ".join([f"{scalar} {value}"] * lanes) + ">"
        for name, value in (("factor", 0.5), ("offset", 1.0))
    }
    phis, body = [], []
    for chain in range(CHAINS):
        start = "<" + ", ".join([f"{scalar} {float(chain)}"] * lanes) + ">"
        phis.append(
            f"  %x{chain}_0 = phi {vector} [ {start}, %entry ], [ %x{chain}_{ROUNDS}, %loop ]"
        )
    for turn in range(ROUNDS):
        body += [
            f"  %x{chain}_{turn + 1} = call {vector} {fma}({vector} %x{chain}_{turn}, "
            f"{vector} {constant['factor']}, {vector} {constant['offset']})"
            for chain in range(CHAINS)
        ]
    total, sums = f"%x0_{ROUNDS}", []
    for chain in range(1, CHAINS):
        sums.append(f"  %sum{chain} = fadd {vector} {total}, %x{chain}_{ROUNDS}")
        total = f"%sum{chain}"
    return "\n".join(
        [
            f"declare {vector} {fma}({vector}, {vector}, {vector})",
            f"define {scalar} @kernel(i64 %turns) {{",
            "entry:",
            "  br label %loop",
            "loop:",
            "  %turn = phi i64 [ 0, %entry ], [ %next, %loop ]",
            *phis,
            *body,
            "  %next = add i64 %turn, 1",
            "  %more = icmp ult i64 %next, %turns",
            "  br i1 %more, label %loop, label %done",
            "done:",
            *sums,
            f"  %result = extractelement {vector} {total}, i32 0",
            f"  ret {scalar} %result",
            "}",
        ]
    )


def fma_peak(precision: str, *, repeats: int = 5, turns: int = 10_000_000) -> Spread:
    """GFLOP/s of one core in ``float32`` or ``float64``."""
    scalar, bits = _LLVM_TYPE[precision], vector_bits()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    module = llvm.parse_assembly(assembly(scalar, bits))
    module.verify()
    with llvm.create_mcjit_compiler(module, machine) as compiler:
        compiler.finalize_object()
        result = ctypes.c_float if precision == "float32" else ctypes.c_double
        kernel = ctypes.CFUNCTYPE(result, ctypes.c_int64)(compiler.get_function_address("kernel"))
        kernel(turns)
        seconds = [timed(lambda: kernel(turns)).cpu for _ in range(repeats)]
    operations = 2 * turns * ROUNDS * CHAINS * (bits // _BITS[scalar])
    return Spread.of([operations / second / 1e9 for second in seconds])


def main(
    repeats: Annotated[int, typer.Option(help="Measurements of each precision.", min=1)] = 5,
) -> None:
    """Measure the fused multiply-add peak of one core."""
    from benchmarks.hardware import headline

    typer.echo(headline())
    for precision in _LLVM_TYPE:
        peak = fma_peak(precision, repeats=repeats)
        typer.echo(
            f"{precision}: {peak.median:.1f} GFLOP/s per core "
            f"(range {peak.low:.1f} to {peak.high:.1f}, {vector_bits()}-bit vectors)"
        )


if __name__ == "__main__":
    run_benchmark(main)
