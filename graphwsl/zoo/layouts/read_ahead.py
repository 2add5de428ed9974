"""Checkpoints that are asked for one after the other, of which some are read at a time."""

from dataclasses import dataclass
from math import prod

import numpy as np
from jaxtyping import Bool

from gnncore.storage import TensorFile

AHEAD = 2**20
"""Bytes of the checkpoints that are read at a time."""


@dataclass(frozen=True, eq=False)
class _Run:
    """Checkpoints of a file that lie behind one another.

    Attributes:
        file: The file.
        epochs: Kept epochs of every network in it.
        first: Number of the first of them.
        arrays: Their weights. Shapes ``(checkpoints, ...)``.
        is_finite: Whether all weights of each are.
    """

    file: TensorFile
    epochs: int
    first: int
    arrays: dict[str, np.ndarray]
    is_finite: Bool[np.ndarray, " checkpoints"]

    @classmethod
    def read(cls, file: TensorFile, epochs: int, first: int, count: int) -> "_Run":
        arrays = file.parts(divmod(first, epochs), count)
        finite = [np.isfinite(array).reshape(count, -1).all(axis=1) for array in arrays.values()]
        return cls(file, epochs, first, arrays, np.logical_and.reduce(finite))

    def index(self, file: TensorFile, entry: tuple[int, int]) -> int | None:
        """The number of a checkpoint among these, or None."""
        index = entry[0] * self.epochs + entry[1] - self.first
        is_here = self.file is file and entry[1] < self.epochs
        return index if is_here and 0 <= index < len(self.is_finite) else None


class ReadAhead:
    """Reads checkpoints of the files of a zoo, and keeps what it has read last.

    A checkpoint is read alone, unless it lies behind the one that was read before: then so are
    those behind it, 1 MiB of them.
    """

    def __init__(self) -> None:
        self._run: _Run | None = None
        self._before: tuple[TensorFile, int] | None = None

    def holds(self, file: TensorFile, entry: tuple[int, int]) -> bool:
        """Whether the weights of a checkpoint are in memory.

        Args:
            file: The file.
            entry: The network in it, and its kept epoch.
        """
        run = self._run
        return run is not None and run.index(file, entry) is not None

    def part(self, file: TensorFile, entry: tuple[int, int]) -> dict[str, np.ndarray]:
        """The weights of a checkpoint: ``file.part(entry, require_finite=True)``.

        They are those that the file held when it was as ``file`` says.

        Args:
            file: The file.
            entry: The network in it, and its kept epoch.

        Raises:
            CorruptFileError: It has no such checkpoint, or weights that are not finite.
            StorageError: It is missing or not readable.
        """
        run = self._run
        index = None if run is None else run.index(file, entry)
        if run is None or index is None:
            run, index = self._read(file, entry), 0
        if run is None or not run.is_finite[index]:
            return file.part(entry, require_finite=True)
        return {name: array[index].copy() for name, array in run.arrays.items()}

    def _read(self, file: TensorFile, entry: tuple[int, int]) -> _Run | None:
        """Read a checkpoint and those behind it; None where it is to be read alone."""
        grids = {shape[:2] for _, shape, _ in file.arrays.values()}
        if len(grids) != 1:  # what lies behind a part of one array does not in another
            return None
        ((networks, epochs),) = grids
        if entry[1] >= epochs:
            return None
        number = entry[0] * epochs + entry[1]
        is_next = self._before is not None and self._before == (file, number - 1)
        self._before = file, number
        size = sum(dtype.itemsize * prod(shape[2:]) for dtype, shape, _ in file.arrays.values())
        count = min(AHEAD // max(size, 1), networks * epochs - number)
        if not is_next or count < 2:
            return None
        run = self._run = _Run.read(file, epochs, number, count)
        self._before = file, number + count - 1
        return run
