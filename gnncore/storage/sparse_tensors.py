"""Arrays that are mostly zero in safetensors files, which shrink with the share of zeros.

Of an array ``name`` only the entries that are kept are stored, ``name#values``, and which they are:
a bit an entry, ``name#bits``, or, where few are kept, their numbers, ``name#indices``. The metadata
``sparse`` lists the shapes, ``sparse_sha256`` is a checksum over all that comes back. What is left
out is zero, bitwise, so that arrays come back as they were.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping

import numpy as np

from gnncore.storage.errors import CorruptFileError
from gnncore.storage.json_files import parse_json
from gnncore.storage.reading import read_bytes
from gnncore.storage.seal import digest_of
from gnncore.storage.tensors import parse_tensors, save_tensors

KEY = "sparse"
"""Of the metadata of files that hold such arrays."""

DIGEST = "sparse_sha256"
"""Of the metadata of files that :func:`save_sparse_tensors` writes."""

_PARTS = ("#values", "#bits", "#indices")


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
        metadata: Texts by name, other than ``sparse`` and ``sparse_sha256``.

    Raises:
        StorageError: As :func:`save_tensors`.
        ValueError: A mask leaves out what is not zero, or does not fit its array; the name of an
            array is that of a part of another, or the metadata have a reserved name.
    """
    for name in (KEY, DIGEST):
        if name in (metadata or {}):
            raise ValueError(f"metadata of sparse files must have other names, got {name!r}")
    arrays, more = encode_sparse(tensors, masks)
    texts = {**(metadata or {}), **more}
    content = decode_sparse(arrays, more, path, max_bytes=2**63)
    save_tensors(path, arrays, {**texts, DIGEST: _digest(texts, *content)})


def load_sparse_tensors(
    path: str | os.PathLike[str], *, max_bytes: int = 2**32
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The arrays of a file, and which entries of them it keeps.

    Args:
        path: The file; one of plain arrays is read as well, and one without a checksum.
        max_bytes: Limit on the file and on the arrays [bytes].

    Raises:
        CorruptFileError: It is damaged, differs from its checksum, or its arrays are larger than
            ``max_bytes``.
        StorageError: The file is missing or not readable.
    """
    arrays, metadata = parse_tensors(read_bytes(path, max_bytes=max_bytes), path)
    content = decode_sparse(arrays, metadata, path, max_bytes=max_bytes)
    texts = dict(metadata)
    digest = texts.pop(DIGEST, None)
    if digest is not None and digest != _digest(texts, *content):
        raise CorruptFileError.because(
            "read", path, f"its sparse arrays differ from their checksum {digest!r}"
        )
    return content


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
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        is_zero = _bits(array) == 0
        if masks is not None and name not in masks:
            arrays[name] = array
            continue
        for part in _PARTS:
            if f"{name}{part}" in tensors:
                raise ValueError(f"{name + part!r} cannot be an array beside the sparse {name!r}")
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
                mask = _from_bits(name, rest.pop(f"{name}#bits"), count)
            else:
                mask = _from_indices(name, rest.pop(f"{name}#indices"), count)
            if values.shape != (kept := int(mask.sum()),):
                raise ValueError(f"{name!r} keeps {kept} entries, its values are {values.shape}")
            for other in (name, *(f"{name}{part}" for part in _PARTS)):
                if other in rest:
                    raise ValueError(f"{name!r} is sparse and has {other!r} beside it")
            dense = np.zeros(count, dtype=values.dtype)
            dense[mask] = values
            tensors[name], masks[name] = dense.reshape(shape), mask.reshape(shape)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise CorruptFileError.because("read", path, f"its sparse arrays: {error}") from error
    return {**tensors, **rest}, masks


def is_sparse(names: Iterable[str]) -> bool:
    """Whether a file with arrays of these names holds some without their zeros."""
    return any(name.endswith("#values") for name in names)


def _from_bits(name: str, bits: np.ndarray, count: int) -> np.ndarray:
    if bits.dtype != np.uint8 or bits.shape != (-(-count // 8),):
        raise ValueError(f"{name!r} has bits {bits.dtype} {bits.shape} for {count} entries")
    mask = np.unpackbits(bits).astype(bool)
    if mask[count:].any():
        raise ValueError(f"{name!r} has bits set behind its {count} entries, got {bits[-1]}")
    return mask[:count]


def _from_indices(name: str, indices: np.ndarray, count: int) -> np.ndarray:
    if indices.dtype != np.uint32 or indices.ndim != 1:
        raise ValueError(f"{name!r} has indices {indices.dtype} {indices.shape}, not a row uint32")
    wrong = np.flatnonzero(indices[1:] <= indices[:-1])
    if len(wrong):
        raise ValueError(f"{name!r} has index {indices[wrong[0] + 1]} not above the one before it")
    if len(indices) and indices[-1] >= count:
        raise ValueError(f"{name!r} has {count} entries and index {indices[-1]}")
    mask = np.zeros(count, dtype=bool)
    mask[indices] = True
    return mask


def _digest(
    texts: Mapping[str, str], tensors: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray]
) -> str:
    """A checksum over the metadata and what the file holds once it is decoded."""
    return digest_of({**texts, DIGEST: digest_of({}, masks)}, tensors)


def _bits(array: np.ndarray) -> np.ndarray:
    """The numbers as whole numbers, so that minus zero is none."""
    if array.dtype.kind not in "fc":
        return array
    return array.view(np.dtype(f"u{array.dtype.itemsize}"))
