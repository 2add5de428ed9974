"""What a revision of a model repository holds: weights, a configuration, and a card.

Weights are read from safetensors and the configuration from JSON; nothing else is opened but the
first lines of the card, which name the licence.
"""

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gnncore.storage import StorageError, read_bytes, read_json, sha256
from gnncore.storage.json_files import parse_json
from gnncore.storage.reading import size_of
from graphwsl.errors import ImportedModelError
from graphwsl.imports.guards import RefusedError
from graphwsl.imports.safetensors import parse_safetensors

CONFIG, CARD = "config.json", "README.md"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

_LARGEST_HEADER = 2**25
_LARGEST_CARD = 2**16
_LARGEST_JSON = 2**24


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights.

    Attributes:
        path: Where the file lies, links followed.
        num_bytes: Its size [bytes].
        digest: SHA-256 of its contents.
        shapes: Shape of each tensor by name.
    """

    path: Path
    num_bytes: int
    digest: str
    shapes: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class RevisionFiles:
    """The files of one revision.

    Attributes:
        paths: Where each file lies, links followed, by its name in the revision.
    """

    paths: dict[str, Path]

    def weights(self) -> list[WeightsFile]:
        """All files of weights, looked at and hashed.

        Raises:
            ImportedModelError: There are none, or none of several is the model's, a part is
                missing, or one is cut short or damaged.
        """
        found = [_looked_at(name, self.paths[name]) for name in self._names()]
        names = [name for one in found for name in one.shapes]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(found) > 1 else []
        if twice:
            raise ImportedModelError(f"tensor {twice[0]!r} is in two files of weights")
        return found

    def config(self) -> dict[str, Any] | None:
        """The configuration; None where there is none.

        Raises:
            ImportedModelError: It is no JSON, or no mapping.
        """
        values = self._json(CONFIG) if CONFIG in self.paths else None
        if values is not None and not isinstance(values, dict):
            raise ImportedModelError(f"{CONFIG} is no mapping")
        return values

    def licence(self) -> str | None:
        """The licence that the head of the card names; None where it names none."""
        if CARD not in self.paths:
            return None
        try:
            text = read_bytes(self.paths[CARD], only_first=_LARGEST_CARD).decode(errors="replace")
        except StorageError:
            return None
        return licence_of(text)

    def _names(self) -> list[str]:
        """Names of the files of weights."""
        if SINGLE in self.paths:
            return [SINGLE]
        if INDEX in self.paths:
            index = self._json(INDEX)
            parts = index.get("weight_map") if isinstance(index, dict) else None
            if not isinstance(parts, dict) or not parts:
                raise ImportedModelError(f"{INDEX} has no weight_map")
            names = sorted({str(name) for name in parts.values()})
            lost = [name for name in names if name not in self.paths]
            if lost:
                raise ImportedModelError(f"{lost[0]!r}, which {INDEX} names, is not there")
            return names
        names = sorted(name for name in self.paths if name.endswith(".safetensors"))
        if len(names) == 1:
            return names
        if names:
            shown = ", ".join(repr(name) for name in names[:3])
            raise ImportedModelError(f"which weights are the model's is not said: {shown}")
        pickles = sorted(name for name in self.paths if name.endswith(PICKLES))
        if pickles:
            raise ImportedModelError(
                f"its weights are pickles ({pickles[0]}), which can run code and are not read"
            )
        raise ImportedModelError("it has no weights in safetensors")

    def _json(self, name: str) -> Any:
        try:
            return read_json(self.paths[name], max_bytes=_LARGEST_JSON)
        except StorageError as error:
            raise ImportedModelError(" ".join(str(error).split())) from error


def read_weights(files: list[WeightsFile], *, max_bytes: int = 2**32) -> dict[str, Tensor]:
    """The tensors of all files, once each is what it was when it was looked at.

    Args:
        files: The files.
        max_bytes: Limit on all of them together (4 GiB) [bytes].

    Raises:
        ImportedModelError: They are too large, damaged, or others by now.
    """
    total = sum(one.num_bytes for one in files)
    if total > max_bytes:
        raise ImportedModelError(
            f"the weights are {total} bytes, at most {max_bytes} are allowed (max_bytes)"
        )
    state: dict[str, Tensor] = {}
    for one in files:
        try:
            data = read_bytes(one.path, max_bytes=max_bytes)
            if hashlib.sha256(data).hexdigest() != one.digest:
                raise ImportedModelError(f"{str(one.path)!r} is another file than it was")
            state |= parse_safetensors(data)
        except (RefusedError, StorageError) as error:
            raise ImportedModelError(" ".join(str(error).split())) from error
    return state


def licence_of(card: str) -> str | None:
    """The licence in the head of a model card, between two lines of dashes; None if it has none.

    Args:
        card: The text of the card.
    """
    from huggingface_hub import ModelCard

    if not card.startswith("---"):
        return None
    try:
        head = ModelCard(card, ignore_metadata_errors=True).data
    except Exception:  # whatever is wrong with a card, it names no licence
        return None
    named = getattr(head, "license", None)
    if named == "other":
        named = getattr(head, "license_name", None) or named
    if isinstance(named, list):
        named = ", ".join(str(one) for one in named)
    return named.strip() or None if isinstance(named, str) else None


def _looked_at(name: str, path: Path) -> WeightsFile:
    try:
        size = size_of(path)
        start = read_bytes(path, only_first=8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > _LARGEST_HEADER or 8 + length > size:
            raise ImportedModelError(f"{name!r} is no whole file of safetensors")
        header = parse_json(read_bytes(path, only_first=8 + length)[8:], path)
        digest = sha256(path)
    except StorageError as error:
        raise ImportedModelError(" ".join(str(error).split())) from error
    shapes, end = {}, 0
    try:
        for tensor, entry in header.items():
            if tensor != "__metadata__":
                shapes[tensor] = tuple(int(one) for one in entry["shape"])
                end = max(end, int(entry["data_offsets"][1]))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ImportedModelError(f"{name!r} has no header of safetensors") from error
    if 8 + length + end != size:
        raise ImportedModelError(
            f"{name!r} is cut short or too long: {size} bytes in place of {8 + length + end}"
        )
    if not shapes:
        raise ImportedModelError(f"{name!r} holds no tensors")
    # Files that the Hub keeps apart are called by their contents.
    blob = os.path.basename(path)
    is_hash = len(blob) == 64 and set(blob) <= set("0123456789abcdef")
    if is_hash and blob != digest:
        raise ImportedModelError(f"{name!r} is damaged: its contents are not those of its name")
    return WeightsFile(path, size, digest, shapes)


def entries_of(files: list[WeightsFile]) -> int:
    """How many numbers files of weights hold."""
    return sum(math.prod(shape) for one in files for shape in one.shapes.values())
