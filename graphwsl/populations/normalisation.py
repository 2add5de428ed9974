"""Weights brought to mean zero and deviation one, layer by layer, and back.

A layer's mean and deviation are those of all its weights in all training rows, so that layers count
alike in a loss; Schürholt et al., "Towards Scalable and Versatile Weight Space Learning", 2024.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnncore.storage import (
    CorruptFileError,
    check_seal,
    parse_tensors,
    read_bytes,
    save_tensors,
    seal_of,
)
from graphwsl.errors import PredictorError
from graphwsl.populations.layer_statistics import layer_entries
from graphwsl.populations.population import Architecture

KIND = "graphwsl.layer_normaliser"


@dataclass(frozen=True, eq=False)
class LayerNormaliser:
    """Means and deviations of the layers of an architecture; make one with :meth:`fit`.

    Attributes:
        mean: Mean of each layer, shape ``(layers,)``.
        deviation: Standard deviation of each layer, 1 where all its weights are equal, shape
            ``(layers,)``.
        layer: The layer of each entry of a row, -1 of whole numbers such as counts, which stay as
            they are, shape ``(entries,)``.
        architecture: Digest of the architecture.
    """

    mean: Float[Tensor, " layers"]
    deviation: Float[Tensor, " layers"]
    layer: Int[Tensor, " entries"]
    architecture: str

    @classmethod
    def fit(
        cls, rows: Float[Tensor, "networks entries"], architecture: Architecture
    ) -> "LayerNormaliser":
        """Means and deviations of training rows.

        Args:
            rows: Rows of the training part alone, lest test networks leak into what is learnt.
            architecture: Architecture of the rows.

        Raises:
            PredictorError: There are no rows, they are of another length, or not finite.
        """
        _require_length(rows, architecture.num_entries)
        if not len(rows) or not rows.isfinite().all():
            raise PredictorError(
                f"a normaliser is fitted to at least one row of finite weights, got {len(rows)}"
                + (" with values that are not" if len(rows) else "")
            )
        layer = _layers(architecture)
        means, deviations = [], []
        for number in range(int(layer.max()) + 1):
            values = rows[:, layer == number].double()
            spread = float(values.std(correction=0))
            means.append(float(values.mean()))
            # What rounding leaves of equal numbers is no spread.
            deviations.append(spread if spread > 1e-12 * abs(means[-1]) else 1.0)
        return cls(torch.tensor(means), torch.tensor(deviations), layer, architecture.digest)

    def normalise(
        self, rows: Float[Tensor, "*networks entries"]
    ) -> Float[Tensor, "*networks entries"]:
        """Rows less the mean of each layer, over its deviation."""
        mean, deviation = self._spread(rows)
        return (rows - mean) / deviation

    def restore(
        self, rows: Float[Tensor, "*networks entries"]
    ) -> Float[Tensor, "*networks entries"]:
        """The inverse of :meth:`normalise`, up to rounding."""
        mean, deviation = self._spread(rows)
        return rows * deviation + mean

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as safetensors, with a seal.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        arrays = {
            "mean": self.mean.numpy(),
            "deviation": self.deviation.numpy(),
            "layer": self.layer.numpy(),
        }
        owner = _owner(self.architecture)
        metadata = {"architecture": self.architecture, "seal": seal_of(owner, arrays)}
        save_tensors(path, arrays, metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str], architecture: Architecture) -> "LayerNormaliser":
        """Read what :meth:`save` wrote.

        Args:
            path: The file.
            architecture: That it must be of.

        Raises:
            StorageError: It is missing, damaged, or of another architecture.
        """
        arrays, metadata = parse_tensors(read_bytes(path), path, require_finite=True)
        check_seal(path, metadata.get("seal"), _owner(architecture.digest), arrays)
        if arrays.keys() != {"mean", "deviation", "layer"}:
            raise CorruptFileError.because("use", Path(path), "it is no normaliser")
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
        return cls(**tensors, architecture=architecture.digest)

    def _spread(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the deviation of each entry."""
        _require_length(rows, len(self.layer))
        mean = torch.cat([self.mean, torch.zeros(1)])[self.layer].to(rows)
        return mean, torch.cat([self.deviation, torch.ones(1)])[self.layer].to(rows)


def _owner(architecture: str) -> Mapping[str, str]:
    return {"kind": KIND, "architecture": architecture}


def _layers(architecture: Architecture) -> Int[Tensor, " entries"]:
    layer = torch.full((architecture.num_entries,), -1)
    for number, sets in enumerate(layer_entries(architecture)):
        layer[torch.from_numpy(np.concatenate(sets))] = number
    return layer


def _require_length(rows: Tensor, length: int) -> None:
    if rows.shape[-1] != length:
        raise PredictorError(
            f"rows of this architecture have {length:,} numbers, got {rows.shape[-1]:,}"
        )
