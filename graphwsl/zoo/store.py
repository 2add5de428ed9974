"""A zoo that this program trained, read back."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnncore.storage import CorruptFileError, StorageError
from graphwsl.errors import GraphwslError, ZooError
from graphwsl.zoo import measurements
from graphwsl.zoo.architectures.registry import FACTORS, build, shapes_of
from graphwsl.zoo.checkpoint import Checkpoint, Problem, Scalar
from graphwsl.zoo.data import load_images
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.index import IndexRow, Location, read_row
from graphwsl.zoo.inputs import example_inputs
from graphwsl.zoo.layouts.native import INDEX_NAME, ZooFolder
from graphwsl.zoo.layouts.native_chunks import ChunkFile
from graphwsl.zoo.recipe import Data
from graphwsl.zoo.rows import Failures, RowLayout, array, holds, where


class StoredZoo:
    """A zoo that this program trained, be it complete or still in training.

    What is used was checked: the index by the manifest, weights by their checksum in the index, or
    by the manifest where many are read; chunks of an unfinished zoo by their seals.

    Get one from :func:`graphwsl.zoo.open_zoo`; it is a :class:`graphwsl.zoo.Zoo`.
    """

    def __init__(self, folder: ZooFolder) -> None:
        self.folder = folder
        self.checkpoints: list[Checkpoint] = []
        self.problems: list[Problem] = []
        self._shapes: dict[tuple[Scalar, ...], dict[str, torch.Size]] = {}
        self._locations: dict[tuple[str, int | None], Location] = {}
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
        location, shapes = self.location(checkpoint), self._shapes_of(checkpoint)
        chunk = self.folder.chunk(location.chunk)
        found = chunk.read_checkpoint(location, checkpoint.model, checkpoint.epoch)
        _require_shapes(chunk, {name: values.shape for name, values in found.items()}, shapes)
        return {name: torch.from_numpy(np.asarray(found[name])) for name in shapes}

    def module(self, checkpoint: Checkpoint) -> nn.Module:
        """See :class:`graphwsl.zoo.Zoo`."""
        self._shapes_of(checkpoint)  # says in one line that it is too large
        configuration = checkpoint.configuration
        return build(str(configuration.get("architecture")), configuration).eval()

    def example_inputs(self, checkpoint: Checkpoint) -> Tensor:
        """See :class:`graphwsl.zoo.Zoo`."""
        return example_inputs(checkpoint.configuration)

    @cached_property
    def pretraining(self) -> "StoredZoo | None":
        """The zoo of the networks that these begin with; None where they begin anew.

        Its models are what the factor ``parent`` of these names; they begin with its last epoch.

        Raises:
            ZooError: It is not there.
            StorageError: Its index or manifest is damaged.
        """
        folder = self.folder.pretraining
        return None if folder is None else StoredZoo.open(folder.path)

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
        members: dict[int, list[Checkpoint]] = {}
        for checkpoint in self.checkpoints:
            members.setdefault(self.location(checkpoint).chunk, []).append(checkpoint)
        bad: set[Checkpoint] = set()
        for number, checkpoints in sorted(members.items()):
            chunk = self.folder.chunk(number)
            try:
                tensors = chunk.read_tensors()
            except StorageError as error:
                self._add_problem(chunk.name, error)
                bad.update(c for c in checkpoints if not self._is_whole(c))
                continue
            stacked = {name: values.shape for name, values in tensors.items()}
            single = {name: shape[2:] for name, shape in stacked.items()}
            for checkpoint in checkpoints:
                try:
                    chunk.require_entry(self.location(checkpoint), stacked)
                    _require_shapes(chunk, single, self._shapes_of(checkpoint))
                except (StorageError, ZooError) as error:
                    self._add_problem(where(checkpoint), error)
                    bad.add(checkpoint)
        self.checkpoints = [c for c in self.checkpoints if c not in bad]
        return list(self.problems)

    def _is_whole(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint of a damaged chunk can be used by a checksum of its own."""
        if self.location(checkpoint).sha256 is None:
            return False
        try:
            self.weights(checkpoint)
        except (StorageError, ZooError):
            return False
        return True

    def _add_problem(self, path: str, error: Exception) -> None:
        problem = Problem(path, str(error))
        if problem not in self.problems:
            self.problems.append(problem)

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
        members: dict[int, list[tuple[int, Location]]] = {}
        for number, checkpoint in enumerate(checkpoints):
            try:
                location = self.location(checkpoint)
            except ZooError as error:
                failures[number] = error
                continue
            members.setdefault(location.chunk, []).append((number, location))

        def read(chunk: ChunkFile) -> Failures:
            numbers = np.array([number for number, _ in members[chunk.number]])
            networks, epochs = np.array([location[1:3] for _, location in members[chunk.number]]).T
            try:
                stacked = chunk.read_tensors()
                for name, expected in layout.state.tensors.items():
                    values, start = stacked[name], layout.starts[name]
                    if values.shape[2:] != expected.shape:
                        raise TypeError(f"{name!r} has another shape")
                    if not holds(torch.from_numpy(values).dtype, expected.dtype):
                        raise TypeError(f"{name!r} has another type")
                    chosen = np.ravel_multi_index((networks, epochs), values.shape[:2])
                    matrix = values.reshape(-1, expected.numel())
                    columns = slice(start, start + expected.numel())
                    rows.numpy()[_run(numbers), columns] = matrix[_run(chosen)]
            except StorageError as error:
                return self._salvage(error, numbers.tolist(), checkpoints, layout, rows)
            except (LookupError, TypeError, ValueError) as error:
                return dict.fromkeys(numbers.tolist(), chunk.not_as_listed(error))
            return {}

        # Checksums let other threads run meanwhile.
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            for found in threads.map(read, map(self.folder.chunk, members)):
                failures |= found
        return failures

    def _salvage(
        self,
        damage: StorageError,
        numbers: Sequence[int],
        checkpoints: Sequence[Checkpoint],
        layout: RowLayout,
        rows: Float[Tensor, "checkpoints entries"],
    ) -> Failures:
        """Write what checksums of their own say is whole of a damaged chunk."""
        whole = [n for n in numbers if self.location(checkpoints[n]).sha256 is not None]
        failures: Failures = dict.fromkeys(set(numbers) - set(whole), damage)
        for number in whole:
            try:
                layout.write(self.weights(checkpoints[number]), rows[number])
            except (GraphwslError, StorageError) as error:
                failures[number] = error
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

    def location(self, checkpoint: Checkpoint) -> Location:
        """Where the weights of a checkpoint lie.

        Raises:
            ZooError: The zoo has no such checkpoint.
        """
        key = (checkpoint.model, checkpoint.epoch)
        if key not in self._locations:
            raise ZooError(
                f"the zoo {str(self.folder.path)!r} has no epoch {key[1]} of model {key[0]!r}"
            )
        return self._locations[key]

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
        checkpoint, location = found
        self.checkpoints.append(checkpoint)
        self._locations[checkpoint.model, checkpoint.epoch] = location


def _require_shapes(
    chunk: ChunkFile, found: Mapping[str, tuple[int, ...]], shapes: Mapping[str, torch.Size]
) -> None:
    """Check that the weights of a checkpoint have the shapes of its architecture."""
    for name, shape in shapes.items():
        if found.get(name) != shape:
            what = "has another shape" if name in found else "is missing"
            raise chunk.not_as_listed(f"{name!r} {what}")


def _run(numbers: np.ndarray) -> np.ndarray | slice:
    """The same numbers as a slice if they follow one another, which spares a copy."""
    start, length = int(numbers[0]), len(numbers)
    run = np.array_equal(numbers, np.arange(start, start + length))
    return slice(start, start + length) if run else numbers
