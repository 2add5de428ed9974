"""Where labelled grids come from: packaged sets, run folders, and published archives in place."""

import hashlib
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gnncore.storage import sha256
from gridstab.counted import counted
from gridstab.datasets.benchmark import BENCHMARK_SETS, benchmark_path
from gridstab.datasets.counted_grid import CountedGrid
from gridstab.datasets.labelled_grid import LabelledGrid
from gridstab.datasets.landscape_folder import LandscapeConfig, LandscapeFolder, holds_landscapes
from gridstab.datasets.landscape_labels import read_landscape_grids, read_published_folder
from gridstab.datasets.layouts import find_layout
from gridstab.datasets.layouts.landscapes import published_files
from gridstab.datasets.layouts.split import SPLITS, SplitLayout
from gridstab.datasets.packed import origin, unpack
from gridstab.datasets.run_folder import RunConfig, RunFolder
from gridstab.datasets.transfer import PUBLISHED_SAMPLES
from gridstab.errors import (
    DatasetError,
    InvalidGridError,
    InvalidParameterError,
    RunFolderError,
    UnfinishedWarning,
)
from gridstab.grids.power_grid import PUBLISHED_COUPLING, PowerGrid


@dataclass(frozen=True)
class Source:
    """A set of labelled grids that can be read.

    Attributes:
        name: What tables call it.
        files: All files that the set consists of, relative to ``root``, sorted.
        root: The folder of the files.
        read: Reads all grids, by ascending number.
        total: Grids of the whole set where this may be an unfinished part of it.
        splits: The grids of each split where the files say so; empty where their numbers do.
        settings: Choices of the reader that the result depends on.
    """

    name: str
    root: Path
    files: list[str]
    read: Callable[[], list[CountedGrid]]
    total: int | None = None
    splits: dict[str, list[int]] | None = None
    settings: str = ""

    @property
    def content_hash(self) -> str:
        """SHA-256 of the names and contents of all files and of the settings; reads them all."""
        digest = hashlib.sha256(self.settings.encode())
        for name in self.files:
            digest.update(f"{name} {sha256(self.root / name)}\n".encode())
        return digest.hexdigest()


def locate(path: str | Path) -> Path:
    """The file or folder of a set, be it one of the packaged ones.

    Raises:
        DatasetError: Nothing is there.
    """
    location = Path(path)
    if str(path) in BENCHMARK_SETS and not location.exists():
        location = benchmark_path(str(path))
    if not location.is_file() and not location.is_dir():
        raise DatasetError(
            f"{str(path)!r} is no folder; give a run folder, a folder of published files, or one "
            f"of {', '.join(BENCHMARK_SETS)}"
        )
    return location


def open_source(
    path: str | Path, *, samples: int | None = None, coupling: float | None = None
) -> Source:
    """What there is at a path; see :func:`gridstab.learning.load_grid_dataset`.

    Raises:
        DatasetError: Nothing that could be read is there.
        InvalidParameterError: ``samples`` or ``coupling`` for a set that knows its own.
        RunFolderError: A run folder of another version.
        StorageError: A file cannot be read, or is damaged.
    """
    location = locate(path)
    packed, run = location.is_file(), (location / "config.json").is_file()
    if (packed or run) and (samples is not None or coupling is not None):
        raise InvalidParameterError(
            f"samples and coupling are for published files; {str(path)!r} knows its own"
        )
    if packed:
        return _packed(location)
    if run and holds_landscapes(location):
        return _landscapes(location)
    if run:
        return _run_folder(location)
    folder = _data_folder(location)
    if published_files(folder):
        if samples is not None:
            raise InvalidParameterError(
                f"samples is for published labels; the landscapes in {str(path)!r} know their own"
            )
        return _published_landscapes(folder, coupling)
    return _published(folder, samples, coupling)


def _packed(path: Path) -> Source:
    if path.suffix == ".zip":
        raise DatasetError(f"{str(path)!r} is an archive; unpack it and give the folder")
    config = origin(path)
    return Source(
        path.stem,
        path.parent,
        [path.name],
        lambda: unpack(path),
        total=None if config.campaign is None else config.campaign.grids,
        settings="raster" if isinstance(config, LandscapeConfig) else _sampler(config),
    )


def _warn_of_missing(path: Path, found: int, wanted: int) -> None:
    if found < wanted:
        warnings.warn(
            f"{str(path)!r} is unfinished: {found:,} of {counted(wanted, 'grid')} have labels; go "
            "on with --resume for the others",
            UnfinishedWarning,
            stacklevel=4,
        )


def _run_folder(path: Path) -> Source:
    folder = RunFolder.open(path)
    ids = folder.grid_ids
    _warn_of_missing(path, len(ids), folder.num_grids)
    files = [str(folder.grid_path(grid_id).relative_to(path)) for grid_id in ids]
    return Source(
        path.resolve().name,
        path,
        ["config.json", *files],
        lambda: [CountedGrid.read(folder, grid_id) for grid_id in ids],
        total=max([folder.num_grids, *ids]),
        settings=_sampler(folder.config),
    )


def _sampler(config: RunConfig) -> str:
    """What was kept of Sobol labels before their sampler was is not to be taken for them."""
    sobol = config.campaign is not None and config.campaign.sampler == "sobol"
    return "sobol" if sobol else ""


def _landscapes(path: Path) -> Source:
    folder = LandscapeFolder.open(path)
    ids = folder.grid_ids
    _warn_of_missing(path, len(ids), folder.num_grids)
    files = [str(folder.grid_path(grid_id).relative_to(path)) for grid_id in ids]
    return Source(
        path.resolve().name,
        path,
        ["config.json", *files],
        lambda: list(read_landscape_grids(folder)),
        total=max([folder.num_grids, *ids]),
        settings="raster",
    )


def _published_landscapes(folder: Path, coupling: float | None) -> Source:
    return Source(
        folder.resolve().name,
        folder,
        [path.name for _, path in published_files(folder)],
        lambda: _with_coupling(read_published_folder(folder), coupling, folder),
        settings=f"raster, landscapes, coupling {coupling}",
    )


def _published(folder: Path, samples: int | None, coupling: float | None) -> Source:
    layout = find_layout(folder)
    by_folder = layout.splits(folder) if isinstance(layout, SplitLayout) else {}
    splits = {split: by_folder.get(split, []) for split in SPLITS}

    def read() -> list[CountedGrid]:
        try:
            grids = _with_counts(list(layout.read(folder)), samples)
        except InvalidGridError as error:
            raise DatasetError(f"{str(folder)!r} holds a grid that is none: {error}") from error
        return _with_coupling(grids, coupling, folder)

    return Source(
        folder.resolve().name,
        folder,
        sorted(str(file.relative_to(folder)) for file in folder.rglob("*.h5")),
        read,
        splits=splits if any(splits.values()) else None,
        settings=f"samples {samples} coupling {coupling}",
    )


def _data_folder(folder: Path) -> Path:
    """The folder of published files: this one, or the only one below it."""
    if _holds_published_files(folder):
        return folder
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    data = [path for path in below if _holds_published_files(path)]
    if len(data) > 1:
        raise DatasetError(
            f"{str(folder)!r} holds several sets; give the folder of one of them: "
            f"{', '.join(path.name for path in data)}"
        )
    if data:
        return data[0]
    if len(below) == 1:
        return _data_folder(below[0])
    raise DatasetError(
        f"{str(folder)!r} holds no labelled grids: no config.json of a run, no input_data.h5, "
        "no grid_data_00001.h5 and no heatmap_grid_00001.h5 or the like"
    )


def _holds_published_files(folder: Path) -> bool:
    folders = [folder, *(folder / split for split in SPLITS)]
    return (
        any((location / "input_data.h5").is_file() for location in folders)
        or any(folder.glob("grid_data_*.h5"))
        or bool(published_files(folder))
    )


def _with_counts(grids: list[LabelledGrid], samples: int | None) -> list[CountedGrid]:
    """Published files do not say how many trajectories stand behind a label; the papers do."""
    try:
        return [CountedGrid.with_samples(item, samples or PUBLISHED_SAMPLES) for item in grids]
    except RunFolderError:
        if samples is not None:
            raise
        return [CountedGrid(**vars(item)) for item in grids]


def _with_coupling(
    grids: list[CountedGrid], coupling: float | None, folder: Path
) -> list[CountedGrid]:
    if coupling is not None:
        return [replace(item, grid=_recoupled(item.grid, coupling)) for item in grids]
    found = _only_coupling(item.grid.coupling for item in grids)
    if found is not None and found != PUBLISHED_COUPLING:
        warnings.warn(
            f"every line of {str(folder)!r} is coupled by {found:g}, but the published sets were "
            f"simulated with {PUBLISHED_COUPLING:g}; load_grid_dataset takes another as coupling",
            stacklevel=5,
        )
    return grids


def _only_coupling(couplings: Iterable[np.ndarray]) -> float | None:
    values = np.unique(np.concatenate([np.zeros(0), *couplings]))
    return float(values[0]) if len(values) == 1 else None


def _recoupled(grid: PowerGrid, coupling: float) -> PowerGrid:
    return PowerGrid.from_arrays(
        grid.lines,
        grid.power,
        inertia=grid.inertia,
        damping=grid.damping,
        coupling=coupling,
        coordinates=grid.coordinates,
        name=grid.name,
        labels=grid.labels,
    )
