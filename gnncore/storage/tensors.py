"""Named arrays in safetensors files, the format of weights: a JSON header, then plain numbers."""

import json
import math
import os
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.storage.atomic import write_bytes
from gnncore.storage.errors import CorruptFileError
from gnncore.storage.json_files import parse_json
from gnncore.storage.reading import open_file, read_bytes

_MAX_HEADER_BYTES = 2**25  # some 300 000 tensors
_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?"},
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
}


def save_tensors(
    path: str | os.PathLike[str],
    tensors: dict[str, np.ndarray],
    metadata: dict[str, str] | None = None,
) -> None:
    """Create or replace a safetensors file; equal content gives equal bytes.

    Args:
        path: The file.
        tensors: Arrays by name.
        metadata: Texts by name, kept in the header of the file.

    Raises:
        StorageError: As :func:`write_with`.
        ValueError: An array is of a type that the format does not know (text, objects, complex).
    """
    import safetensors
    from safetensors.numpy import save

    # The library takes the memory as it lies, so strided and transposed arrays come first.
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    try:
        data = save(arrays, metadata)
    except (safetensors.SafetensorError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"safetensors cannot hold these arrays: {error}") from error
    write_bytes(path, _with_sorted_metadata(data))


def load_tensors(
    path: str | os.PathLike[str], *, require_finite: bool = False, max_bytes: int = 2**32
) -> dict[str, np.ndarray]:
    """The arrays in a safetensors file of at most ``max_bytes`` (4 GiB).

    Args:
        path: The file.
        require_finite: Refuse NaN and infinities, which the format itself allows.
        max_bytes: Limit on the file [bytes]; arrays are never larger than their file.

    Raises:
        CorruptFileError: Not a whole safetensors file (header too large, overlapping or missing
            data, unknown type), too large, or not finite where that is required.
        StorageError: The file is missing or not readable.
    """
    return parse_tensors(
        read_bytes(path, max_bytes=max_bytes), path, require_finite=require_finite
    )[0]


def parse_tensors(
    data: bytes, path: str | os.PathLike[str], *, require_finite: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata in the contents of a safetensors file that was read already.

    Args:
        data: The contents.
        path: The file that they come from, for messages.
        require_finite: Refuse NaN and infinities.

    Raises:
        CorruptFileError: As :func:`load_tensors`.
    """
    import safetensors
    from safetensors.numpy import load

    metadata: dict[str, str] = _parse_header(data, path).get("__metadata__", {})
    try:
        tensors = load(data)
    except KeyError as error:
        raise CorruptFileError.because("read", path, f"NumPy has no type {error}") from error
    except (safetensors.SafetensorError, ArithmeticError, TypeError, ValueError) as error:
        raise CorruptFileError.because("read", path, error) from error
    if require_finite:
        for name, array in sorted(tensors.items()):
            if array.dtype.kind in "fc" and not np.isfinite(array).all():
                raise CorruptFileError.because("read", path, f"tensor {name!r} is not finite")
    return tensors, metadata


@dataclass(frozen=True)
class TensorFile:
    """Where the arrays of a safetensors file lie; many parts are read with one look at the header.

    Attributes:
        path: The file.
        arrays: Type, shape and first byte of each array.
        state: State of the file when its header was read: size, time of the last change, and inode.
    """

    path: Path
    arrays: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]]
    state: tuple[int, ...]

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> "TensorFile":
        """The file at ``path``, of which the header is read.

        Raises:
            CorruptFileError: Its header is none, or names an unknown type or what is not there.
            StorageError: The file is missing or not readable.
        """
        arrays = {}
        with open_file(path) as (file, size):
            state = _state(file)
            start = file.read(8)
            begin = 8 + _header_size(start, path)
            header = _parse_header(start + file.read(begin - 8), path)
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items()):
            try:
                dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(map(int, entry["shape"]))
                first, end = map(int, entry["data_offsets"])
                length = math.prod(shape) * dtype.itemsize
                if not 0 <= first <= end <= size - begin or end - first != length:
                    raise ValueError(f"tensor {name!r} does not lie within the file")
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                raise CorruptFileError.because("read", path, error) from error
            arrays[name] = (dtype, shape, begin + first)
        return cls(Path(path), arrays, state)

    @property
    def is_current(self) -> bool:
        """Whether the file is still the one whose header was read."""
        try:
            return _state_of(os.stat(self.path)) == self.state
        except OSError:
            return False

    def part(
        self, index: tuple[int, ...], *, require_finite: bool = False
    ) -> dict[str, np.ndarray]:
        """``array[index]`` of every array.

        Args:
            index: Into the first dimensions, which all arrays have.
            require_finite: Refuse NaN and infinities.

        Raises:
            CorruptFileError: An array has no such part, a part is not finite where that is
                required, or another file lies there by now.
            StorageError: The file is missing or not readable.
        """
        found = {}
        for name, array in self.parts(index, 1).items():
            if require_finite and array.dtype.kind == "f" and not np.isfinite(array).all():
                raise CorruptFileError.because("read", self.path, f"tensor {name!r} is not finite")
            found[name] = array[0]
        return found

    def parts(self, index: tuple[int, ...], count: int) -> dict[str, np.ndarray]:
        """``array[index]`` of every array, and the parts that lie behind it.

        Args:
            index: Into the first dimensions, which all arrays have.
            count: How many parts there shall be, the first one included.

        Returns:
            Arrays whose first dimension is that of the parts.

        Raises:
            CorruptFileError: An array has no such parts, or another file lies there by now.
            StorageError: The file is missing or not readable.
        """
        found = {}
        with open_file(self.path) as (file, _):
            if _state(file) != self.state:
                raise CorruptFileError.because("read", self.path, "it changes while it is read")
            for name, (dtype, shape, start) in self.arrays.items():
                leading, part = shape[: len(index)], shape[len(index) :]
                length = math.prod(part) * dtype.itemsize
                try:
                    place = int(np.ravel_multi_index(index, leading))
                    if place + count > math.prod(leading):
                        raise ValueError(f"tensor {name!r} has fewer parts")
                    file.seek(start + place * length)
                    array = np.frombuffer(file.read(count * length), dtype)
                    found[name] = array.reshape(count, *part).copy()
                except (TypeError, ValueError) as error:
                    raise CorruptFileError.because("read", self.path, error) from error
        return found


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of a safetensors file; empty where it has none.

    Raises:
        CorruptFileError: No readable header.
        StorageError: The file is missing or not readable.
    """
    start = read_bytes(path, only_first=8)
    start = read_bytes(path, only_first=8 + _header_size(start, path))
    metadata: dict[str, str] = _parse_header(start, path).get("__metadata__", {})
    return metadata


def _state(file: BufferedReader) -> tuple[int, ...]:
    return _state_of(os.fstat(file.fileno()))


def _state_of(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _header_size(data: bytes, path: str | os.PathLike[str]) -> int:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > _MAX_HEADER_BYTES:
        raise CorruptFileError.because("read", path, "it is not a safetensors file")
    return size


def _parse_header(data: bytes, path: str | os.PathLike[str]) -> dict[str, Any]:
    header = parse_json(data[8 : 8 + _header_size(data, path)], path)
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or any(not isinstance(v, str) for v in metadata.values()):
        raise CorruptFileError.because("read", path, "its header is not that of safetensors")
    return header


def _with_sorted_metadata(data: bytes) -> bytes:
    """The same file with the metadata in order; the library writes them in a random one."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]
