"""A run folder: the configuration, one file a grid, and a manifest once all of them are there.

    config.json      the resolved campaign, the version of the code, the format
    grids/00001.h5   one grid, complete or absent (see ``grid_file``)
    parts/           finished work units of unfinished grids
    manifest.json    checksums of all of the above; its presence says that the run is complete

The bytes of these files depend on the configuration alone. Pictures, ``timing.json`` and the lock
lie beside them and are no part of the promise.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

import gridstab
from gnncore.storage import Manifest, StorageError, make_folder, read_json, write_json
from gnncore.storage.atomic import is_leftover
from gnncore.storage.lock import LOCK_NAME
from gnncore.storage.manifest import MANIFEST_NAME
from gridstab.datasets.campaign import Campaign, one_line
from gridstab.datasets.grid_file import read_labels, read_result
from gridstab.datasets.grid_source import GridSource
from gridstab.datasets.labelled_grid import LabelledGrid
from gridstab.datasets.work_units import WorkUnit
from gridstab.dynamics.result import StabilityResult
from gridstab.errors import RunFolderError

TIMING = "timing.json"

NOT_PROMISED = (MANIFEST_NAME, LOCK_NAME, TIMING, "*.png", "*.svg", "*.html")
"""Files of a run folder that the manifest leaves out, since they differ from run to run."""


class Imported(BaseModel):
    """Where imported labels come from.

    Attributes:
        layout: Name of the published layout.
        samples: Trajectories a node behind each label, as its user said.
        grids: Number of grids.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: str
    samples: int
    grids: int


class RunConfig(BaseModel):
    """What ``config.json`` holds: a campaign or the origin of imported labels.

    Attributes:
        format: Version of the run folder's format.
        code_version: Version of the code that simulates.
        campaign: The campaign, its engine resolved.
        case_hash: Content hash of the first grid of a case, which may change under its name.
        imported: Where the labels come from, if they were not simulated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    code_version: str = gridstab.__version__
    campaign: Campaign | None = None
    case_hash: str | None = None
    imported: Imported | None = None

    @classmethod
    def of(cls, campaign: Campaign, source: GridSource) -> "RunConfig":
        """The configuration of a new run of ``campaign``, whose engine must be resolved."""
        case = source.template
        return cls(campaign=campaign, case_hash=None if case is None else case.content_hash)

    def difference(self, other: "RunConfig") -> str | None:
        """The first setting in which another configuration differs, in words."""
        mine, theirs = _flat(self), _flat(other)
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                return f"{name} is {mine.get(name)!r} there and {theirs.get(name)!r} here"
        return None


class RunFolder:
    """An existing run folder; get one from :meth:`open` or :meth:`open_or_create`."""

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        self.config = config

    @classmethod
    def open(cls, path: str | Path) -> "RunFolder":
        """The run folder at ``path``.

        Raises:
            RunFolderError: There is none, or it was not made by this program.
        """
        path = Path(path)
        if not path.is_dir():
            raise RunFolderError(f"{str(path)!r} is no folder; give the folder of a run")
        if not (path / "config.json").is_file():
            raise RunFolderError(f"{str(path)!r} is no run folder: it has no config.json")
        try:
            return cls(path, RunConfig.model_validate(read_json(path / "config.json")))
        except ValidationError as error:
            raise RunFolderError(
                f"{str(path)!r} is no run folder of this version: in config.json, {one_line(error)}"
            ) from error
        except StorageError as error:
            raise RunFolderError(f"{str(path)!r} is no run folder: {error}") from error

    @classmethod
    def check(cls, path: str | Path, config: RunConfig, *, resume: bool) -> None:
        """Whether a run with this configuration may work at ``path``; writes nothing.

        Raises:
            RunFolderError: Something foreign is there, a run with another configuration, or one
                with this configuration that is not to be resumed.
        """
        path = Path(path)
        if _is_blank(path):
            return
        there = cls.open(path)
        difference = there.config.difference(config)
        if difference is not None:
            raise RunFolderError(
                f"{str(path)!r} holds another run: {difference}; choose another folder with --out"
            )
        if not resume:
            state = "complete" if there.is_complete else "unfinished"
            raise RunFolderError(
                f"{str(path)!r} holds this run already ({state}); add --resume to continue it"
            )

    @classmethod
    def create(cls, path: str | Path, config: RunConfig) -> "RunFolder":
        """A new run folder, or the one that is there; call :meth:`check` first.

        Raises:
            StorageError: The disk is full, or the place read-only.
        """
        folder = cls(Path(path), config)
        make_folder(folder.grids)
        if not (folder.path / "config.json").exists():
            write_json(folder.path / "config.json", config.model_dump(exclude_none=True))
        return folder

    @property
    def grids(self) -> Path:
        """The folder of the grid files."""
        return self.path / "grids"

    @property
    def parts(self) -> Path:
        """The folder of finished work units of unfinished grids."""
        return self.path / "parts"

    @property
    def is_complete(self) -> bool:
        """Whether all grids are there and the manifest was written."""
        return (self.path / MANIFEST_NAME).is_file()

    @property
    def num_grids(self) -> int:
        """Number of grids once complete."""
        origin = self.config.campaign or self.config.imported
        return 0 if origin is None else origin.grids

    @property
    def grid_ids(self) -> list[int]:
        """The global numbers of the grids that are there."""
        return sorted(int(file.stem) for file in self.grids.glob("[0-9]*.h5"))

    def grid_path(self, grid_id: int) -> Path:
        """The file of a grid."""
        return self.grids / f"{grid_id:05d}.h5"

    def part_path(self, unit: WorkUnit) -> Path:
        """The file of a finished work unit."""
        return self.parts / f"{unit}.h5"

    def label(self, grid_id: int) -> LabelledGrid:
        """The labels of a grid, simulated or imported.

        Raises:
            StorageError: The grid is not there, or its file is damaged.
        """
        return read_labels(self.grid_path(grid_id))

    def labels(self) -> Iterator[LabelledGrid]:
        """The labels of every grid that is there, in order."""
        return map(self.label, self.grid_ids)

    def result(self, grid_id: int) -> StabilityResult:
        """The simulated counts of a grid.

        Raises:
            RunFolderError: The grid is not there yet, or it was imported.
        """
        path = self.grid_path(grid_id)
        if not path.is_file():
            raise RunFolderError(f"{str(self.path)!r} has no grid {grid_id}")
        campaign = self.config.campaign
        return read_result(path, {} if campaign is None else campaign.model_dump())

    def finish(self) -> None:
        """Remove what is no longer needed and write the manifest.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        if self.parts.exists():
            shutil.rmtree(self.parts)
        Manifest.of(self.path, NOT_PROMISED).write()


def _is_blank(path: Path) -> bool:
    if not path.exists():
        return True

    def ours(entry: Path) -> bool:
        """Left behind by a run that was killed before its configuration was written."""
        if entry.name == "grids":
            return entry.is_dir() and not any(entry.iterdir())
        return entry.name == LOCK_NAME or is_leftover(entry.name)

    return path.is_dir() and all(map(ours, path.iterdir()))


def _flat(config: RunConfig) -> dict[str, object]:
    values = config.model_dump()
    sections = [values.pop(name) or {} for name in ("campaign", "imported")]
    return {**values, **sections[0], **sections[1]}
