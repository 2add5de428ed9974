"""A run folder: the configuration, one file a grid, and a manifest once all of them are there.

    config.json      the resolved campaign, the version of the code, the format
    grids/00001.h5   one grid, complete or absent (see ``grid_file``)
    parts/           finished work units of unfinished grids
    seals/           checksums of finished grids, as long as there is no manifest
    manifest.json    checksums of all of the above; its presence says that the run is complete

The bytes of these files depend on the configuration alone. Pictures, ``timing.json`` and the lock
lie beside them and are no part of the promise. What is read from a run is compared with its
checksum first; symbolic links within the folder are not followed.
"""

import hashlib
import re
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, Self

import gridstab
from gnncore.configuration import Configuration
from gnncore.storage import (
    LOCK_NAME,
    MANIFEST_NAME,
    CorruptFileError,
    Manifest,
    Owner,
    StorageError,
    WorkFolder,
    WorkKind,
    first_difference,
    is_leftover,
    make_folder,
    refuse_links,
    write_bytes,
    write_json,
)
from gridstab.arguments import as_path
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.grid_file import read_counts, read_labels, read_result
from gridstab.datasets.grid_source import GridSource
from gridstab.datasets.labelled_grid import LabelledGrid
from gridstab.datasets.seals import Seals
from gridstab.datasets.work_units import WorkUnit
from gridstab.dynamics.result import StabilityResult
from gridstab.errors import RunFolderError

TIMING = "timing.json"

NOT_PROMISED = (MANIFEST_NAME, LOCK_NAME, TIMING, "*.png", "*.svg", "*.html")
"""Files of a run folder that the manifest leaves out, since they differ from run to run."""

_CONFIG = "config.json"
_GRID_NAME = re.compile(r"grids/([0-9]{5,12})\.h5", re.ASCII)

KIND = WorkKind(
    what="run",
    title="run folder",
    configuration=_CONFIG,
    error_class=RunFolderError,
    beginnings=("grids", "seals"),
    made_by="gridstab simulate",
    elsewhere="choose another folder with --out",
    go_on="add --resume to continue it",
)
"""How the folders of runs are claimed, resumed and refused."""


class Imported(Configuration):
    """Where imported labels come from.

    Attributes:
        layout: Name of the published layout.
        samples: Trajectories a node behind each label.
        grids: Number of grids.
        samples_assumed: Whether nobody said how many samples there are, so that they are those of
            the published data; None in folders of versions that did not record it.
    """

    error_class = RunFolderError

    layout: str
    samples: int
    grids: int
    samples_assumed: bool | None = None


class RunConfig(Configuration):
    """What ``config.json`` holds: a campaign or the origin of imported labels.

    Attributes:
        format: Version of the run folder's format.
        code_version: Version of the code that simulates.
        campaign: The campaign, its engine resolved.
        case_hash: Content hash of the first grid of a case, which may change under its name.
        imported: Where the labels come from, if they were not simulated.
    """

    error_class = RunFolderError

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

    @property
    def content_hash(self) -> str:
        """SHA-256 of all that the configuration says."""
        text = self.model_dump_json(exclude_none=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def difference(self, other: "RunConfig") -> str | None:
        """The first setting in which another configuration differs, in words."""
        return first_difference(_flat(self), _flat(other))


class RunFolder:
    """An existing run folder; get one from :meth:`open` or :meth:`create`.

    Attributes:
        kind: What such folders have in common; another one is that of a derived class.
        configuration: What their configuration is.
    """

    kind: ClassVar[WorkKind] = KIND
    configuration: ClassVar[type[RunConfig]] = RunConfig

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        self.config = config
        self.work = WorkFolder(path, self.kind)
        self.seals = Seals(path, config.content_hash)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The run folder at ``path``.

        Raises:
            RunFolderError: There is none, or it was not made by this program.
        """
        work = WorkFolder(as_path("path", path), cls.kind)
        links = (MANIFEST_NAME, "grids", "parts", "seals")
        return cls(work.path, work.configuration(cls.configuration.parse, *links))

    @classmethod
    def check(cls, path: str | Path, config: RunConfig, *, resume: bool) -> None:
        """Whether a run with this configuration may work at ``path``; writes nothing.

        Look once before any work is done, and again under the lock, before anything is written.

        Raises:
            RunFolderError: Something foreign is there, a run with another configuration, or one
                with this configuration that is not to be resumed.
        """
        work = WorkFolder(Path(path), cls.kind)
        work.look(lambda: cls.open(path).config.difference(config), resume=resume)

    @classmethod
    def create(cls, path: str | Path, config: RunConfig) -> Self:
        """A new run folder, or the one that is there; hold its lock, and :meth:`check` first.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        folder = cls(Path(path), config)
        make_folder(folder.grids)
        if not folder.is_complete:
            folder.seals.create()
        if not (folder.path / _CONFIG).exists():
            write_json(folder.path / _CONFIG, config.model_dump(exclude_none=True))
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
        return self.work.is_complete

    @property
    def num_grids(self) -> int:
        """Number of grids once complete."""
        origin = self.config.campaign or self.config.imported
        return 0 if origin is None else origin.grids

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of a complete run.

        Raises:
            CorruptFileError: It is damaged, or is not that of all grids of this run.
            StorageError: It is missing or cannot be read.
        """
        manifest = Manifest.read(self.path)
        manifest.require(_CONFIG)
        listed = len(_ids(manifest.entries))
        if listed != self.num_grids:
            raise CorruptFileError.because(
                "use", self.path, f"its manifest lists {listed} of {self.num_grids} grids"
            )
        return manifest

    @property
    def grid_ids(self) -> list[int]:
        """The global numbers of the grids: of all where the run is complete, else of those there.

        Files in ``grids`` that are none of these are ignored, with a warning.

        Raises:
            StorageError: The manifest of a complete run is damaged, or the folder not readable.
        """
        there, strays = self.listing()
        ids = sorted(_ids(self.manifest.entries)) if self.is_complete else there
        strays += [f"grids/{self.grid_path(k).name}" for k in there if k not in set(ids)]
        if strays:
            shown = ", ".join(map(repr, strays[:3])) + (", …" if len(strays) > 3 else "")
            warnings.warn(f"ignored in {str(self.path)!r}, no grid of it: {shown}", stacklevel=2)
        return ids

    def listing(self) -> tuple[list[int], list[str]]:
        """The numbers of the grid files that are there, and the names of strays among them.

        Raises:
            StorageError: The folder cannot be read.
        """
        if not self.grids.exists():
            return [], []
        try:
            names = [f"grids/{entry.name}" for entry in self.grids.iterdir()]
        except OSError as error:
            raise StorageError.because("list", self.grids, error) from error
        known = _ids(names)
        if self.config.campaign is not None:
            known = {k: name for k, name in known.items() if 1 <= k <= self.num_grids}
        strays = {*names} - {*known.values()}
        return sorted(known), sorted(name for name in strays if not is_leftover(Path(name).name))

    def grid_path(self, grid_id: int) -> Path:
        """The file of a grid."""
        return self.grids / f"{grid_id:05d}.h5"

    def part_path(self, unit: WorkUnit) -> Path:
        """The file of a finished work unit."""
        return self.parts / f"{unit}.h5"

    def require_part(self, path: Path, owner: Owner) -> None:
        """Nothing, if the file of a finished work unit is whole and of its owner.

        Raises:
            StorageError: It is not, or cannot be read.
        """
        read_counts(path, owner)

    def label(self, grid_id: int) -> LabelledGrid:
        """The labels of a grid, simulated or imported.

        Raises:
            RunFolderError: The grid is not there.
            StorageError: Its file is not what the run stored.
        """
        self.check_grid(grid_id)
        return read_labels(self.grid_path(grid_id))

    def labels(self) -> Iterator[LabelledGrid]:
        """The labels of every grid that is there, in order."""
        return map(self.label, self.grid_ids)

    def result(self, grid_id: int) -> StabilityResult:
        """The simulated counts of a grid.

        Raises:
            RunFolderError: The grid is not there yet, or it was imported.
            StorageError: Its file is not what the run stored.
        """
        path = self.grid_path(grid_id)
        self.check_grid(grid_id)
        campaign = self.config.campaign
        return read_result(path, {} if campaign is None else campaign.model_dump())

    def check_grid(self, grid_id: int) -> None:
        """Check that the file of a grid is what the run stored.

        Unfinished runs of earlier versions have no checksums; their files are taken as they are.

        Raises:
            RunFolderError: There is none.
            StorageError: It is not: damaged, a link, or of another run.
        """
        name = f"grids/{self.grid_path(grid_id).name}"
        if not self.grid_path(grid_id).exists():
            lost = "; the run was complete, --resume repairs it" if self.is_complete else ""
            raise RunFolderError(f"{str(self.path)!r} has no grid {grid_id}{lost}")
        if self.is_complete:
            self.manifest.require(name)
        elif self.seals.are_kept:
            self.seals.check(grid_id)
        else:
            refuse_links(self.path, name)

    def store(self, grid_id: int, data: bytes) -> None:
        """Write the file of a grid, and before it its seal.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        self.seals.write(grid_id, hashlib.sha256(data).hexdigest())
        write_bytes(self.grid_path(grid_id), data)

    def finish(self) -> None:
        """Write the manifest, which must agree with the seals, and remove what is not needed.

        Raises:
            CorruptFileError: A grid has changed since it was stored; resuming repairs that.
            StorageError: The disk is full, or the folder read-only.
        """
        names = {k: f"grids/{self.grid_path(k).name}" for k in self.listing()[0]}
        manifest = Manifest.of_files(self.path, [_CONFIG, *names.values()], NOT_PROMISED)
        for grid_id, name in names.items():
            if manifest.entries[name].sha256 != self.seals.read(grid_id):
                raise CorruptFileError.because(
                    "complete", self.path, f"{name} has changed; continue with --resume"
                )
        # Before the seals go, so that a run killed here never has grids that nothing vouches for.
        manifest.write()
        self.forget_manifest()
        self.tidy()

    def forget_manifest(self) -> None:
        """Read the manifest anew when it is needed next."""
        self.__dict__.pop("manifest", None)

    def tidy(self) -> None:
        """Remove the parts and seals of a complete run.

        Raises:
            StorageError: The folder is read-only.
        """
        self.work.remove("parts")
        self.work.remove("seals")


def _ids(names: Iterable[str]) -> dict[int, str]:
    """The files of grids by number; ``00001_1.h5`` and ``00001 (copy).h5`` are none."""
    found = {}
    for name in names:
        match = _GRID_NAME.fullmatch(name)
        if match and name == f"grids/{int(match[1]):05d}.h5":
            found[int(match[1])] = name
    return found


def _flat(config: RunConfig) -> dict[str, object]:
    values = config.model_dump()
    sections = [values.pop(name) or {} for name in ("campaign", "imported")]
    return {**values, **sections[0], **sections[1]}
