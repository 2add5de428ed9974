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
        first: Number of the first of them.
        arrays: Their weights. Shapes ``(checkpoints, ...)``.
        is_finite: Whether all weights of each are.
    """

    file: TensorFile
    first: int
    arrays: dict[str, np.ndarray]
    is_finite: Bool[np.ndarray, " checkpoints"]

    @classmethod
    def read(cls, file: TensorFile, place: tuple[int, int], first: int, count: int) -> "_Run":
        arrays = file.parts(place, count)
        finite = [np.isfinite(array).reshape(count, -1).all(axis=1) for array in arrays.values()]
        return cls(file, first, arrays, np.logical_and.reduce(finite))

    def holds(self, file: TensorFile, number: int) -> bool:
        return self.file is file and 0 <= number - self.first < len(self.is_finite)


class ReadAhead:
    """Reads checkpoints of the files of a zoo, and keeps what it has read last.

    A checkpoint is read alone, unless it lies behind the one that was asked for before: then so
    are those behind it, 1 MiB of them.
    """

    def __init__(self) -> None:
        self._run: _Run | None = None
        self._asked: tuple[TensorFile, int] | None = None

    def part(self, file: TensorFile, place: tuple[int, int]) -> dict[str, np.ndarray]:
        """The weights of a checkpoint: ``file.part(place, require_finite=True)``.

        They are those that the file held when it was as ``file`` says.

        Args:
            file: The file.
            place: The network in it, and its kept epoch.

        Raises:
            CorruptFileError: It has no such checkpoint, or weights that are not finite.
            StorageError: It is missing or not readable.
        """
        grids = {shape[:2] for _, shape, _ in file.arrays.values()}
        if len(grids) != 1:  # what lies behind a part of one array does not in another
            return file.part(place, require_finite=True)
        ((networks, epochs),) = grids
        number = place[0] * epochs + place[1]
        run, before = self._run, self._asked
        self._asked = file, number
        if run is None or not run.holds(file, number):
            size = sum(array[0].itemsize * prod(array[1][2:]) for array in file.arrays.values())
            count = min(AHEAD // max(size, 1), networks * epochs - number)
            is_next = before is not None and before[0] is file and before[1] == number - 1
            if not is_next or count < 2:
                return file.part(place, require_finite=True)
            run = self._run = _Run.read(file, place, number, count)
        index = number - run.first
        if not run.is_finite[index]:
            return file.part(place, require_finite=True)  # which says what is not
        return {name: array[index].copy() for name, array in run.arrays.items()}
