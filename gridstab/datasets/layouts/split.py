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

from gnncore.storage import CorruptFileError, create_dataset, make_folder, read_hdf5, write_hdf5
from gridstab.datasets.labelled_grid import LabelledGrid, published_arrays, published_grid

SPLITS = ("train", "valid", "test")
"""Names of the splits, in the order of the grids' numbers."""

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
        """Whether there is an ``input_data.h5`` in one of its folders."""
        return bool(_folders(folder))

    def read(self, folder: Path) -> Iterator[LabelledGrid]:
        """The grids of all splits in ascending order; the layout knows no survivability.

        Raises:
            CorruptFileError: A file is damaged or not in this layout, or a grid has no label.
            StorageError: ``snbs.h5`` is missing.
        """
        grids = [labelled for split in _folders(folder) for labelled in _read(split)]
        yield from sorted(grids, key=lambda labelled: labelled.grid_id)

    def splits(self, folder: Path) -> dict[str, list[int]]:
        """The numbers of the grids in each of the folders ``train``, ``valid`` and ``test``.

        A folder that is not split has none.

        Raises:
            CorruptFileError: A file is damaged or not in this layout.
        """
        return {
            split.name: sorted(map(int, _keys(split)))
            for split in _folders(folder)
            if split.name in SPLITS
        }

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


def _folders(folder: Path) -> list[Path]:
    """The folders that hold an ``input_data.h5``: this one, its splits, or those of its child."""
    for pattern in ("input_data.h5", "*/input_data.h5", "*/*/input_data.h5"):
        found = sorted(file.parent for file in folder.glob(pattern))
        if found:
            return found
    return []


def _keys(folder: Path) -> list[str]:
    path = folder / "input_data.h5"
    return read_hdf5(path, lambda file: _numbers(path, file["grids"]))


def _numbers(path: Path, group: Any) -> list[str]:
    keys = list(group)
    unexpected = [key for key in keys if not key.isdecimal()]
    if unexpected:
        raise CorruptFileError.because("read", path, f"grid {unexpected[0]!r} has no number")
    return keys


def _read(folder: Path) -> list[LabelledGrid]:
    """All grids of a folder; every file is checked and read once, not once a grid."""
    path = folder / "input_data.h5"
    names = ("edge_index", "edge_attr", "node_features")

    def read(file: Any) -> dict[str, list[np.ndarray]]:
        grids = file["grids"]
        return {key: [grids[key][name][()] for name in names] for key in _numbers(path, grids)}

    inputs = read_hdf5(path, read)
    labels = {
        field: _labels(folder / f"{stem}.h5", list(inputs))
        for stem, field in _LABELS.items()
        if stem == "snbs" or (folder / f"{stem}.h5").is_file()
    }
    if "troublemaker" in labels:
        labels["troublemaker"] = {
            key: values.astype(int) for key, values in labels["troublemaker"].items()
        }
    return [
        LabelledGrid(
            grid_id=int(key),
            grid=published_grid(
                edge_index,
                edge_attr,
                _power(path, key, features),
                name=f"grid-{key}",
            ),
            **{field: values[key] for field, values in labels.items()},
        )
        for key, (edge_index, edge_attr, features) in inputs.items()
    ]


def _power(path: Path, key: str, features: np.ndarray) -> np.ndarray:
    columns = features.shape[1:]
    if columns not in ((), (1,)):
        raise CorruptFileError.because(
            "read",
            path,
            f"node_features of grid {key} has shape {features.shape}, of which the published files "
            "have one column, the power; keep that column alone",
        )
    return features.ravel()


def _labels(path: Path, keys: list[str]) -> dict[str, np.ndarray]:
    return read_hdf5(
        path, lambda file: {key: np.asarray(file[key][()], np.float64).ravel() for key in keys}
    )


def _write(folder: Path, part: list[LabelledGrid]) -> None:
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

    make_folder(folder)
    write_hdf5(folder / "input_data.h5", inputs)
    for stem, field in _LABELS.items():
        if all(getattr(labelled, field) is not None for labelled in part):
            write_hdf5(folder / f"{stem}.h5", labels(field))
