"""A zoo that this program trained, read back."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gnncore.storage import CorruptFileError, load_tensors
from graphwsl.errors import ZooError
from graphwsl.zoo.architectures import build
from graphwsl.zoo.checkpoint import Checkpoint, Problem
from graphwsl.zoo.folder import INDEX_NAME, ZooFolder


class StoredZoo:
    """A zoo that this program trained, be it complete or still in training.

    Get one from :func:`graphwsl.zoo.open_zoo`; it is a :class:`graphwsl.zoo.Zoo`.
    """

    def __init__(self, folder: ZooFolder) -> None:
        self.folder = folder
        self.checkpoints: list[Checkpoint] = []
        self.problems: list[Problem] = []
        self._places: dict[tuple[str, int], tuple[int, int, int]] = {}
        for row in folder.entries():
            try:
                self._add(row)
            except (KeyError, TypeError, ValueError) as error:
                raise CorruptFileError.because(
                    "read", folder.path / INDEX_NAME, f"it has a row without {error}"
                ) from error
        self._load = lru_cache(maxsize=4)(load_tensors)

    @classmethod
    def open(cls, path: Path) -> "StoredZoo":
        """The zoo in a folder.

        Raises:
            ZooError: The folder holds no zoo of this program.
            StorageError: The index is damaged.
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
        names = list(self.module(checkpoint).state_dict())
        try:
            stacked = self._load(path, require_finite=True)
            return {name: torch.from_numpy(np.array(stacked[name][model, place])) for name in names}
        except (LookupError, TypeError) as error:
            raise CorruptFileError.because(
                "read", path, f"it does not hold what the index says: {error}"
            ) from error

    def module(self, checkpoint: Checkpoint) -> nn.Module:
        """See :class:`graphwsl.zoo.Zoo`."""
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

    def _add(self, row: dict[str, Any]) -> None:
        if "problem" in row:
            self.problems.append(Problem(str(row["model"]), str(row["problem"])))
            return
        checkpoint = Checkpoint(
            str(row["model"]), int(row["epoch"]), dict(row["configuration"]), dict(row["metrics"])
        )
        model, place = row["place"]
        self.checkpoints.append(checkpoint)
        self._places[checkpoint.model, checkpoint.epoch] = (int(row["chunk"]), model, place)
