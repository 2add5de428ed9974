"""The folder of a zoo that this program trains: its layout on disk.

    zoo.json         the resolved recipe, what the data was, the version of the code
    chunks/00000.safetensors
                     networks that trained together, complete or absent, see native_chunks
    index.jsonl      one row a checkpoint, and one a network that diverged; once all are there
    manifest.json    checksums of all of the above; its presence says that the zoo is complete
    metrics/         numbers that were measured later, see graphwsl.zoo.measurements
    pretraining/     the zoo of the networks that these begin with, where the recipe has such

The bytes of these files depend on the recipe and the data alone, on one kind of processor.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from gnncore.storage import (
    LOCK_NAME,
    MANIFEST_NAME,
    Manifest,
    Problem,
    StorageError,
    WorkFolder,
    WorkKind,
    first_difference,
    make_folder,
    read_bytes,
    read_json,
    write_json,
    write_text,
)
from gnncore.storage.json_files import to_json
from gnncore.storage.work_folder import unexpected_entries
from graphwsl import __version__
from graphwsl.errors import ZooError
from graphwsl.zoo import measurements
from graphwsl.zoo.index import (
    IndexRow,
    in_order,
    index_text,
    of_networks,
    parse_index,
)
from graphwsl.zoo.layouts.native_chunks import CHUNKS, ChunkFile, chunk_name
from graphwsl.zoo.layouts.read_ahead import ReadAhead
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.sweep import NetworkConfig
from graphwsl.zoo.training.chunk import TrainedChunk
from graphwsl.zoo.training.chunks import LARGE_NETWORK

CONFIG_NAME, INDEX_NAME = "zoo.json", "index.jsonl"
PRETRAINING = "pretraining"
KIND = "graphwsl.zoo"
FORMER_LARGE_NETWORK = 2**24
"""What :data:`LARGE_NETWORK` was for zoos that do not say it."""
_FILES = (CONFIG_NAME, INDEX_NAME, MANIFEST_NAME, LOCK_NAME)
WORK = WorkKind(
    what="zoo",
    title="zoo",
    configuration=CONFIG_NAME,
    error_class=ZooError,
    beginnings=(CHUNKS,),
    tag=KIND,
    made_by="graphwsl zoo train",
)
"""How the folders of zoos are claimed, resumed and refused."""

_CHUNK = re.compile(r"(\d{5,})\.safetensors", re.ASCII)


class Hashes(NamedTuple):
    """What the data of a zoo are, as :attr:`graphwsl.zoo.DataSet.content_hash` says it.

    Attributes:
        own: Data of its networks.
        pretraining: Those of the networks that they begin with; None where they begin anew.
    """

    own: str
    pretraining: str | None = None


def is_stored_zoo(path: Path) -> bool:
    """Whether the folder holds a zoo of this layout, be it damaged or not."""
    try:
        config = read_json(path / CONFIG_NAME)
    except StorageError:
        return False
    return isinstance(config, dict) and config.get("kind") == KIND


def was_stored_zoo(path: Path) -> bool:
    """Whether the folder holds what is left of a zoo of this layout, damaged as it may be."""
    return (path / CONFIG_NAME).exists() or (path / CHUNKS).is_dir()


class ZooFolder:
    """The files of a zoo, for its training and its reader.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = WorkFolder(path, WORK)
        self._chunks: dict[int, ChunkFile] = {}
        self._ahead = ReadAhead()

    @property
    def is_complete(self) -> bool:
        """Whether all networks were there and the manifest was written."""
        return self.work.is_complete

    @cached_property
    def config(self) -> dict[str, Any]:
        """What ``zoo.json`` holds.

        Raises:
            ZooError: It is not there, or of another program or version.
        """
        return self.work.configuration(_parse)

    @property
    def large_network(self) -> int:
        """How the zoo is cut into files: as it was when its training began.

        Bytes of the weights of one epoch above which a network has a file of its own.

        Raises:
            ZooError: ``zoo.json`` is of another program or version, or says no such number.
        """
        if not self._is_there:
            return LARGE_NETWORK
        size = self.config.get("large_network", FORMER_LARGE_NETWORK)
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ZooError(
                f"{str(self.path / CONFIG_NAME)!r}: large_network must be a positive whole number, "
                f"got {size!r}"
            )
        return size

    @cached_property
    def identity(self) -> str:
        """What the zoo is of, recipe, data and version of the code, as a hash."""
        return hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()

    @cached_property
    def manifest(self) -> Manifest | None:
        """The manifest; None for an unfinished zoo.

        Raises:
            StorageError: It is damaged.
        """
        return Manifest.read(self.path) if self.is_complete else None

    @cached_property
    def pretraining(self) -> "ZooFolder | None":
        """The zoo of the networks that these begin with; None where they begin anew.

        Raises:
            ZooError: ``zoo.json`` is of another program or version.
        """
        recipe = self.config.get("recipe")
        tuned = isinstance(recipe, dict) and recipe.get("pretraining") is not None
        return ZooFolder(self.path / PRETRAINING) if tuned else None

    def check(self, recipe: Recipe, data: Hashes, *, resume: bool) -> None:
        """Whether this recipe may be trained here; writes nothing.

        Args:
            recipe: The recipe.
            data: Its data.
            resume: Whether to go on with the zoo that is there.

        Raises:
            ZooError: Something foreign is there, a zoo of another recipe or other data, or this
                zoo, which is not to be resumed.
        """
        here = _config(recipe, data, LARGE_NETWORK)
        self.work.look(lambda: _difference(self.config, here), resume=resume)

    def create(self, recipe: Recipe, data: Hashes) -> None:
        """Make the folder of chunks and ``zoo.json``, if they are not there.

        Args:
            recipe: The recipe.
            data: Its data.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        make_folder(self.path / CHUNKS)
        path = self.path / CONFIG_NAME
        config = _config(recipe, data, self.large_network)
        if not path.exists() or read_bytes(path) != to_json(config).encode():
            write_json(path, config)
            self.__dict__.pop("config", None)

    def require_no_unexpected_entries(self, chunks: int) -> None:
        """Check that only what this program writes is there.

        Args:
            chunks: How many the zoo has.

        Raises:
            ZooError: There are other files, or chunks too many.
        """
        names = [chunk_name(number) for number in range(chunks)]
        self.work.require_no_unexpected_entries(_FILES, {CHUNKS: names, **self._added})

    @property
    def _added(self) -> dict[str, None]:
        """Folders whose files are checked by themselves."""
        parents = {PRETRAINING: None} if self._is_there and self.pretraining is not None else {}
        return {measurements.FOLDER: None, **parents}

    @property
    def _is_there(self) -> bool:
        return (self.path / CONFIG_NAME).exists()

    def chunk_path(self, number: int) -> Path:
        """The file of a chunk."""
        return self.path / CHUNKS / chunk_name(number)

    def chunk(self, number: int) -> ChunkFile:
        """A chunk to read from, always the same object, which knows what it has checked.

        Raises:
            ZooError: There is no zoo here.
            StorageError: The manifest is damaged.
        """
        if number not in self._chunks:
            self._chunks[number] = ChunkFile(
                self.path, number, self.identity, self.manifest, self._ahead
            )
        return self._chunks[number]

    def write_chunk(
        self,
        number: int,
        rows: Sequence[NetworkConfig],
        kept: Sequence[int],
        trained: TrainedChunk,
        masks: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Store trained networks, with the rows of their checkpoints.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        self._unlisted(number).write(rows, kept, trained, masks)

    def flaws(self, chunks: Sequence[Sequence[NetworkConfig]]) -> dict[str, str]:
        """What has to be made anew, in the order in which it is made: why, by file.

        Of an unfinished zoo, what is not there yet is no flaw; :meth:`missing` names it too.

        Args:
            chunks: The networks of each chunk.
        """
        found: dict[str, str] = {}
        listed: set[str] = set()
        if self.is_complete:
            try:
                manifest = Manifest.read(self.path)
                found = {problem.path: problem.text for problem in _changes(manifest)}
                listed = manifest.entries.keys() - found.keys()
            except StorageError as error:
                found[MANIFEST_NAME] = str(error)
        for number, planned in enumerate(chunks):
            name = f"{CHUNKS}/{chunk_name(number)}"
            if self.is_complete or self.chunk_path(number).exists():
                try:
                    whole = {CONFIG_NAME, name} <= listed
                    chunk = self._unlisted(number).read(without_seal=whole)
                    if of_networks(chunk.rows, planned):
                        found.pop(name, None)
                    else:
                        found[name] = f"{name} holds other networks"
                except StorageError as error:
                    found.setdefault(name, str(error))
        return found

    def missing(self, chunks: int, flaws: Mapping[str, str]) -> list[int]:
        """The chunks that are not there, or not as they should be."""
        return [
            number
            for number in range(chunks)
            if f"{CHUNKS}/{chunk_name(number)}" in flaws or not self.chunk_path(number).exists()
        ]

    def finish(self, chunks: int) -> None:
        """Write the index and the manifest, once all chunks are there.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        write_text(self.path / INDEX_NAME, index_text(self._rows_of(range(chunks))))
        names = [CONFIG_NAME, INDEX_NAME, *(f"{CHUNKS}/{chunk_name(n)}" for n in range(chunks))]
        Manifest.of_files(self.path, names, (MANIFEST_NAME, LOCK_NAME)).write()

    def entries(self) -> list[IndexRow]:
        """The rows of all networks that are there, ordered by network and epoch.

        Raises:
            StorageError: The index, a chunk or the manifest is damaged.
        """
        if self.manifest is None:
            return in_order(self._rows_of(self._numbers()))
        self.manifest.require(CONFIG_NAME, INDEX_NAME)
        index = self.path / INDEX_NAME
        return parse_index(read_bytes(index), index)

    def problems(self) -> list[str]:
        """Everything that is not as it should be, one line each; reads all files.

        Raises:
            ZooError: The folder holds no zoo of this program.
        """
        problems: list[str] = []
        try:
            if self.manifest is not None:
                problems = [problem.text for problem in _changes(self.manifest)]
            if problems:
                return problems
            _ = self.config
            if self.manifest is None:
                problems = ["unfinished: continue it with --resume, by the command that began it"]
            for name in unexpected_entries(self.path, _FILES, [CHUNKS, *self._added]):
                problems.append(f"{name} does not belong to the zoo")
            numbers = self._numbers()
            names = [chunk_name(number) for number in numbers]
            for name in unexpected_entries(self.path / CHUNKS, names):
                problems.append(f"{CHUNKS}/{name} does not belong to the zoo")
            _, damaged = measurements.with_measurements(self.path, [], self.identity)
            problems += [problem.reason for problem in damaged]
        except StorageError as error:
            return [*problems, str(error)]
        for number in numbers:
            try:
                self.chunk(number).read()
            except StorageError as error:
                problems.append(str(error))
        return problems + self._problems_of_parents()

    def _problems_of_parents(self) -> list[str]:
        if self.pretraining is None:
            return []
        try:
            return [f"{PRETRAINING}: {text}" for text in self.pretraining.problems()]
        except ZooError as error:
            return [str(error)]

    def _numbers(self) -> list[int]:
        """The chunks that are there, by their names."""
        try:
            names = [path.name for path in (self.path / CHUNKS).iterdir()]
        except OSError as error:
            raise StorageError.because("list", self.path / CHUNKS, error) from error
        numbers = [int(match[1]) for name in names if (match := _CHUNK.fullmatch(name))]
        return sorted(number for number in set(numbers) if chunk_name(number) in names)

    def _rows_of(self, numbers: Sequence[int]) -> list[IndexRow]:
        return [row for number in numbers for row in self._unlisted(number).rows()]

    def _unlisted(self, number: int) -> ChunkFile:
        """A chunk without the manifest, which is not there yet or not to be trusted."""
        return ChunkFile(self.path, number, self.identity, None)


def _changes(manifest: Manifest) -> list[Problem]:
    """Differences between folder and manifest; what is checked by itself left out."""
    added = (f"{measurements.FOLDER}/", f"{PRETRAINING}/")
    return [problem for problem in manifest.verify() if not problem.path.startswith(added)]


def _config(recipe: Recipe, data: Hashes, large_network: int) -> dict[str, Any]:
    config = {
        "kind": KIND,
        "format": 1,
        "code_version": __version__,
        "recipe": recipe.model_dump(mode="json", exclude_none=True),
        "data_sha256": data.own,
    }
    if data.pretraining is not None:
        config["pretraining_data_sha256"] = data.pretraining
    # Zoos that never said it keep their identity.
    is_former = large_network == FORMER_LARGE_NETWORK
    return config if is_former else {**config, "large_network": large_network}


def _parse(values: dict[str, Any]) -> dict[str, Any]:
    if values.get("format") != 1:
        raise ZooError(f"format must be 1, got {values.get('format')!r}")
    return values


def _difference(there: dict[str, Any], here: dict[str, Any]) -> str | None:
    recipe = there.get("recipe")
    if isinstance(recipe, dict) and recipe != here["recipe"]:
        return first_difference(recipe, here["recipe"])
    names = ("recipe", "data_sha256", "pretraining_data_sha256", "code_version")
    return first_difference(there, here, names)
