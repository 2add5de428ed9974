"""Three labelled sets that come with the package: ds20, ds100 and texas.

They are simulated by the campaigns ``simulations/campaigns/benchmark-*.toml`` and packed: one
HDF5 file a set, all grids one after the other, every number in the smallest type that holds it
exactly. Grids, counts and labels come back as they were; what no label needs (histograms, stopping
reasons, operating points) stays in the run folder.

>>> from gridstab.datasets.benchmark import BENCHMARK_SETS
>>> BENCHMARK_SETS
('ds20', 'ds100', 'texas')
"""

import json
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.storage import CorruptFileError, create_dataset, read_hdf5, write_hdf5
from gridstab.datasets.counted_grid import CountedGrid
from gridstab.datasets.run_folder import RunConfig, RunFolder
from gridstab.errors import InvalidGridError, InvalidParameterError, RunFolderError
from gridstab.grids.power_grid import PowerGrid

__all__ = ["BENCHMARK_SETS", "benchmark_path", "origin", "pack", "unpack"]

BENCHMARK_SETS = ("ds20", "ds100", "texas")
"""Names of the packaged sets."""

_FORMAT = 1
_GRID_FIELDS = ("power", "inertia", "damping")
_COUNT_FIELDS = ("n_samples", "n_stable", "n_survived", "n_undecided")
_LABEL_FIELDS = ("max_frequency_deviation", "troublemaker")
_INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64)


def benchmark_path(name: str) -> Path:
    """The file of a packaged set.

    Raises:
        InvalidParameterError: There is no set of that name.
    """
    path = Path(str(files("gridstab.datasets.benchmark") / f"{name}.h5"))
    if name not in BENCHMARK_SETS or not path.is_file():
        there = [known for known in BENCHMARK_SETS if path.with_name(f"{known}.h5").is_file()]
        raise InvalidParameterError(
            f"there is no packaged set {name!r}; choose one of {', '.join(there) or 'none'}"
        )
    return path


def pack(run_folder: str | Path, file: str | Path) -> Path:
    """Write the grids, counts and labels of a complete run into one compact file.

    Args:
        run_folder: A run folder, simulated or imported.
        file: The file to create or replace; its stem becomes the name of the set.

    Raises:
        RunFolderError: No run folder, or an unfinished one.
        StorageError: A file cannot be read or written.
    """
    folder, file = RunFolder.open(run_folder), Path(file)
    if not folder.is_complete:
        raise RunFolderError(f"{str(run_folder)!r} is unfinished; continue it with --resume first")
    grids = [CountedGrid.read(folder, grid_id) for grid_id in folder.grid_ids]
    columns: dict[str, np.ndarray] = {
        "grid_id": np.array([item.grid_id for item in grids]),
        "num_nodes": np.array([item.grid.num_nodes for item in grids]),
        "num_lines": np.array([item.grid.num_lines for item in grids]),
        "lines": np.concatenate([item.grid.lines for item in grids]),
        "coupling": np.concatenate([item.grid.coupling for item in grids]),
    }
    for name in _GRID_FIELDS:
        columns[name] = np.concatenate([getattr(item.grid, name) for item in grids])
    for name in (*_COUNT_FIELDS, *_LABEL_FIELDS):
        if all(getattr(item, name) is not None for item in grids):
            columns[name] = np.concatenate([getattr(item, name) for item in grids])
    if all(item.grid.coordinates is not None for item in grids):
        # Positions are for drawing; seven digits are more than any picture shows.
        positions = np.concatenate([item.grid.coordinates for item in grids])
        columns["coordinates"] = positions.astype(np.float32)

    def fill(opened: Any) -> None:
        opened.attrs["format"] = _FORMAT
        opened.attrs["origin"] = json.dumps(
            folder.config.model_dump(exclude_none=True), sort_keys=True
        )
        for name, values in columns.items():
            create_dataset(opened, name, _smallest(values))

    write_hdf5(file, fill)
    return file


def unpack(file: str | Path) -> list[CountedGrid]:
    """The grids of a packed set, by ascending number; the inverse of :func:`pack`.

    Raises:
        CorruptFileError: The file is damaged or no packed set.
        StorageError: The file cannot be read.
    """
    path = Path(file)

    def read(opened: Any) -> dict[str, np.ndarray]:
        _require_format(opened)
        return {name: opened[name][()] for name in opened}

    columns = read_hdf5(path, read)
    try:
        return list(_grids(path.stem, columns))
    except (IndexError, InvalidGridError, KeyError, ValueError) as error:
        raise CorruptFileError.because("read", path, f"it is no packed set: {error}") from error


def origin(file: str | Path) -> RunConfig:
    """The configuration of the run of which a packed set was made.

    Raises:
        CorruptFileError: The file is damaged or no packed set.
        StorageError: The file cannot be read.
    """

    def read(opened: Any) -> RunConfig:
        _require_format(opened)
        try:
            return RunConfig.model_validate(json.loads(opened.attrs["origin"]))
        except ValueError as error:  # pydantic's own class of errors is derived from it
            raise ValueError(f"its origin is not readable: {error}") from error

    return read_hdf5(path=file, read=read)


def _require_format(opened: Any) -> None:
    if opened.attrs.get("format") != _FORMAT or "num_nodes" not in opened:
        raise ValueError("it is no packed set of this version")


def _grids(name: str, columns: dict[str, np.ndarray]) -> Iterator[CountedGrid]:
    """Cuts the columns apart again."""
    counts = {key: columns[key].astype(np.int64) for key in _COUNT_FIELDS if key in columns}
    nodes, lines = (
        [slice(*ends) for ends in pairwise(np.r_[0, np.cumsum(columns[key], dtype=np.int64)])]
        for key in ("num_nodes", "num_lines")
    )
    for grid_id, node, line in zip(columns["grid_id"].tolist(), nodes, lines, strict=True):
        of_nodes: dict[str, Any] = {
            key: columns[key][node].astype(np.float64) for key in _GRID_FIELDS
        }
        grid = PowerGrid.from_arrays(
            columns["lines"][line].astype(np.int64),
            coupling=columns["coupling"][line].astype(np.float64),
            coordinates=columns["coordinates"][node] if "coordinates" in columns else None,
            name=f"{name}-{grid_id}",
            **of_nodes,
        )
        of_grid = {key: values[node] for key, values in counts.items()}
        samples = of_grid["n_samples"]
        deviation, troublemaker = (
            columns[key][node] if key in columns else None for key in _LABEL_FIELDS
        )
        yield CountedGrid(
            grid_id=grid_id,
            grid=grid,
            snbs=of_grid["n_stable"] / samples,
            survivability=of_grid["n_survived"] / samples if "n_survived" in of_grid else None,
            max_frequency_deviation=deviation,
            troublemaker=None if troublemaker is None else troublemaker.astype(np.int64),
            **of_grid,
        )


def _smallest(values: np.ndarray) -> np.ndarray:
    """The same numbers in the smallest integer type that holds them, if any does."""
    if values.dtype == np.float32:
        return values
    for integer in _INTEGERS:
        bounds = np.iinfo(integer)
        if values.size == 0 or (bounds.min <= values.min() and values.max() <= bounds.max):
            narrow = values.astype(integer)
            return narrow if np.array_equal(narrow, values) else values
    return values
