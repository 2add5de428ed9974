"""The CUDA engine with its kernel compiled for the CPU: the same source, run thread by thread."""

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gridstab.dynamics import cuda
from gridstab.dynamics.cuda.engine import CudaEngine
from gridstab.dynamics.cuda.layout import Layout

HERE = Path(__file__).parent
KERNEL = Path(cuda.__file__).parent
COMPILER = shutil.which("g++")


@dataclass
class EmulatedKernel:
    shared_object: ctypes.CDLL
    resident_blocks: int
    thread_order: int
    launches: int = 0

    def launch(self, blocks: int, parameters: np.ndarray[Any, Any]) -> None:
        assert self.shared_object.parameters_size() == parameters.dtype.itemsize
        self.launches += 1
        address = parameters.ctypes.data_as(ctypes.c_void_p)
        failed = self.shared_object.launch(blocks, address, ctypes.c_uint(self.thread_order))
        assert not failed, "threads of a block wait at different barriers"


@dataclass
class EmulatedDevice:
    """Compiles the kernel once a layout, into ``folder``.

    Attributes:
        shared_bytes: Shared memory of a block.
        resident_blocks: Blocks that a launch is divided into.
        thread_order: 0 runs threads in order between barriers, other seeds in a shuffled order.
    """

    folder: Path
    shared_bytes: int = 227 * 1024
    resident_blocks: int = 2
    thread_order: int = 0
    kernel: EmulatedKernel | None = field(default=None, init=False)

    def upload(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.array(values, order="C")

    def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
        return np.zeros(shape, dtype)

    def address(self, buffer: np.ndarray[Any, Any]) -> int:
        assert buffer.ctypes.data % 16 == 0
        return buffer.ctypes.data

    def download(self, buffer: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return buffer.copy()

    def load(self, layout: Layout, nodes: int) -> EmulatedKernel:
        assert layout.shared_memory(nodes) <= self.shared_bytes
        self.kernel = EmulatedKernel(
            compiled(self.folder, layout), self.resident_blocks, self.thread_order
        )
        return self.kernel


def compiled(folder: Path, layout: Layout) -> ctypes.CDLL:
    """The kernel as a shared library, kept in ``folder`` until a source changes."""
    assert COMPILER is not None
    # Pragmas are CUDA's, a fiber is resumed by design, and each layout leaves something unused.
    allowed = [f"-Wno-{what}" for what in ("unknown-pragmas", "clobbered", "unused-parameter")]
    flags = ["-std=c++20", "-O2", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]
    flags += ["-Wall", "-Wextra", "-Werror", *allowed, *layout.definitions, f"-I{KERNEL}"]
    sources = [HERE / "driver.cpp", HERE / "cuda_on_cpu.h", KERNEL / "swing.cu"]
    digest = hashlib.sha256(" ".join(flags).encode())
    for source in sources:
        digest.update(source.read_bytes())
    library = folder / f"{digest.hexdigest()[:16]}.so"
    if not library.exists():
        # Written aside first: another test process may look at the same time.
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            made = Path(aside) / "kernel.so"
            subprocess.run([COMPILER, *flags, str(sources[0]), "-o", str(made)], check=True)
            made.replace(library)
    return ctypes.CDLL(str(library))


def emulated_engine(device: EmulatedDevice, **settings: Any) -> CudaEngine:
    """The engine on ``device``."""
    return CudaEngine(device=lambda: device, **settings)
