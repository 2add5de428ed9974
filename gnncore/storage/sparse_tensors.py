"""Arrays that are mostly zero in safetensors files, which shrink with the share of zeros.

Of an array ``name`` only the entries that are kept are stored, ``name#values``, and which they are:
a bit an entry, ``name#bits``, or, where few are kept, their numbers, ``name#indices``. The metadata
``sparse`` lists the shapes. What is left out is zero, bitwise, so that arrays come back as they
were.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping

import numpy as np

from gnncore.storage.errors import CorruptFileError
from gnncore.storage.json_files import parse_json
from gnncore.storage.reading import read_bytes
from gnncore.storage.tensors import parse_tensors, save_tensors

KEY = "sparse"
"""Of the metadata of files that hold such arrays."""


def save_sparse_tensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, np.ndarray],
    masks: Mapping[str, np.ndarray] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Create or replace a file; equal content gives equal bytes.

    Args:
        path: The file.
        tensors: Arrays by name.
        masks: Which entries are kept, by name and in the shapes of the arrays; arrays without are
            stored as they are. None keeps what is not zero.
        metadata: Texts by name.

    Raises:
        StorageError: As :func:`save_tensors`.
        ValueError: A mask leaves out what is not zero, or does not fit its array.
    """
    arrays, more = encode_sparse(tensors, masks)
    save_tensors(path, arrays, {**(metadata or {}), **more})


def load_sparse_tensors(
    path: str | os.PathLike[str], *, max_bytes: int = 2**32
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The arrays of a file, and which entries of them it keeps.

    Args:
        path: The file; one of plain arrays is read as well.
        max_bytes: Limit on the file and on the arrays [bytes].

    Raises:
        CorruptFileError: It is damaged, or its arrays are larger than ``max_bytes``.
        StorageError: The file is missing or not readable.
    """
    arrays, metadata = parse_tensors(read_bytes(path, max_bytes=max_bytes), path)
    return decode_sparse(arrays, metadata, path, max_bytes=max_bytes)


def encode_sparse(
    tensors: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray] | None = None
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays as a file holds them, and the metadata that say so.

    Args:
        tensors: As for :func:`save_sparse_tensors`.
        masks: As there.

    Raises:
        ValueError: As there.
    """
    arrays: dict[str, np.ndarray] = {}
    shapes: dict[str, list[int]] = {}
    for name, array in tensors.items():
        array = np.asarray(array, order="C")
        is_zero = _bits(array) == 0
        if masks is not None and name not in masks:
            arrays[name] = array
            continue
        mask = ~is_zero if masks is None else np.asarray(masks[name])
        if mask.shape != array.shape or mask.dtype != np.bool_:
            raise ValueError(
                f"the mask of {name!r} must be bool of shape {array.shape}, got {mask.dtype} of "
                f"shape {mask.shape}"
            )
        if not is_zero[~mask].all():
            raise ValueError(f"the mask of {name!r} leaves out entries that are not zero")
        shapes[name] = list(array.shape)
        arrays[f"{name}#values"] = array[mask]
        numbers = np.flatnonzero(mask)
        if 4 * len(numbers) < mask.size / 8 and mask.size < 2**32:
            arrays[f"{name}#indices"] = numbers.astype(np.uint32)
        else:
            arrays[f"{name}#bits"] = np.packbits(mask.reshape(-1))
    return arrays, {KEY: json.dumps(shapes)}


def decode_sparse(
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    path: str | os.PathLike[str],
    *,
    max_bytes: int = 2**32,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The inverse of :func:`encode_sparse`.

    Args:
        arrays: What the file holds.
        metadata: Its metadata; without the key ``sparse`` all arrays are plain.
        path: The file, for messages.
        max_bytes: Limit on the arrays [bytes].

    Returns:
        The arrays, and the masks of those that have any.

    Raises:
        CorruptFileError: What is kept does not fit the shapes, or is larger than ``max_bytes``.
    """
    shapes = parse_json(metadata.get(KEY, "{}").encode(), path)
    rest = dict(arrays)
    tensors: dict[str, np.ndarray] = {}
    masks: dict[str, np.ndarray] = {}
    try:
        for name, sizes in shapes.items():
            shape = tuple(map(int, sizes))
            values, count = rest.pop(f"{name}#values"), math.prod(shape)
            if min(shape, default=0) < 0 or not 0 <= count * values.itemsize <= max_bytes:
                raise ValueError(f"{name!r} has the shape {shape}")
            if f"{name}#bits" in rest:
                bits = rest.pop(f"{name}#bits")
                if bits.dtype != np.uint8 or len(bits) != -(-count // 8):
                    raise ValueError(f"{name!r} has {len(bits)} bytes of bits for {shape}")
                mask = np.unpackbits(bits, count=count).astype(bool)
            else:
                mask = np.zeros(count, dtype=bool)
                mask[rest.pop(f"{name}#indices")] = True
            dense = np.zeros(count, dtype=values.dtype)
            dense[mask] = values
            tensors[name], masks[name] = dense.reshape(shape), mask.reshape(shape)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise CorruptFileError.because("read", path, f"its sparse arrays: {error}") from error
    return {**tensors, **rest}, masks


def is_sparse(names: Iterable[str]) -> bool:
    """Whether a file with arrays of these names holds some without their zeros."""
    return any(name.endswith("#values") for name in names)


def _bits(array: np.ndarray) -> np.ndarray:
    """The numbers as whole numbers, so that minus zero is none."""
    if array.dtype.kind not in "fc":
        return array
    return array.view(np.dtype(f"u{array.dtype.itemsize}"))
