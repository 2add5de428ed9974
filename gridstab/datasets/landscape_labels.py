"""Stability landscapes as labels to learn from: simulated folders, and published files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gridstab.datasets.counted_grid import CountedGrid
from gridstab.datasets.landscape_folder import GridLandscapes, LandscapeFolder
from gridstab.datasets.layouts.landscapes import PublishedLandscapes, read_published_landscapes
from gridstab.dynamics.engine import Status
from gridstab.dynamics.sampling import DOMEGA_RANGE
from gridstab.errors import DatasetError


def read_landscape_grids(folder: LandscapeFolder) -> Iterator[CountedGrid]:
    """The grids that are there, with images of zeros and ones; undecided pixels do not return.

    Raises:
        StorageError: A file is not what was stored.
    """
    campaign = folder.config.campaign
    assert campaign is not None
    for found in folder.all_landscapes():
        yield _simulated(found, campaign.domega_range)


def read_published_folder(folder: Path) -> list[CountedGrid]:
    """The grids of published files, with the share that returns in every pixel.

    Raises:
        DatasetError: A pixel without perturbations, of which no share is known.
        RunFolderError: Images of another size than the first.
        StorageError: A file is damaged, or cannot be read.
    """
    return [_published(found, folder) for found in read_published_landscapes(folder)]


def _simulated(found: GridLandscapes, domega_range: float) -> CountedGrid:
    returned = found.status == Status.RETURNED
    pixels = returned[0].size
    counts = returned.sum(axis=(1, 2))
    return CountedGrid(
        found.grid_id,
        found.grid,
        counts / pixels,
        n_samples=np.full(len(counts), pixels),
        n_stable=counts,
        n_undecided=found.n_undecided,
        landscape=returned.astype(np.float32),
        domega_range=domega_range,
        sampler="raster",
    )


def _published(found: PublishedLandscapes, folder: Path) -> CountedGrid:
    empty = np.argwhere(found.samples == 0)
    if len(empty):
        node, row, column = empty[0].tolist()
        raise DatasetError(
            f"the landscape of node {node} of grid {found.grid_id} in {str(folder)!r} has no "
            f"perturbation in its pixel ({row}, {column}), so that its share is not known; leave "
            "the grid out or take fewer pixels"
        )
    stable = ((1 - found.not_returned) * found.samples).sum(axis=(1, 2))
    samples = found.samples.sum(axis=(1, 2))
    # Shares that are rounded have no whole numbers behind them.
    counted = bool((np.abs(stable - np.rint(stable)) < 1e-6 * samples).all())
    return CountedGrid(
        found.grid_id,
        found.grid,
        found.snbs,
        n_samples=np.rint(samples).astype(np.int64) if counted else None,
        n_stable=np.rint(stable).astype(np.int64) if counted else None,
        landscape=(1 - found.not_returned).astype(np.float32),
        domega_range=DOMEGA_RANGE,
        sampler="raster",
    )
