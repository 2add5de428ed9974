"""One file a grid and label: ``grid_data_00001.h5``, ``snbs_00001.h5``, ``surv_00001.h5``.

The layout of the studies of 2021 (zenodo.5148085) and 2022 (zenodo.6572973). Node numbers are
1-based; both directions of a line are in consecutive rows of ``edge_index``.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.storage import create_dataset, read_hdf5, write_hdf5
from gridstab.datasets.labelled_grid import LabelledGrid, published_arrays, published_grid

_GRID = re.compile(r"grid_data_(\d+)\.h5")


@dataclass(frozen=True)
class PerGridLayout:
    """See :class:`gridstab.datasets.layouts.Layout`."""

    name: str

    def recognises(self, folder: Path) -> bool:
        """Whether there is any ``grid_data_*.h5``."""
        return any(_GRID.fullmatch(file.name) for file in folder.glob("grid_data_*.h5"))

    def read(self, folder: Path) -> Iterator[LabelledGrid]:
        """The grids in ascending order; survivability where its file is there.

        Raises:
            CorruptFileError: A file is damaged or not in this layout.
            StorageError: ``snbs`` of a grid is missing.
        """
        names = (_GRID.fullmatch(file.name) for file in folder.glob("grid_data_*.h5"))
        for number in sorted((match[1] for match in names if match), key=int):
            arrays = read_hdf5(
                folder / f"grid_data_{number}.h5",
                lambda file: [file[name][()] for name in ("edge_index", "edge_attr", "P")],
            )
            surv = folder / f"surv_{number}.h5"
            yield LabelledGrid(
                grid_id=int(number),
                grid=published_grid(*arrays, name=f"grid-{int(number)}"),
                snbs=_label(folder / f"snbs_{number}.h5", "snbs"),
                survivability=_label(surv, "surv") if surv.is_file() else None,
            )

    def write(self, folder: Path, grids: Iterable[LabelledGrid], dataset: str) -> None:
        """Two or three files a grid, straight in ``folder``.

        Raises:
            StorageError: A file cannot be written.
        """
        del dataset
        for labelled in grids:
            number = f"{labelled.grid_id:05d}"
            _write(folder / f"grid_data_{number}.h5", published_arrays(labelled.grid))
            _write(folder / f"snbs_{number}.h5", {"snbs": labelled.snbs})
            if labelled.survivability is not None:
                _write(folder / f"surv_{number}.h5", {"surv": labelled.survivability})


def _label(path: Path, name: str) -> np.ndarray:
    return read_hdf5(path, lambda file: np.asarray(file[name][()], np.float64))


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    def fill(file: Any) -> None:
        for name, array in arrays.items():
            create_dataset(file, name, array)

    write_hdf5(path, fill)
