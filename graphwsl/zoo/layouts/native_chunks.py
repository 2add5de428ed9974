"""The files of weights in the folder of a zoo that this program trains.

A chunk is a safetensors file of networks that trained together: each parameter of all of them at
all kept epochs, stacked, and their rows of the index as metadata. It carries a seal, which says of
which zoo it is, which chunk, and a checksum over all that it holds. Every checkpoint has a checksum
of its own in its row, so that one can be read without the others.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gnncore.storage import (
    CorruptFileError,
    Manifest,
    Owner,
    StorageError,
    TensorFile,
    check_seal,
    decode_sparse,
    digest_of,
    encode_sparse,
    is_sparse,
    load_metadata,
    parse_tensors,
    read_bytes,
    refuse_links,
    save_tensors,
    seal_of,
)
from graphwsl.zoo.index import IndexRow, Location, parse_rows, rows_of_chunk
from graphwsl.zoo.layouts.read_ahead import ReadAhead
from graphwsl.zoo.sweep import NetworkConfig
from graphwsl.zoo.training.chunk import TrainedChunk

CHUNKS = "chunks"


@dataclass(frozen=True, eq=False)
class StoredChunk:
    """What a chunk holds, checked.

    Attributes:
        rows: Rows of the index.
        tensors: Each parameter. Shapes ``(models, kept, ...)``.
        masks: Which entries of parameters there are, of networks that were pruned; all others are
            zero. Shapes ``(models, kept, ...)``.
    """

    rows: list[IndexRow]
    tensors: dict[str, np.ndarray]
    masks: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(eq=False)
class ChunkFile:
    """The file of a chunk, be it there or not.

    Attributes:
        folder: That of the zoo.
        number: Number of the chunk.
        zoo: Identity of the zoo.
        manifest: Manifest of the zoo; None for an unfinished one, or for a manifest that nobody
            trusts.
        ahead: What reads checkpoints; the chunks of a zoo share one, which holds little.
    """

    folder: Path
    number: int
    zoo: str
    manifest: Manifest | None
    ahead: ReadAhead = field(default_factory=ReadAhead)
    _header: TensorFile | None = field(default=None, init=False)
    _checked: tuple[int, ...] | None = field(default=None, init=False)
    _sparse: tuple[tuple[int, ...], dict[str, np.ndarray]] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """Path of the file, relative to the zoo."""
        return f"{CHUNKS}/{chunk_name(self.number)}"

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self.folder / self.name

    def rows(self) -> list[IndexRow]:
        """The rows of the index that it carries, unchecked.

        Raises:
            StorageError: The file is missing, or its header damaged.
        """
        return parse_rows(load_metadata(self.path), self.path)

    def read(self, *, without_seal: bool = False) -> StoredChunk:
        """All of it, once it is known that it holds what was trained.

        Args:
            without_seal: Accept one that carries none, as former versions wrote them; one that
                the manifest lists is accepted without.

        Raises:
            StorageError: It is missing, damaged, or of another zoo or number.
        """
        metadata, tensors, masks = self._read(without_seal=without_seal)
        return StoredChunk(parse_rows(metadata, self.path), tensors, masks)

    def read_tensors(self) -> dict[str, np.ndarray]:
        """The weights alone. Shapes ``(models, kept, ...)``.

        Raises:
            StorageError: As :meth:`read`.
        """
        return self._read()[1]

    def read_checkpoint(
        self, location: Location, model: str, epoch: int | None
    ) -> dict[str, np.ndarray]:
        """The numbers of one network at one epoch, without the others of the chunk.

        They are compared with the checksum in the index, which the manifest vouches for. Where
        either is missing, the whole file is checked the first time.

        Args:
            location: Where it lies.
            model: The network.
            epoch: The epoch.

        Raises:
            StorageError: It is missing or damaged; or, without a checksum of its own, the file is.
        """
        digest = None if self.manifest is None else location.sha256
        header, index = self._header, (location.network, location.epoch)
        # A checksum tells of numbers in memory what it tells of those in a file.
        if header is None or digest is None or not self.ahead.holds(header, index):
            header = self._current_header()
            if is_sparse(header.arrays):
                return self._sparse_checkpoint(header, location, model, epoch)
            if digest is None:
                self._check_whole(header)
            shapes = {name: shape for name, (_, shape, _) in header.arrays.items()}
            self.require_entry(location, shapes)
        part = self.ahead.part(header, index)
        self._require_digest(digest, model, epoch, part)
        return part

    def _require_digest(
        self, digest: str | None, model: str, epoch: int | None, part: dict[str, np.ndarray]
    ) -> None:
        if digest is not None and digest != _digest(model, epoch, part):
            raise CorruptFileError.because(
                "use",
                self.path,
                f"epoch {epoch} of model {model!r} has changed: its SHA-256 differs",
            )

    def _sparse_checkpoint(
        self, header: TensorFile, location: Location, model: str, epoch: int | None
    ) -> dict[str, np.ndarray]:
        """One of pruned networks, which lie between those of the others: all are read once."""
        if self._sparse is None or self._sparse[0] != header.state:
            self._sparse = (header.state, self._read()[1])
        tensors = self._sparse[1]
        self.require_entry(location, {name: values.shape for name, values in tensors.items()})
        index = (location.network, location.epoch)
        part = {name: values[index].copy() for name, values in tensors.items()}
        self._require_digest(location.sha256, model, epoch, part)
        return part

    def require_entry(self, location: Location, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Check that arrays of these shapes have a part for a checkpoint.

        Raises:
            CorruptFileError: One has none.
        """
        for name, shape in shapes.items():
            if len(shape) < 2 or location.network >= shape[0] or location.epoch >= shape[1]:
                raise self.not_as_listed(
                    f"{name!r} has no epoch {location.epoch} of network {location.network}"
                )

    def not_as_listed(self, reason: object) -> StorageError:
        """The error that it does not hold what the index says."""
        text = f"it does not hold what the index says: {reason}"
        return CorruptFileError.because("read", self.path, text)

    def write(
        self,
        rows: Sequence[NetworkConfig],
        kept: Sequence[int],
        trained: TrainedChunk,
        masks: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Store trained networks, with the rows of their checkpoints.

        Args:
            rows: The networks.
            kept: Epochs that are kept.
            trained: Their weights.
            masks: Which entries of parameters there are, of networks that were pruned, so that
                others take no room. Shapes ``(models, ...)``.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        there = torch.arange(len(kept)) < trained.usable[:, None]
        arrays = {}
        for name, values in trained.weights.items():
            mask = there.view(*there.shape, *[1] * (values.ndim - 2))
            arrays[name] = values.where(mask, torch.zeros((), dtype=values.dtype)).numpy()
        index = rows_of_chunk(self.number, rows, kept, trained)
        for row in index:
            if "place" in row:
                network, epoch = row["place"]
                part = {name: values[network, epoch] for name, values in arrays.items()}
                row["sha256"] = _digest(row["model"], row["epoch"], part)
        metadata = {"rows": json.dumps(index)}
        if masks:
            stacked = {
                name: (mask[:, None].expand(arrays[name].shape) & _like(there, mask)).numpy()
                for name, mask in masks.items()
            }
            arrays, more = encode_sparse(arrays, stacked)
            metadata |= more
        metadata["seal"] = seal_of(self._owner(metadata), arrays)
        save_tensors(self.path, arrays, metadata)

    def _read(
        self, *, without_seal: bool = False
    ) -> tuple[dict[str, str], dict[str, np.ndarray], dict[str, np.ndarray]]:
        if self.manifest is not None:
            data = self.manifest.read_bytes(self.name)
        else:
            refuse_links(self.folder, self.name)
            data = read_bytes(self.path, max_bytes=2**32)
        tensors, metadata = parse_tensors(data, self.path, require_finite=True)
        seal = metadata.get("seal")
        if seal is not None or not (without_seal or self.manifest is not None):
            check_seal(self.path, seal, self._owner(metadata), tensors)
        return metadata, *decode_sparse(tensors, metadata, self.path)

    def _current_header(self) -> TensorFile:
        """The header of the file as it is now."""
        refuse_links(self.folder, self.name)
        if self._header is None or not self._header.is_current:
            self._header = TensorFile.of(self.path)
        return self._header

    def _check_whole(self, header: TensorFile) -> None:
        """Check that the whole file is what was written; it is looked at once."""
        if self._checked == header.state:
            return
        if self.manifest is None:
            self.read()
        else:
            self.manifest.require(self.name)  # reads it piece by piece
        self._checked = header.state

    def _owner(self, metadata: Mapping[str, str]) -> Owner:
        rows = hashlib.sha256(metadata.get("rows", "").encode()).hexdigest()
        return {"zoo": self.zoo, "chunk": self.number, "rows": rows}


def chunk_name(number: int) -> str:
    """The name of a chunk's file."""
    return f"{number:05d}.safetensors"


def _like(there: Tensor, mask: Tensor) -> Tensor:
    """Which kept epochs are usable, in the dimensions of stacked masks."""
    return there.view(*there.shape, *[1] * (mask.ndim - 1))


def _digest(model: str, epoch: int | None, weights: Mapping[str, np.ndarray]) -> str:
    return digest_of({"model": model, "epoch": -1 if epoch is None else epoch}, weights)
