"""What the engine needs of a GPU, and CuPy's answer to it."""

from functools import lru_cache
from importlib.resources import files
from typing import Any, Protocol

import numpy as np

from gnncore.extras import install_command
from gridstab.dynamics.cuda.layout import Layout
from gridstab.dynamics.engine import Availability

OPTIONS = ("-std=c++17", "--fmad=false")
"""Without contraction the GPU rounds exactly as the CPU does in the tests of the kernel."""

BLOCK_OVERHEAD_BYTES = 1024
"""Shared memory that the driver adds to every block (CUDA C++ Programming Guide, 8.0 and up)."""


class Kernel(Protocol):
    """The kernel, compiled for one layout and grid size."""

    resident_blocks: int
    """Blocks that the device runs at once."""

    def launch(self, blocks: int, parameters: np.ndarray[Any, Any]) -> None:
        """Runs it; ``parameters`` is one entry of ``tables.PARAMETERS``, passed by value."""
        ...


class Device(Protocol):
    """Memory and kernels of one GPU."""

    shared_bytes: int
    """Shared memory that one block may use."""

    def upload(self, values: np.ndarray[Any, Any]) -> Any:
        """A copy in the memory of the device."""
        ...

    def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> Any:
        """Zeroed memory of the device."""
        ...

    def address(self, buffer: Any) -> int:
        """Where the buffer lies in the memory of the device."""
        ...

    def download(self, buffer: Any) -> np.ndarray[Any, Any]:
        """The buffer's values, once all launches are done."""
        ...

    def load(self, layout: Layout, nodes: int) -> Kernel:
        """The kernel for this layout."""
        ...


class CupyDevice:
    """The current CUDA device, through CuPy."""

    def __init__(self) -> None:
        import cupy

        self._cupy = cupy
        self.attributes: dict[str, int] = cupy.cuda.Device().attributes
        self.shared_bytes = self.attributes["MaxSharedMemoryPerBlockOptin"]

    def upload(self, values: np.ndarray[Any, Any]) -> Any:
        """See :meth:`Device.upload`."""
        return self._cupy.asarray(values)

    def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> Any:
        """See :meth:`Device.zeros`."""
        return self._cupy.zeros(shape, dtype)

    def address(self, buffer: Any) -> int:
        """See :meth:`Device.address`."""
        return int(buffer.data.ptr)

    def download(self, buffer: Any) -> np.ndarray[Any, Any]:
        """See :meth:`Device.download`."""
        return self._cupy.asnumpy(buffer)

    def load(self, layout: Layout, nodes: int) -> Kernel:
        """See :meth:`Device.load`."""
        return _CupyKernel(layout, nodes, self.attributes)


class _CupyKernel:
    def __init__(self, layout: Layout, nodes: int, attributes: dict[str, int]) -> None:
        self._threads = layout.threads
        self._shared = layout.shared_memory(nodes)
        self._function = _compiled(layout.definitions)
        self._function.max_dynamic_shared_size_bytes = self._shared
        self.resident_blocks = attributes["MultiProcessorCount"] * blocks_per_multiprocessor(
            self._threads, self._shared, self._function.num_regs, attributes
        )

    def launch(self, blocks: int, parameters: np.ndarray[Any, Any]) -> None:
        self._function((blocks,), (self._threads,), (parameters,), shared_mem=self._shared)


@lru_cache
def _compiled(definitions: tuple[str, ...]) -> Any:
    import cupy

    source = files("gridstab.dynamics.cuda").joinpath("swing.cu").read_text(encoding="utf-8")
    module = cupy.RawModule(code=source, options=OPTIONS + definitions)
    return module.get_function("simulate")


def blocks_per_multiprocessor(
    threads: int, shared: int, registers: int, attributes: dict[str, int]
) -> int:
    """Blocks that one multiprocessor runs at once, by the scarcest of its resources.

    Args:
        threads: Threads of a block.
        shared: Shared memory of a block [bytes].
        registers: Registers of a thread.
        attributes: The device's, by CUDA's names.
    """
    return max(
        1,
        min(
            attributes["MaxBlocksPerMultiprocessor"],
            attributes["MaxThreadsPerMultiProcessor"] // threads,
            attributes["MaxSharedMemoryPerMultiprocessor"] // (shared + BLOCK_OVERHEAD_BYTES),
            attributes["MaxRegistersPerMultiprocessor"] // (registers * max(threads, 32)),
        ),
    )


def cupy_availability() -> Availability:
    """Whether CuPy is installed and finds a device."""
    try:
        import cupy
    except ImportError:
        why = f"CuPy is not installed: {install_command('gpu')}"
        return Availability(False, why, "")
    version = f"cupy {cupy.__version__}"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        count = 0
    if not count:
        return Availability(False, "no CUDA device", version)
    return Availability(True, "", version)
