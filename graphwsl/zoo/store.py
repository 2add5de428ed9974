"""A zoo that this program trained, read back."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnncore.storage import CorruptFileError, StorageError
from graphwsl.errors import ZooError
from graphwsl.zoo import measurements
from graphwsl.zoo.architectures.registry import FACTORS, build, shapes_of
from graphwsl.zoo.checkpoint import Checkpoint, Problem, Scalar
from graphwsl.zoo.data import load_images
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.index import IndexRow, read_row
from graphwsl.zoo.inputs import example_inputs
from graphwsl.zoo.layouts.native import CHUNKS, INDEX_NAME, ZooFolder, chunk_name
from graphwsl.zoo.recipe import Data
from graphwsl.zoo.rows import Failures, RowLayout, array


class StoredZoo:
    """A zoo that this program trained, be it complete or still in training.

    Files are used only if they are those that the manifest lists; chunks of an unfinished zoo by
    their seals.

    Get one from :func:`graphwsl.zoo.open_zoo`; it is a :class:`graphwsl.zoo.Zoo`.
    """

    def __init__(self, folder: ZooFolder) -> None:
        self.folder = folder
        self.checkpoints: list[Checkpoint] = []
        self.problems: list[Problem] = []
        self._shapes: dict[tuple[Scalar, ...], dict[str, torch.Size]] = {}
        self._places: dict[tuple[str, int | None], tuple[int, int, int]] = {}
        for row in folder.entries():
            try:
                self._add(row)
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                raise CorruptFileError.because(
                    "read",
                    folder.path / INDEX_NAME,
                    f"it has a row that is none of a checkpoint ({type(error).__name__}: {error})",
                ) from error
        self._take_measurements()
        self._read_chunk = lru_cache(maxsize=4)(folder.read_chunk)

    @classmethod
    def open(cls, path: Path) -> "StoredZoo":
        """The zoo in a folder.

        Raises:
            ZooError: The folder holds no zoo of this program.
            StorageError: The index or the manifest is damaged.
        """
        folder = ZooFolder(path)
        _ = folder.config
        return cls(folder)

    def weights(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """See :class:`graphwsl.zoo.Zoo`."""
        chunk, model, place = self._place(checkpoint)
        shapes = self._shapes_of(checkpoint)
        try:
            if self.folder.is_large(chunk):
                found = self.folder.read_checkpoint(chunk, (model, place))
            else:
                stacked = self._read_chunk(chunk).tensors
                found = {name: stacked[name][model, place] for name in shapes}
            state = {name: np.array(found[name]) for name in shapes}
            wrong = [name for name, shape in shapes.items() if state[name].shape != shape]
            if wrong:
                raise TypeError(f"{wrong[0]!r} has another shape")
            return {name: torch.from_numpy(values) for name, values in state.items()}
        except (LookupError, TypeError) as error:
            raise self._not_as_listed(chunk, error) from error

    def module(self, checkpoint: Checkpoint) -> nn.Module:
        """See :class:`graphwsl.zoo.Zoo`."""
        self._shapes_of(checkpoint)  # says in one line that it is too large
        configuration = checkpoint.configuration
        return build(str(configuration.get("architecture")), configuration).eval()

    def example_inputs(self, checkpoint: Checkpoint) -> Tensor:
        """See :class:`graphwsl.zoo.Zoo`."""
        return example_inputs(checkpoint.configuration)

    def images(self) -> DataSet:
        """See :class:`graphwsl.zoo.Zoo`."""
        config = self.folder.config
        try:
            data = Data.parse(config["recipe"]["data"])
        except (LookupError, TypeError) as error:
            raise ZooError(
                f"{str(self.folder.path)!r} does not say what it was trained on: {error}"
            ) from error
        found = load_images(data.name, image_size=data.image_size, in_channels=data.in_channels)
        if found.content_hash != config.get("data_sha256"):
            raise ZooError(
                f"data {data.name!r} are no longer what {str(self.folder.path)!r} was trained on; "
                "bring back those that were"
            )
        return found

    def verify(self) -> list[Problem]:
        """See :class:`graphwsl.zoo.Zoo`; :meth:`ZooFolder.problems` looks at all files."""
        damaged: dict[int, str] = {}
        for number in sorted({chunk for chunk, _, _ in self._places.values()}):
            try:
                self.folder.read_chunk(number)
            except StorageError as error:
                damaged[number] = str(error)
        self.checkpoints = [c for c in self.checkpoints if self._chunk_of(c) not in damaged]
        found = [Problem(f"{CHUNKS}/{chunk_name(n)}", reason) for n, reason in damaged.items()]
        self.problems += [problem for problem in found if problem not in self.problems]
        return list(self.problems)

    def _chunk_of(self, checkpoint: Checkpoint) -> int:
        return self._places[checkpoint.model, checkpoint.epoch][0]

    def array(
        self, checkpoints: Sequence[Checkpoint] | None = None
    ) -> tuple[Float[Tensor, "usable entries"], list[Checkpoint]]:
        """The weights of checkpoints of one shape as one matrix, and these checkpoints.

        What cannot be used is left out and added to :attr:`problems`. See
        :func:`graphwsl.zoo.rows.array`.
        """
        rows, usable, problems = array(self, checkpoints)
        self.problems += [problem for problem in problems if problem not in self.problems]
        return rows, usable

    def kind(self, checkpoint: Checkpoint) -> tuple[Scalar, ...]:
        """See :class:`graphwsl.zoo.rows.ReadsRows`."""
        return tuple(map(checkpoint.configuration.get, FACTORS))

    def read_rows(
        self,
        checkpoints: Sequence[Checkpoint],
        layout: RowLayout,
        rows: Float[Tensor, "checkpoints entries"],
    ) -> Failures:
        """See :class:`graphwsl.zoo.rows.ReadsRows`; every chunk is read once."""
        failures: Failures = {}
        members: dict[int, list[tuple[int, int, int]]] = {}
        for number, checkpoint in enumerate(checkpoints):
            try:
                chunk, model, place = self._place(checkpoint)
            except ZooError as error:
                failures[number] = error
                continue
            members.setdefault(chunk, []).append((number, model, place))

        def read(chunk: int) -> Failures:
            numbers, models, epochs = np.array(members[chunk]).T
            try:
                stacked = self.folder.read_tensors(chunk)
                for name, expected in layout.state.tensors.items():
                    values, start = stacked[name], layout.starts[name]
                    if values.shape[2:] != expected.shape:
                        raise TypeError(f"{name!r} has another shape")
                    if torch.from_numpy(values).dtype != expected.dtype:
                        raise TypeError(f"{name!r} has another type")
                    chosen = np.ravel_multi_index((models, epochs), values.shape[:2])
                    matrix = values.reshape(-1, expected.numel())
                    columns = slice(start, start + expected.numel())
                    rows.numpy()[_run(numbers), columns] = matrix[_run(chosen)]
            except StorageError as error:
                return dict.fromkeys(numbers.tolist(), error)
            except (LookupError, TypeError, ValueError) as error:
                return dict.fromkeys(numbers.tolist(), self._not_as_listed(chunk, error))
            return {}

        # Checksums let other threads run meanwhile.
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            for found in threads.map(read, members):
                failures |= found
        return failures

    def add_metric(self, name: str, values: measurements.Measured) -> None:
        """See :func:`graphwsl.populations.metrics.add`."""
        identity = self.folder.identity
        measurements.add(self.folder.path, name, values, self.checkpoints, identity)
        self._take_measurements()

    def _take_measurements(self) -> None:
        found = measurements.with_measurements(
            self.folder.path, self.checkpoints, self.folder.identity
        )
        self.checkpoints, problems = found
        self.problems += [problem for problem in problems if problem not in self.problems]

    def _place(self, checkpoint: Checkpoint) -> tuple[int, int, int]:
        """The chunk of a checkpoint, and its network and epoch in it."""
        key = (checkpoint.model, checkpoint.epoch)
        if key not in self._places:
            raise ZooError(
                f"the zoo {str(self.folder.path)!r} has no epoch {key[1]} of model {key[0]!r}"
            )
        return self._places[key]

    def _not_as_listed(self, chunk: int, error: Exception) -> StorageError:
        return CorruptFileError.because(
            "read",
            self.folder.chunk_path(chunk),
            f"it does not hold what the index says: {error}",
        )

    def _shapes_of(self, checkpoint: Checkpoint) -> dict[str, torch.Size]:
        key = self.kind(checkpoint)
        if key not in self._shapes:
            self._shapes[key] = shapes_of(checkpoint.configuration)
        return self._shapes[key]

    def _add(self, row: IndexRow) -> None:
        found = read_row(row)
        if isinstance(found, Problem):
            self.problems.append(found)
            return
        checkpoint, place = found
        self.checkpoints.append(checkpoint)
        self._places[checkpoint.model, checkpoint.epoch] = place


def _run(numbers: np.ndarray) -> np.ndarray | slice:
    """The same numbers as a slice if they follow one another, which spares a copy."""
    start, length = int(numbers[0]), len(numbers)
    run = np.array_equal(numbers, np.arange(start, start + length))
    return slice(start, start + length) if run else numbers
