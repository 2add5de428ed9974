"""A zoo that this program trained, read back."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gnncore.storage import CorruptFileError
from graphwsl.errors import ZooError
from graphwsl.zoo.architectures import FACTORS, build, shapes_of
from graphwsl.zoo.checkpoint import Checkpoint, Problem, Scalar
from graphwsl.zoo.folder import INDEX_NAME, ZooFolder
from graphwsl.zoo.index import IndexRow, read_row


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
        key = (checkpoint.model, checkpoint.epoch)
        if key not in self._places:
            raise ZooError(
                f"the zoo {str(self.folder.path)!r} has no epoch {key[1]} of model {key[0]!r}"
            )
        chunk, model, place = self._places[key]
        path = self.folder.chunk_path(chunk)
        shapes = self._shapes_of(checkpoint)
        try:
            stacked = self._read_chunk(chunk).tensors
            state = {name: np.array(stacked[name][model, place]) for name in shapes}
            wrong = [name for name, shape in shapes.items() if state[name].shape != shape]
            if wrong:
                raise TypeError(f"{wrong[0]!r} has another shape")
            return {name: torch.from_numpy(values) for name, values in state.items()}
        except (LookupError, TypeError) as error:
            raise CorruptFileError.because(
                "read", path, f"it does not hold what the index says: {error}"
            ) from error

    def module(self, checkpoint: Checkpoint) -> nn.Module:
        """See :class:`graphwsl.zoo.Zoo`."""
        self._shapes_of(checkpoint)  # says in one line that it is too large
        configuration = checkpoint.configuration
        return build(str(configuration.get("architecture")), configuration).eval()

    def example_inputs(self, checkpoint: Checkpoint) -> Tensor:
        """See :class:`graphwsl.zoo.Zoo`."""
        configuration = checkpoint.configuration
        channels, size = (
            int(configuration["in_channels"] or 1),
            int(configuration["image_size"] or 1),
        )
        return torch.randn(1, channels, size, size, generator=torch.Generator().manual_seed(0))

    def _shapes_of(self, checkpoint: Checkpoint) -> dict[str, torch.Size]:
        configuration = checkpoint.configuration
        key = tuple(configuration.get(name) for name in FACTORS)
        if key not in self._shapes:
            self._shapes[key] = shapes_of(configuration)
        return self._shapes[key]

    def _add(self, row: IndexRow) -> None:
        found = read_row(row)
        if isinstance(found, Problem):
            self.problems.append(found)
            return
        checkpoint, place = found
        self.checkpoints.append(checkpoint)
        self._places[checkpoint.model, checkpoint.epoch] = place
