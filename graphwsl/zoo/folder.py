"""The folder of a zoo that this program trains: its layout on disk.

    zoo.json         the resolved recipe, what the data was, the version of the code
    chunks/00000.safetensors
                     networks that trained together, complete or absent: each parameter of all of
                     them at all kept epochs, stacked, and their rows of the index as metadata
    index.jsonl      one row a checkpoint, and one a network that diverged; once all are there
    manifest.json    checksums of all of the above; its presence says that the zoo is complete

The bytes of these files depend on the recipe and the data alone, on one kind of processor.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from gnncore.storage import (
    LOCK_NAME,
    MANIFEST_NAME,
    CorruptFileError,
    Manifest,
    StorageError,
    load_metadata,
    load_tensors,
    make_folder,
    read_bytes,
    read_json,
    save_tensors,
    write_json,
    write_text,
)
from gnncore.storage.atomic import is_leftover
from graphwsl import __version__
from graphwsl.errors import ZooError
from graphwsl.zoo.chunk import TrainedChunk
from graphwsl.zoo.grid import Row
from graphwsl.zoo.recipe import Recipe

CONFIG_NAME, INDEX_NAME, CHUNKS = "zoo.json", "index.jsonl", "chunks"
KIND = "graphwsl.zoo"


def is_stored_zoo(path: Path) -> bool:
    """Whether the folder holds a zoo of this layout, be it damaged or not."""
    try:
        config = read_json(path / CONFIG_NAME)
    except StorageError:
        return False
    return isinstance(config, dict) and config.get("kind") == KIND


class ZooFolder:
    """The files of a zoo, for its training.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_complete(self) -> bool:
        """Whether all networks are there and the manifest was written."""
        return (self.path / MANIFEST_NAME).is_file()

    @cached_property
    def config(self) -> dict[str, Any]:
        """What ``zoo.json`` holds.

        Raises:
            ZooError: It is not there, or of another program or version.
        """
        if not self.path.is_dir():
            raise ZooError(f"{str(self.path)!r} is no folder; give the folder of a zoo")
        try:
            config = read_json(self.path / CONFIG_NAME)
        except StorageError as error:
            raise ZooError(f"{str(self.path)!r} is no zoo: {error}") from error
        if not isinstance(config, dict) or (config.get("kind"), config.get("format")) != (KIND, 1):
            raise ZooError(f"{str(self.path)!r} is no zoo of this version of the program")
        return config

    def check(self, recipe: Recipe, data_hash: str, *, resume: bool) -> None:
        """Whether this recipe may be trained here; writes nothing.

        Raises:
            ZooError: Something foreign is there, a zoo of another recipe or other data, or this
                zoo, which is not to be resumed.
        """
        if self._is_blank():
            return
        there, here = self.config, _config(recipe, data_hash)
        for name in ("recipe", "data_sha256", "code_version"):
            if there.get(name) != here[name]:
                raise ZooError(
                    f"{str(self.path)!r} holds another zoo: {_difference(name, there, here)}; "
                    "choose another folder"
                )
        if not resume:
            state = "complete" if self.is_complete else "unfinished"
            raise ZooError(
                f"{str(self.path)!r} holds this zoo already ({state}); resume it or choose "
                "another folder"
            )

    def create(self, recipe: Recipe, data_hash: str) -> None:
        """Make the folder and its ``zoo.json``, if they are not there.

        Raises:
            StorageError: The disk is full, or the place read-only.
        """
        make_folder(self.path / CHUNKS)
        if not (self.path / CONFIG_NAME).exists():
            write_json(self.path / CONFIG_NAME, _config(recipe, data_hash))

    def chunk_path(self, number: int) -> Path:
        """The file of a chunk."""
        return self.path / CHUNKS / f"{number:05d}.safetensors"

    def has_chunk(self, number: int) -> bool:
        """Whether a chunk is there and whole; a damaged one counts as absent."""
        path = self.chunk_path(number)
        try:
            load_tensors(path, require_finite=True)
            _rows_of(path)
        except StorageError:
            return False
        return True

    def write_chunk(
        self, number: int, rows: Sequence[Row], kept: Sequence[int], trained: TrainedChunk
    ) -> None:
        """Store trained networks, with the rows of their checkpoints.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        entries = _entries(number, rows, kept, trained)
        there = torch.arange(len(kept)) < trained.usable[:, None]
        arrays = {}
        for name, values in trained.weights.items():
            mask = there.view(*there.shape, *[1] * (values.ndim - 2))
            arrays[name] = values.where(mask, 0.0).numpy()
        save_tensors(self.chunk_path(number), arrays, {"rows": json.dumps(entries)})

    def finish(self, chunks: int) -> None:
        """Write the index and the manifest, once all chunks are there.

        Raises:
            StorageError: A chunk is damaged, the disk full, or the folder read-only.
        """
        entries = [row for number in range(chunks) for row in _rows_of(self.chunk_path(number))]
        entries.sort(key=lambda row: (row["model"], row.get("epoch", -1)))
        lines = [json.dumps(entry, sort_keys=True, ensure_ascii=False) for entry in entries]
        write_text(self.path / INDEX_NAME, "".join(f"{line}\n" for line in lines))
        Manifest.of(self.path, (MANIFEST_NAME, LOCK_NAME)).write()

    def entries(self) -> list[dict[str, Any]]:
        """The rows of all networks that are there, ordered by network and epoch.

        Raises:
            StorageError: The index or a chunk is damaged.
        """
        index = self.path / INDEX_NAME
        if index.is_file():
            lines = read_bytes(index).splitlines()
            return _checked(index, [_parse(index, line) for line in lines])
        paths = sorted((self.path / CHUNKS).glob("[0-9]*.safetensors"))
        entries = [row for path in paths for row in _rows_of(path)]
        return sorted(entries, key=lambda row: (row["model"], row.get("epoch", -1)))

    def problems(self) -> list[str]:
        """Every difference between the files and the manifest, one line each.

        Raises:
            ZooError: The folder holds no zoo of this program.
        """
        _ = self.config
        if not self.is_complete:
            return ["unfinished: continue it with graphwsl zoo train --resume"]
        try:
            return [problem.text for problem in Manifest.read(self.path).verify()]
        except StorageError as error:
            return [str(error)]

    def _is_blank(self) -> bool:
        if not self.path.exists():
            return True

        def ours(entry: Path) -> bool:
            """Left behind by a run that was killed before its configuration was written."""
            if entry.name == CHUNKS:
                return entry.is_dir() and not any(entry.iterdir())
            return entry.name == LOCK_NAME or is_leftover(entry.name)

        return self.path.is_dir() and all(map(ours, self.path.iterdir()))


def _config(recipe: Recipe, data_hash: str) -> dict[str, Any]:
    return {
        "kind": KIND,
        "format": 1,
        "code_version": __version__,
        "recipe": recipe.model_dump(mode="json", exclude_none=True),
        "data_sha256": data_hash,
    }


def _difference(name: str, there: dict[str, Any], here: dict[str, Any]) -> str:
    if name == "recipe" and isinstance(there.get(name), dict):
        mine, theirs = here[name], there[name]
        keys = sorted(mine.keys() | theirs.keys())
        name = next(key for key in keys if mine.get(key) != theirs.get(key))
        there, here = theirs, mine
    return f"{name} is {there.get(name)!r} there and {here.get(name)!r} here"


def _entries(
    number: int, rows: Sequence[Row], kept: Sequence[int], trained: TrainedChunk
) -> list[dict[str, Any]]:
    """The rows of the index that belong to a chunk."""
    entries: list[dict[str, Any]] = []
    for place, (row, usable) in enumerate(zip(rows, trained.usable.tolist(), strict=True)):
        for k, epoch in enumerate(kept[:usable]):
            metrics = {name: values[place, k].item() for name, values in trained.metrics.items()}
            entries.append(
                {
                    "model": row.model,
                    "epoch": epoch,
                    "configuration": row.configuration,
                    "metrics": metrics,
                    "chunk": number,
                    "place": [place, k],
                }
            )
        if usable < len(kept):
            reason = f"diverged: weights or losses are not finite at epoch {kept[usable]}"
            entries.append({"model": row.model, "problem": reason})
    return entries


def _rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows in the metadata of a chunk."""
    return _checked(path, _parse(path, load_metadata(path).get("rows", "").encode()))


def _checked(path: Path, rows: Any) -> list[dict[str, Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CorruptFileError.because("read", path, "a row of the index is no table")
    if not all(isinstance(row.get("model"), str) for row in rows):
        raise CorruptFileError.because("read", path, "a row of the index names no model")
    return rows


def _parse(path: Path, text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CorruptFileError.because("read", path, f"it is not valid JSON: {error}") from error
