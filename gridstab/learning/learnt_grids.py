"""Which grids a model has learnt from, so that it is not judged by them.

    learnt_grids.safetensors    beside the weights, with a checksum in the manifest

It holds the first 16 bytes of the content hash of every training and validation grid: campaigns of
one seed share their first grids, and a set may have any name.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gnncore.storage import CorruptFileError, parse_tensors, save_tensors
from gridstab.grids.power_grid import PowerGrid

LEARNT_GRIDS = "learnt_grids.safetensors"
Part = Literal["train", "valid", "other"]
"""What a grid was in a training: learnt from, used to choose the epoch, or neither."""

_BYTES = 16
_METADATA = {"learnt_grids": json.dumps({"format": 1})}


@dataclass(frozen=True)
class LearntGrids:
    """The grids of a training, by their content.

    Attributes:
        train: Beginnings of the content hashes of the grids that were learnt from.
        valid: The same of those that chose the epoch.
    """

    train: frozenset[bytes]
    valid: frozenset[bytes]

    @classmethod
    def of(cls, train: Iterable[PowerGrid], valid: Iterable[PowerGrid]) -> "LearntGrids":
        """Those of these training and validation grids."""
        return cls(frozenset(map(_beginning, train)), frozenset(map(_beginning, valid)))

    def part(self, grid: PowerGrid) -> Part:
        """What a grid was in the training; ``train`` if it was both."""
        beginning = _beginning(grid)
        if beginning in self.train:
            return "train"
        return "valid" if beginning in self.valid else "other"

    def save(self, path: Path) -> None:
        """Write it to a file.

        Raises:
            StorageError: The file cannot be written.
        """
        arrays = {"train": _as_array(self.train), "valid": _as_array(self.valid)}
        save_tensors(path, arrays, _METADATA)

    @classmethod
    def parse(cls, data: bytes, path: Path) -> "LearntGrids":
        """The inverse of :meth:`save`, of the contents of its file.

        Args:
            data: The contents.
            path: The file that they come from, for messages.

        Raises:
            CorruptFileError: They are not what :meth:`save` writes.
        """
        arrays, metadata = parse_tensors(data, path)
        good = metadata == _METADATA and arrays.keys() == {"train", "valid"}
        if not good or any(
            array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] != _BYTES
            for array in arrays.values()
        ):
            raise CorruptFileError.because("read", path, "it is no list of grids of this version")
        return cls(*(frozenset(map(bytes, arrays[name])) for name in ("train", "valid")))


def _beginning(grid: PowerGrid) -> bytes:
    return bytes.fromhex(grid.content_hash)[:_BYTES]


def _as_array(beginnings: frozenset[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(sorted(beginnings)), np.uint8).reshape(-1, _BYTES)
