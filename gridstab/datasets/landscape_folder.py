"""A folder of stability landscapes: the images of all nodes, one file a grid.

    config.json      the resolved campaign, the resolution, the version of the code
    grids/00001.h5   one grid with the images of its nodes, complete or absent
    parts/, seals/   as in a run folder, until all grids are there
    manifest.json    checksums of all of the above; its presence says that it is complete

A grid file holds the grid as those of runs do, ``status`` (nodes, rows, columns) with 1 for pixels
that return, 0 for those that leave and -1 for undecided ones, ``dtheta`` of the columns,
``domega`` of the rows, both ascending, the operating point ``theta``, and of every node ``snbs``,
the share of its pixels that return, and ``n_undecided``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int

from gnncore.storage import (
    CorruptFileError,
    Manifest,
    Owner,
    StorageError,
    WorkKind,
    check_seal,
    read_json,
    seal_of,
    write_bytes,
)
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.grid_file import (
    encode_arrays,
    grid_arrays,
    grid_id_of,
    grid_of,
    read_arrays,
)
from gridstab.datasets.grid_source import GridSource
from gridstab.datasets.resuming import stored_work
from gridstab.datasets.run_folder import KIND, RunConfig, RunFolder
from gridstab.dynamics.basin_map import BasinMap
from gridstab.dynamics.engine import Status
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import RunFolderError
from gridstab.grids.power_grid import PowerGrid

TAG = "gridstab.landscapes"


@dataclass(frozen=True, eq=False)
class GridLandscapes:
    """A grid with the stability landscapes of all its nodes.

    Attributes:
        grid_id: Global number of the grid, from 1.
        grid: The grid.
        status: Outcome of every pixel: 1 returned, 0 left, -1 undecided.
        dtheta: Phase offset of each column [rad].
        domega: Frequency offset of each row [rad/s].
    """

    grid_id: int
    grid: PowerGrid
    status: Int[np.ndarray, "nodes rows columns"]
    dtheta: Float[np.ndarray, " columns"]
    domega: Float[np.ndarray, " rows"]

    @property
    def snbs(self) -> Float[np.ndarray, " nodes"]:
        """Single-node basin stability: the share of the pixels that return."""
        return np.asarray((self.status == Status.RETURNED).mean(axis=(1, 2)))

    @property
    def n_undecided(self) -> Int[np.ndarray, " nodes"]:
        """Undecided pixels of every node."""
        return np.asarray((self.status == Status.UNDECIDED).sum(axis=(1, 2)))

    def of_node(self, node: int) -> BasinMap:
        """The landscape of one node, as :func:`gridstab.stability_landscape` gives it."""
        return BasinMap(self.grid, node, self.dtheta, self.domega, self.status[node])


class LandscapeConfig(RunConfig):
    """What ``config.json`` holds.

    Attributes:
        kind: Tells the folder from others.
        resolution: Pixels along each axis.
    """

    kind: Literal["gridstab.landscapes"] = "gridstab.landscapes"
    resolution: int = 0

    @classmethod
    def of_landscapes(
        cls, campaign: Campaign, source: GridSource, resolution: int
    ) -> "LandscapeConfig":
        """The configuration of a new folder, of a campaign whose engine is resolved."""
        case = source.template
        case_hash = None if case is None else case.content_hash
        return cls(campaign=campaign, case_hash=case_hash, resolution=resolution)


class LandscapeFolder(RunFolder):
    """An existing folder of landscapes; get one from :meth:`open`."""

    kind: ClassVar[WorkKind] = WorkKind(
        what="set of landscapes",
        title="folder of landscapes",
        configuration=KIND.configuration,
        error_class=RunFolderError,
        beginnings=KIND.beginnings,
        tag=TAG,
        made_by="gridstab landscape",
        elsewhere=KIND.elsewhere,
        go_on=KIND.go_on,
    )
    configuration: ClassVar[type[RunConfig]] = LandscapeConfig

    @property
    def resolution(self) -> int:
        """Pixels along each axis."""
        assert isinstance(self.config, LandscapeConfig)
        return self.config.resolution

    def require_part(self, path: Path, owner: Owner) -> None:
        """Nothing, if the file of a finished work unit is whole and of its owner.

        Raises:
            StorageError: It is not, or cannot be read.
        """
        read_status(path, owner)

    def landscapes(self, grid_id: int) -> GridLandscapes:
        """The landscapes of a grid.

        Raises:
            RunFolderError: The grid is not there yet.
            StorageError: Its file is not what was stored.
        """
        self.check_grid(grid_id)
        return read_landscapes(self.grid_path(grid_id))

    def all_landscapes(self) -> Iterator[GridLandscapes]:
        """The landscapes of every grid that is there, in order."""
        return map(self.landscapes, self.grid_ids)


def holds_landscapes(path: Path) -> bool:
    """Whether the folder is one of landscapes; damaged and foreign ones are not."""
    try:
        config = read_json(path / KIND.configuration)
    except StorageError:  # said better by who opens it as a run
        return False
    return isinstance(config, dict) and config.get("kind") == TAG


def encode_landscapes(seed: int, model: SwingModel, found: GridLandscapes) -> bytes:
    """The file of a grid.

    Args:
        seed: Seed of the campaign.
        model: The grid with its operating point.
        found: Its landscapes.
    """
    arrays = {
        **grid_arrays(found.grid),
        "theta": model.theta,
        "status": found.status.astype(np.int8),
        "dtheta": found.dtheta,
        "domega": found.domega,
        "snbs": found.snbs,
        "n_undecided": found.n_undecided,
    }
    name = found.grid.name
    return encode_arrays(arrays, {"grid_id": found.grid_id, "seed": seed, "name": name})


def read_landscapes(path: Path) -> GridLandscapes:
    """The landscapes in the file of a grid.

    Raises:
        CorruptFileError: The file is damaged, or holds no landscapes.
        StorageError: It cannot be read.
    """
    arrays, attributes = read_arrays(path)
    try:
        found = GridLandscapes(
            grid_id_of(attributes["grid_id"]),
            grid_of(arrays, attributes),
            arrays["status"],
            arrays["dtheta"],
            arrays["domega"],
        )
        shape = (found.grid.num_nodes, len(found.domega), len(found.dtheta))
        if found.status.shape != shape or not np.isin(found.status, tuple(Status)).all():
            raise ValueError(f"status has shape {found.status.shape} or other values, not {shape}")
        if not np.array_equal(found.snbs, arrays["snbs"]):
            raise ValueError("snbs is not the mean of the pixels")
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFileError.because(
            "read", path, f"it is no file of landscapes: {error}"
        ) from error
    return found


def write_status(path: Path, status: Int[np.ndarray, "nodes rows columns"], owner: Owner) -> None:
    """Create the file of a finished work unit.

    Raises:
        StorageError: It cannot be written.
    """
    arrays = {"status": status}
    write_bytes(path, encode_arrays(arrays, {"seal": seal_of(owner, arrays)}))


def read_status(path: Path, owner: Owner) -> Int[np.ndarray, "nodes rows columns"]:
    """The images of a finished work unit.

    Raises:
        CorruptFileError: The file is damaged, or of another set or unit than ``owner``.
        StorageError: It is missing or cannot be read.
    """
    arrays, attributes = read_arrays(path)
    seal = attributes.get("seal")
    check_seal(path, seal if isinstance(seal, str) else None, owner, arrays)
    if set(arrays) != {"status"}:
        raise CorruptFileError.because("read", path, "it holds no landscapes of a work unit")
    return arrays["status"]


def verify_landscapes(path: str | Path) -> list[str]:
    """Every problem of a folder of landscapes, one line each; none where all is well.

    Raises:
        RunFolderError: There is none at ``path``.
    """
    folder = LandscapeFolder.open(path)
    ids, problems = folder.listing()[0], []
    if not folder.is_complete:
        problems = [
            f"unfinished: {len(ids)} of {folder.num_grids} grids and no manifest; "
            "continue it with gridstab landscape --resume",
            *stored_work(folder).problems,
        ]
    else:
        try:
            problems += [problem.text for problem in Manifest.read(folder.path).verify()]
        except StorageError as error:
            problems.append(str(error))
        problems += [
            f"grid {k} is missing" for k in sorted({*range(1, folder.num_grids + 1)} - {*ids})
        ]
    for grid_id in ids:
        try:
            found = read_landscapes(folder.grid_path(grid_id))
        except StorageError as error:
            problems.append(f"grid {grid_id}: {error}")
            continue
        if found.grid_id != grid_id:
            problems.append(f"grid {grid_id}: its number is another")
        if found.status.shape[1:] != (folder.resolution, folder.resolution):
            problems.append(f"grid {grid_id}: its images are not of the resolution configured")
    return problems
