"""The published layout of stability landscapes: ``heatmap_grid_00001.h5``, one file a grid.

Of zenodo.15373799, as its authors' loader reads it. Files lie in ``num_sections_20/ds20``: the
pixels along each axis, and the set. In a file, ``basin_heatmap_1`` to ``basin_heatmap_N`` are the
images of the nodes, counted from 1: the share of the perturbations in a pixel from which the grid
does *not* return, frequencies in the rows and phases in the columns. ``samples_heatmap_1`` and so
on are the numbers of these perturbations, and ``grids/1`` holds ``node_features``, ``edge_index``
(1-based) and ``edge_attr`` of the grid. No source says in which direction the axes run; they are
taken to ascend.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from gnncore.storage import (
    CorruptFileError,
    create_dataset,
    make_folder,
    read_hdf5,
    write_folder_with,
    write_hdf5,
)
from gridstab.arguments import at_least
from gridstab.datasets.labelled_grid import published_arrays, published_grid
from gridstab.datasets.landscape_folder import GridLandscapes, LandscapeFolder
from gridstab.datasets.layouts.place import require_export
from gridstab.dynamics.engine import Status
from gridstab.dynamics.sampling import DOMEGA_RANGE
from gridstab.errors import InvalidParameterError, RunFolderError
from gridstab.grids.power_grid import PowerGrid

_FILE = re.compile(r"heatmap_grid_(\d{5,})\.h5", re.ASCII)


@dataclass(frozen=True, eq=False)
class PublishedLandscapes:
    """A grid with the stability landscapes of its nodes, as published files know them.

    Attributes:
        grid_id: Global number of the grid, from 1.
        grid: The grid.
        not_returned: Share of the perturbations in each pixel from which the grid does not return.
        samples: Number of the perturbations in each pixel.
    """

    grid_id: int
    grid: PowerGrid
    not_returned: Float[np.ndarray, "nodes rows columns"]
    samples: Float[np.ndarray, "nodes rows columns"]

    @classmethod
    def of(cls, found: GridLandscapes, pixels: int | None = None) -> "PublishedLandscapes":
        """Simulated landscapes; undecided perturbations do not return.

        Args:
            found: Images with one perturbation a pixel.
            pixels: Pixels along each axis, each of which takes in several of the simulated ones;
                as many as were simulated unless given.

        Raises:
            InvalidParameterError: The simulated pixels cannot be shared out among so many.
        """
        not_returned = (found.status != Status.RETURNED).astype(np.float64)
        nodes, size, _ = found.status.shape
        pixels = size if pixels is None else pixels
        each = simulated_per_pixel(size, pixels)
        blocks = not_returned.reshape(nodes, pixels, each, pixels, each)
        counts = np.full((nodes, pixels, pixels), float(each**2))
        return cls(found.grid_id, found.grid, blocks.mean(axis=(2, 4)), counts)

    @property
    def snbs(self) -> Float[np.ndarray, " nodes"]:
        """Single-node basin stability: 1 − Σ (not returned · samples) / Σ samples."""
        lost = (self.not_returned * self.samples).sum(axis=(1, 2))
        return np.asarray(1 - lost / self.samples.sum(axis=(1, 2)))


def simulated_per_pixel(resolution: int, pixels: int) -> int:
    """How many simulated pixels lie along each axis of one that is written.

    Args:
        resolution: Simulated pixels along each axis.
        pixels: Written pixels along each axis.

    Raises:
        InvalidParameterError: The simulated ones cannot be shared out.
    """
    at_least("pixels", pixels, 2)
    if resolution % pixels:
        raise InvalidParameterError(
            f"landscapes of {resolution} pixels along each axis cannot be written with {pixels}; "
            f"choose a number that divides {resolution}, or simulate with resolution "
            f"{(resolution // pixels + 1) * pixels}"
        )
    return resolution // pixels


def require_published_range(domega_range: float) -> None:
    """Nothing, if the layout can tell which frequencies landscapes have.

    Raises:
        InvalidParameterError: It cannot.
    """
    if domega_range != DOMEGA_RANGE:
        raise InvalidParameterError(
            f"landscapes with frequencies up to {domega_range:g} rad/s cannot be written in the "
            f"published layout, which has them up to {DOMEGA_RANGE:g} rad/s; leave out domega_range"
        )


def export_landscapes(run: str | Path, out: str | Path, pixels: int | None = None) -> Path:
    """Write a complete folder of landscapes in the published layout.

    Args:
        run: The folder of landscapes.
        out: A new or empty folder.
        pixels: Pixels along each axis, a divisor of those that were simulated, which become several
            perturbations of a pixel; as many as were simulated unless given.

    Returns:
        The folder of the files, ``num_sections_20/ds20`` or the like below ``out``.

    Raises:
        InvalidParameterError: The simulated pixels cannot be shared out among so many, or the
            layout cannot tell their frequencies.
        RunFolderError: The landscapes are unfinished, or the folder is not empty.
        StorageError: A file cannot be read or written.
    """
    folder, out = LandscapeFolder.open(run), Path(out)
    if not folder.is_complete:
        raise RunFolderError(f"{str(run)!r} is unfinished; continue it with --resume first")
    require_export(out, folder.path)
    pixels = folder.resolution if pixels is None else pixels
    simulated_per_pixel(folder.resolution, pixels)
    campaign = folder.config.campaign
    if campaign is not None:
        require_published_range(campaign.domega_range)
    case = None if campaign is None else campaign.case
    first = folder.landscapes(folder.grid_ids[0]).grid
    name = f"ds{first.num_nodes}" if case is None else Path(case).stem
    place = out / f"num_sections_{pixels}" / name
    written = (PublishedLandscapes.of(found, pixels) for found in folder.all_landscapes())
    write_folder_with(out, lambda part: write_landscapes(part / place.relative_to(out), written))
    return place


def write_landscapes(folder: str | Path, several: Iterable[PublishedLandscapes]) -> None:
    """Write one file a grid.

    Raises:
        StorageError: A file cannot be written.
    """
    place = Path(folder)
    make_folder(place)
    for found in several:

        def fill(file: Any, found: PublishedLandscapes = found) -> None:
            pairs = zip(found.not_returned, found.samples, strict=True)
            for node, (image, samples) in enumerate(pairs, 1):
                create_dataset(file, f"basin_heatmap_{node}", image)
                create_dataset(file, f"samples_heatmap_{node}", samples)
            group = file.create_group(f"grids/{found.grid_id}")
            arrays = published_arrays(found.grid)
            create_dataset(group, "node_features", arrays["P"])
            create_dataset(group, "edge_index", arrays["edge_index"])
            create_dataset(group, "edge_attr", arrays["edge_attr"])

        write_hdf5(place / f"heatmap_grid_{found.grid_id:05d}.h5", fill)


def published_files(folder: Path) -> list[tuple[int, Path]]:
    """Number and file of every grid in a folder of published landscapes; none in any other."""
    return sorted(
        (int(match[1]), path)
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _FILE.fullmatch(path.name))
    )


def read_published_landscapes(
    folder: str | Path, resolution: int | None = None
) -> Iterator[PublishedLandscapes]:
    """The landscapes in a folder of published files, by ascending number of their grids.

    Args:
        folder: The folder of the files.
        resolution: Refuse images of another number of pixels along each axis; unless given, all
            must be of the first one's.

    Raises:
        RunFolderError: There are no such files, or images of another size.
        CorruptFileError: A file is damaged, or not in this layout.
        StorageError: A file cannot be read.
    """
    files = published_files(Path(folder))
    if not files:
        raise RunFolderError(
            f"{str(folder)!r} holds no published landscapes: no heatmap_grid_00001.h5 or the like"
        )
    for grid_id, path in files:
        found = _read(path, grid_id)
        size = found.not_returned.shape[1:]
        resolution = size[0] if resolution is None else resolution
        if size != (resolution, resolution):
            raise RunFolderError(
                f"{str(path)!r} holds images of {size[0]} × {size[1]} pixels, expected "
                f"{resolution} × {resolution}"
            )
        yield found


def _read(path: Path, grid_id: int) -> PublishedLandscapes:
    def read(file: Any) -> tuple[list[np.ndarray], ...]:
        group = file[f"grids/{grid_id}"]
        arrays = [group[name][()] for name in ("edge_index", "edge_attr", "node_features")]
        nodes = range(1, arrays[2].size + 1)
        if f"basin_heatmap_{arrays[2].size + 1}" in file:
            raise ValueError("it has more images than nodes")
        images, samples = (
            [np.asarray(file[f"{name}_heatmap_{node}"][()], np.float64) for node in nodes]
            for name in ("basin", "samples")
        )
        return arrays, images, samples

    arrays, images, samples = read_hdf5(path, read)
    try:
        edge_index, edge_attr, power = arrays
        grid = published_grid(edge_index, edge_attr.ravel(), power.ravel(), name=f"grid-{grid_id}")
        found = PublishedLandscapes(grid_id, grid, np.stack(images), np.stack(samples))
        share, counted = found.not_returned, found.samples
        if share.ndim != 3 or share.shape != counted.shape:
            raise ValueError(f"images have shape {share.shape[1:]} and {counted.shape[1:]}")
        if not ((share >= 0) & (share <= 1))[counted > 0].all() or not (counted >= 0).all():
            raise ValueError("a share is not within 0 and 1, or a number of samples is negative")
        if not (counted.sum(axis=(1, 2)) > 0).all():
            raise ValueError("a node has no perturbations")
    except ValueError as error:
        raise CorruptFileError.because(
            "read", path, f"it holds no published landscapes: {error}"
        ) from error
    return found
