"""Arrays of NumPy (``.npy``, ``.npz``): headers are believed as far as the file reaches."""

import math
from io import BufferedIOBase, BytesIO
from typing import NamedTuple

import numpy as np

from graphwsl.imports import guards
from graphwsl.imports.guards import RefusedError

_MAX_HEADER_BYTES = 2**16
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_arrays(file: BufferedIOBase, size: int, max_bytes: int) -> dict[str, np.ndarray]:
    """The arrays of numbers in an ``.npz`` archive, in the byte order of the machine.

    Args:
        file: The open file.
        size: Its size [bytes].
        max_bytes: Limit on the arrays, which are at most 100 times the file besides [bytes].

    Raises:
        RefusedError: No archive of arrays, too much data, or an array of other things than
            numbers, or of another size than its header says.
    """
    found = guards.members(file, size)
    guards.check_npz_archive(found, size, max_bytes)
    arrays = {}
    for member in found:
        name = member.name.removesuffix(".npy")
        arrays[name] = _array(name, guards.contents(file, member))
    return arrays


class ArrayHeader(NamedTuple):
    """What an ``.npy`` file says of its numbers, and where they begin."""

    shape: tuple[int, ...]
    by_column: bool
    dtype: np.dtype
    start: int


def read_array_header(file: BufferedIOBase, size: int) -> ArrayHeader:
    """The header of an ``.npy`` file, which agrees with the length of the file.

    Args:
        file: The open file, at its start.
        size: Its size [bytes].

    Raises:
        RefusedError: It is no array of numbers, or not as long as its header says.
    """
    try:
        read = _READERS[np.lib.format.read_magic(file)]
        shape, by_column, dtype = read(file, max_header_size=_MAX_HEADER_BYTES)
        start = file.tell()
    # The header is a literal of Python, whose parser may give up on it in several ways.
    except Exception as error:
        raise RefusedError(f"it is no array of NumPy ({type(error).__name__})") from error
    if dtype.kind not in "biufc":
        hint = ", which would need allow_pickle" if dtype.hasobject else ""
        raise RefusedError(f"it holds {str(dtype)[:100]} of shape {shape}, not numbers{hint}")
    if any(length < 0 for length in shape) or size != start + math.prod(shape) * dtype.itemsize:
        raise RefusedError(f"it has {size} bytes, which is not what its header says")
    return ArrayHeader(shape, by_column, dtype, start)


def _array(name: str, data: bytes) -> np.ndarray:
    try:
        shape, by_column, dtype, start = read_array_header(BytesIO(data), len(data))
    except RefusedError as error:
        raise RefusedError(f"{name!r}: {error}") from error
    flat = np.frombuffer(data, dtype, offset=start).astype(dtype.newbyteorder("="))
    return flat.reshape(shape, order="F" if by_column else "C")
