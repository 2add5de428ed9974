"""All grids of a split in a few files: ``input_data.h5``, ``snbs.h5``, ``tm.h5``, ``mfd.h5``.

The layout of the study of 2023 (zenodo.8204334). Random grids lie in ``ds20/train``, ``ds20/valid``
and ``ds20/test``, 70, 15 and 15 % of them in the order of their global numbers, which are the keys
in every file; a single grid of a case lies in a folder of its own, without split, as ``texas``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.storage import CorruptFileError, create_dataset, read_hdf5, write_hdf5
from gridstab.datasets.labelled_grid import LabelledGrid, published_arrays, published_grid

SPLITS = ("train", "valid", "test")
_LABELS: dict[str, str] = {
    "snbs": "snbs",
    "mfd": "max_frequency_deviation",
    "tm": "troublemaker",
}
"""Published file of each label that is one."""


@dataclass(frozen=True)
class SplitLayout:
    """See :class:`gridstab.datasets.layouts.Layout`."""

    name: str

    def recognises(self, folder: Path) -> bool:
        """Whether there is an ``input_data.h5`` at one of its places."""
        return bool(_places(folder))

    def read(self, folder: Path) -> Iterator[LabelledGrid]:
        """The grids of all splits in ascending order; the layout knows no survivability.

        Raises:
            CorruptFileError: A file is damaged or not in this layout, or a grid has no label.
            StorageError: ``snbs.h5`` is missing.
        """
        where = {key: place for place in _places(folder) for key in _keys(place)}
        for key in sorted(where, key=int):
            yield _read(where[key], key)

    def write(self, folder: Path, grids: Iterable[LabelledGrid], dataset: str) -> None:
        """Four files a split in ``folder/dataset``.

        Raises:
            StorageError: A file cannot be written.
        """
        # A split is one file, which is written as a whole; labels are small beside the run.
        everything = list(grids)
        if len(everything) == 1 and not dataset.startswith("ds"):
            _write(folder / dataset, everything)
            return
        start = 0
        for split, stop in zip(SPLITS, split_ends(everything[-1].grid_id), strict=True):
            part = [labelled for labelled in everything if start < labelled.grid_id <= stop]
            if part:
                _write(folder / dataset / split, part)
            start = stop


def split_ends(grids: int) -> tuple[int, int, int]:
    """Where the training, validation and test grids end: 70, 15 and 15 %.

    >>> split_ends(10_000)
    (7000, 8500, 10000)
    """
    return round(0.7 * grids), round(0.85 * grids), grids


def _places(folder: Path) -> list[Path]:
    """The folders that hold an ``input_data.h5``: this one, its splits, or those of its child."""
    for pattern in ("input_data.h5", "*/input_data.h5", "*/*/input_data.h5"):
        found = sorted(file.parent for file in folder.glob(pattern))
        if found:
            return found
    return []


def _keys(place: Path) -> list[str]:
    path = place / "input_data.h5"
    keys = read_hdf5(path, lambda file: list(file["grids"]))
    strange = [key for key in keys if not key.isdecimal()]
    if strange:
        raise CorruptFileError.because("read", path, f"grid {strange[0]!r} has no number")
    return keys


def _read(place: Path, key: str) -> LabelledGrid:
    arrays = read_hdf5(
        place / "input_data.h5",
        lambda file: [
            file["grids"][key][name][()] for name in ("edge_index", "edge_attr", "node_features")
        ],
    )
    arrays[2] = arrays[2].reshape(len(arrays[2]), -1)[:, 0]
    deviation, troublemaker = place / "mfd.h5", place / "tm.h5"
    return LabelledGrid(
        grid_id=int(key),
        grid=published_grid(*arrays, name=f"grid-{key}"),
        snbs=_label(place / "snbs.h5", key),
        max_frequency_deviation=_label(deviation, key) if deviation.is_file() else None,
        troublemaker=_label(troublemaker, key).astype(int) if troublemaker.is_file() else None,
    )


def _label(path: Path, key: str) -> np.ndarray:
    return read_hdf5(path, lambda file: np.asarray(file[key][()], np.float64).ravel())


def _write(place: Path, part: list[LabelledGrid]) -> None:
    def inputs(file: Any) -> None:
        for labelled in part:
            group = file.create_group(f"grids/{labelled.grid_id}")
            arrays = published_arrays(labelled.grid)
            create_dataset(group, "node_features", arrays["P"])
            create_dataset(group, "edge_index", arrays["edge_index"])
            create_dataset(group, "edge_attr", arrays["edge_attr"])

    def labels(field: str) -> Callable[[Any], None]:
        def fill(file: Any) -> None:
            for labelled in part:
                create_dataset(file, str(labelled.grid_id), getattr(labelled, field))

        return fill

    place.mkdir(parents=True, exist_ok=True)
    write_hdf5(place / "input_data.h5", inputs)
    for stem, field in _LABELS.items():
        if all(getattr(labelled, field) is not None for labelled in part):
            write_hdf5(place / f"{stem}.h5", labels(field))
