"""Seals: what an intermediate file is of, and a checksum over it and its numbers.

A manifest covers a folder only once it is complete. Until then, every file that resuming builds on
(a finished work unit, a chunk of networks, the state of a training) carries a seal: its owner, say
``{"campaign": "3f2a…", "unit": "00001-000-0"}``, and one digest over the owner, the names, kinds
and shapes of its arrays and every bit of them. A file under another's name, of another
configuration or with a flipped bit is told from the right one.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from gnncore.storage.errors import CorruptFileError

Owner = Mapping[str, str | int]
"""What a file is of; equal owners may stand for each other."""

_SORTED = json.JSONEncoder(sort_keys=True)

_SMALL = 2**16
"""Bytes of arrays that are copied sooner than asked how they lie."""


def seal_of(owner: Owner, arrays: Mapping[str, np.ndarray]) -> str:
    """The seal to store in a file's metadata: a JSON text with the owner and the digest.

    Args:
        owner: What the file is of: the hash of the configuration, the work unit.
        arrays: All arrays of the file by name, as they will be read.
    """
    return json.dumps(
        {"owner": dict(owner), "sha256": digest_of(owner, arrays)},
        sort_keys=True,
        ensure_ascii=True,
        separators=(",", ":"),
    )


def check_seal(
    path: str | os.PathLike[str],
    seal: str | None,
    owner: Owner,
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Check that the file at ``path`` is of ``owner`` and holds what was sealed.

    Args:
        path: The file, for the message.
        seal: What :func:`seal_of` gave when the file was written; ``None`` where it has none.
        owner: What the file must be of.
        arrays: What was read from it.

    Raises:
        CorruptFileError: There is no readable seal, the file is of another owner, or any of its
            numbers differs.
    """
    if seal is None:
        raise CorruptFileError.because("use", path, "it carries no seal")
    try:
        stored = json.loads(seal)
        there, digest = dict(stored["owner"]), str(stored["sha256"])
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        raise CorruptFileError.because("use", path, "its seal is not readable") from error
    for name in sorted({*owner, *there}):
        if there.get(name) != owner.get(name):
            raise CorruptFileError.because(
                "use", path, f"its {name} is {there.get(name)!r}, not {owner.get(name)!r}"
            )
    if digest != digest_of(owner, arrays):
        raise CorruptFileError.because(
            "use", path, "its numbers differ from those that were sealed"
        )


def digest_of(owner: Owner, arrays: Mapping[str, np.ndarray]) -> str:
    """A checksum over an owner, and the names, kinds, shapes and every bit of arrays.

    Args:
        owner: What the arrays are of.
        arrays: Arrays by name.
    """
    digest = hashlib.sha256(_SORTED.encode(dict(owner)).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(_described(name, array.dtype.str, array.shape))
        digest.update(array.tobytes() if array.nbytes < _SMALL else _bytes_of(array))
    return digest.hexdigest()


def _bytes_of(array: np.ndarray) -> memoryview:
    """The bytes of an array without a copy, if it lies in order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


@lru_cache(1024)  # networks of one architecture have the same arrays
def _described(name: str, kind: str, shape: tuple[int, ...]) -> bytes:
    return json.dumps([name, kind, list(shape)]).encode()
