"""Models in the cache of the Hugging Face Hub: a folder a repository, and nothing of them is run.

``models--owner--name/refs/main`` names a revision, ``snapshots/<revision>`` holds its files, most
of them links into ``blobs``. A link may lead there alone, and what lies there is a file.
"""

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from gnncore.storage import StorageError, read_bytes
from graphwsl import arguments
from graphwsl.errors import ImportedModelError
from graphwsl.imports.hub_files import (
    CARD,
    CONFIG,
    INDEX,
    RevisionFiles,
    WeightsFile,
    entries_of,
    read_weights,
)

PREFIX = "models--"
WANTED = ["*.safetensors", INDEX, CONFIG, CARD]
"""What is downloaded of a repository."""

_REVISION = re.compile(r"[0-9a-f]{40}")
_MOST_FILES = 10_000


@dataclass(frozen=True, eq=False)
class HubModel:
    """A revision of a model whose weights are there, looked at but not read yet.

    Attributes:
        repo_id: Owner and name.
        revision: Hash of the revision.
        licence: As its card names it; None if it names none, which allows nothing.
        num_bytes: Size of its weights [bytes].
        num_entries: Numbers in its weights.
        digest: Hash of its weights.
        same_as: The model before it in the listing that has the same files of weights; None if
            there is none.
        config: What its ``config.json`` says; None where there is none.
        files: Its files of weights.
    """

    repo_id: str
    revision: str
    licence: str | None
    num_bytes: int
    num_entries: int
    digest: str
    same_as: str | None
    config: dict[str, Any] | None = field(repr=False)
    files: tuple[WeightsFile, ...] = field(repr=False)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor by name."""
        return {name: shape for one in self.files for name, shape in one.shapes.items()}

    def state(self, *, max_bytes: int = 2**32) -> dict[str, Tensor]:
        """Its weights; only now are they read.

        Args:
            max_bytes: Limit on the files (4 GiB) [bytes].

        Raises:
            ImportedModelError: They are too large, damaged, or others by now.
        """
        try:
            return read_weights(list(self.files), max_bytes=max_bytes)
        except ImportedModelError as error:
            raise ImportedModelError(f"{self.repo_id}: {error}") from error


@dataclass(frozen=True, eq=False)
class HubListing:
    """The models of a cache; printed as a table by its ``str``.

    Attributes:
        models: Models that can be read, by name.
        problems: Reasons why others cannot be, by the name of their folder.
    """

    models: tuple[HubModel, ...]
    problems: dict[str, str]

    def __len__(self) -> int:
        return len(self.models)

    def __iter__(self) -> Iterator[HubModel]:
        return iter(self.models)

    def distinct(self) -> list[HubModel]:
        """The models without those that have the weights of one before them."""
        return [model for model in self.models if model.same_as is None]

    def __str__(self) -> str:
        from rich.console import Console
        from rich.table import Table

        from gnncore.command_line.output import cell

        made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
        for title in ("model", "licence", "architecture"):
            made.add_column(title)
        for title in ("numbers", "MB"):
            made.add_column(title, justify="right")
        made.add_column("same as")
        for model in self.models:
            kind = (model.config or {}).get("model_type", "unknown")
            made.add_row(
                cell(model.repo_id),
                cell(model.licence or "unknown"),
                cell(kind),
                f"{model.num_entries:,}",
                f"{model.num_bytes / 1e6:,.1f}",
                cell(model.same_as or ""),
            )
        console = Console(file=io.StringIO(), width=140, markup=False, emoji=False, highlight=False)
        console.print(made)
        assert isinstance(console.file, io.StringIO)
        lines = [f"{cell(name)}: {cell(reason)}" for name, reason in self.problems.items()]
        return "\n".join([console.file.getvalue().rstrip(), *lines])


def list_hub_cache(folder: str | os.PathLike[str]) -> HubListing:
    """All models in a cache of the Hugging Face Hub, whose files of weights are hashed.

    Of a repository the revision is taken that ``refs/main`` names, or the only one.

    Args:
        folder: The cache, such as ``~/.cache/huggingface/hub``.

    Raises:
        ImportedModelError: There is no such folder.
    """
    root = arguments.as_path("folder", folder)
    if not root.is_dir():
        raise ImportedModelError(f"{str(root)!r} is no folder; give the cache of the Hub")
    models: list[HubModel] = []
    problems: dict[str, str] = {}
    for path in sorted(root.iterdir()):
        if not path.name.startswith(PREFIX):
            continue
        try:
            models.append(_model(path, None, models))
        except ImportedModelError as error:
            problems[path.name] = str(error)
    return HubListing(tuple(models), problems)


def find_hub_model(
    repo_id: str, folder: str | os.PathLike[str], *, revision: str | None = None
) -> HubModel:
    """A model that is in a cache already.

    Args:
        repo_id: Owner and name, such as ``"owner/name"``.
        folder: The cache.
        revision: Hash of the revision; by default that of ``refs/main``, or the only one.

    Raises:
        ImportedModelError: It is not there, or cannot be used.
    """
    root = arguments.as_path("folder", folder)
    path = root / (PREFIX + _checked(repo_id).replace("/", "--"))
    if not path.is_dir():
        raise ImportedModelError(f"{repo_id!r} is not in {str(root)!r}; download it first")
    try:
        return _model(path, revision, [])
    except ImportedModelError as error:
        raise ImportedModelError(f"{repo_id}: {error}") from error


def download_hub_model(
    repo_id: str, folder: str | os.PathLike[str] | None = None, *, revision: str | None = None
) -> HubModel:
    """A model from the Hugging Face Hub: weights in safetensors, configuration and card alone.

    Args:
        repo_id: Owner and name.
        folder: The cache that it is kept in; that of ``huggingface_hub`` by default.
        revision: Hash, branch or tag; the main branch by default.

    Raises:
        ImportedModelError: It is not to be had, or cannot be used.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    _checked(repo_id)
    root = Path(constants.HF_HUB_CACHE) if folder is None else arguments.as_path("folder", folder)
    try:
        snapshot = snapshot_download(
            repo_id, revision=revision, cache_dir=root, allow_patterns=WANTED
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        cause = " ".join(str(error).split())
        raise ImportedModelError(f"{repo_id!r} cannot be downloaded: {cause}") from error
    return find_hub_model(repo_id, root, revision=Path(snapshot).name)


def _checked(repo_id: str) -> str:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    arguments.text("repo_id", repo_id)
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        cause = " ".join(str(error).split())
        raise ImportedModelError(f"{repo_id!r} names no model: {cause}") from error
    return repo_id


def _model(path: Path, revision: str | None, before: list[HubModel]) -> HubModel:
    repo_id = path.name.removeprefix(PREFIX).replace("--", "/")
    for part in (path, path / "snapshots", path / "blobs", path / "refs"):
        if part.is_symlink():
            raise ImportedModelError(f"{part.name!r} is a link; only files may be links here")
    revision = _revision(path, revision)
    found = RevisionFiles(_files(path, path / "snapshots" / revision))
    weights = found.weights()
    digest = "+".join(sorted(one.digest for one in weights))
    same = next((one.repo_id for one in before if one.digest == digest), None)
    return HubModel(
        repo_id=repo_id,
        revision=revision,
        licence=found.licence(),
        num_bytes=sum(one.num_bytes for one in weights),
        num_entries=entries_of(weights),
        digest=digest,
        same_as=same,
        config=found.config(),
        files=tuple(weights),
    )


def _revision(path: Path, wanted: str | None) -> str:
    snapshots = path / "snapshots"
    there = sorted(one.name for one in snapshots.iterdir()) if snapshots.is_dir() else []
    if wanted is None and (path / "refs" / "main").is_file():
        reference = path / "refs" / "main"
        if reference.is_symlink():
            raise ImportedModelError("refs/main is a link; only files of snapshots may be links")
        try:
            wanted = read_bytes(reference, max_bytes=1024).decode(errors="replace").strip()
        except StorageError as error:
            raise ImportedModelError(str(error)) from error
    if wanted is None:
        if len(there) != 1:
            raise ImportedModelError(
                f"there is no refs/main, and {len(there)} snapshots; name a revision"
                if there
                else "there is no snapshot; download it again"
            )
        (wanted,) = there
    if not _REVISION.fullmatch(wanted):
        raise ImportedModelError(f"{wanted[:60]!r} is no revision, which has 40 hexadecimal digits")
    if wanted not in there:
        raise ImportedModelError(f"revision {wanted} is not there; download it")
    if (snapshots / wanted).is_symlink():
        raise ImportedModelError(f"snapshot {wanted} is a link; only files in it may be links")
    return wanted


def _files(repository: Path, snapshot: Path) -> dict[str, Path]:
    """Where the files of a snapshot lie; folders in it are not looked into."""
    blobs = Path(os.path.realpath(repository / "blobs"))
    found: dict[str, Path] = {}
    for path in sorted(snapshot.iterdir()):
        if len(found) >= _MOST_FILES:
            raise ImportedModelError(f"the snapshot has more than {_MOST_FILES} files")
        target = path
        if path.is_symlink():
            target = Path(os.path.normpath(snapshot / os.readlink(path)))
            if Path(os.path.realpath(target.parent)) != blobs or target.is_symlink():
                raise ImportedModelError(
                    f"{path.name!r} is a link that leads out of the blobs of its repository"
                )
            if not target.is_file():
                raise ImportedModelError(f"{path.name!r} is a link to a blob that is not there")
        if target.is_file():
            found[path.name] = target
    return found
