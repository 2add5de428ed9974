"""One HDF5 file a grid: the published per-grid layout, and the counts behind its labels.

The published datasets are ``edge_index`` (one row a directed line, 1-based, both directions of a
line in consecutive rows), ``edge_attr`` (coupling), ``P`` (power), ``snbs`` and ``surv``. Beside
them are the fields of :class:`NodeCounts`, the operating point, the nodes' parameters and, where
nodes are called something else than their numbers, ``node_labels``. Grids that were imported from
published files hold what those files know.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.storage import (
    CorruptFileError,
    Owner,
    check_seal,
    create_dataset,
    encode_hdf5,
    read_hdf5,
    seal_of,
    write_bytes,
)
from gridstab.datasets.labelled_grid import (
    LabelledGrid,
    label_arrays,
    published_arrays,
    published_grid,
)
from gridstab.dynamics.counts import NodeCounts
from gridstab.dynamics.result import SURVIVABILITY_BOUND, StabilityResult
from gridstab.errors import RunFolderError
from gridstab.grids.power_grid import PowerGrid

COUNTS = tuple(field.name for field in fields(NodeCounts))


def encode_result(grid_id: int, seed: int, result: StabilityResult, theta: np.ndarray) -> bytes:
    """The file of a simulated grid.

    Args:
        grid_id: Global number of the grid.
        seed: Seed of the campaign.
        result: What was simulated.
        theta: Phases of the operating point [rad], shape ``(nodes,)``.
    """
    grid = result.grid
    arrays: dict[str, np.ndarray] = {
        **published_arrays(grid),
        "snbs": result.snbs,
        "surv": result.survivability,
        "inertia": grid.inertia,
        "damping": grid.damping,
        "theta": theta,
        **{name: getattr(result, name) for name in COUNTS},
    }
    if grid.coordinates is not None:
        arrays["coordinates"] = grid.coordinates
    if grid.has_own_labels:
        arrays["node_labels"] = np.array(grid.labels)
    return encode_arrays(arrays, {"grid_id": grid_id, "seed": seed, "name": grid.name})


def read_result(path: Path, settings: dict[str, object] | None = None) -> StabilityResult:
    """The result in the file of a simulated grid.

    Args:
        path: The file.
        settings: Becomes ``result.settings``.

    Raises:
        CorruptFileError: The file is damaged or no grid file.
        RunFolderError: The grid was imported and holds labels only.
    """
    arrays, attributes = read_arrays(path)
    if "max_frequency_counts" not in arrays:
        raise RunFolderError(f"{str(path)!r} was imported and holds labels, no simulated counts")
    try:
        counts = NodeCounts(**{name: arrays[name] for name in COUNTS})
        grid = grid_of(arrays, attributes)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFileError.because("read", path, f"it is no grid file: {error}") from error
    return StabilityResult.of(grid, counts, settings or {})


def read_theta(path: Path) -> np.ndarray:
    """The operating point of a simulated grid [rad], shape ``(nodes,)``.

    Raises:
        CorruptFileError: The file is damaged or holds none.
    """
    return read_hdf5(path, lambda file: file["theta"][()])


def encode_imported(labelled: LabelledGrid, samples: int) -> bytes:
    """The file of a grid whose labels stem from ``samples`` trajectories a node.

    Raises:
        RunFolderError: A label does not fit the grid, or is no multiple of 1/samples.
    """
    arrays = {
        **published_arrays(labelled.grid),
        "inertia": labelled.grid.inertia,
        "damping": labelled.grid.damping,
        **label_arrays(labelled, samples),
    }
    return encode_arrays(arrays, {"grid_id": labelled.grid_id, "name": labelled.grid.name})


def read_labels(path: Path) -> LabelledGrid:
    """The labels of a grid, simulated or imported.

    Raises:
        CorruptFileError: The file is damaged or no grid file.
    """
    arrays, attributes = read_arrays(path)
    try:
        deviation = arrays.get("max_frequency_deviation")
        troublemaker = arrays.get("troublemaker")
        if troublemaker is None and deviation is not None:
            troublemaker = (deviation > SURVIVABILITY_BOUND).astype(np.int64)
        return LabelledGrid(
            grid_id=grid_id_of(attributes["grid_id"]),
            grid=grid_of(arrays, attributes),
            snbs=arrays["snbs"],
            survivability=arrays.get("surv"),
            max_frequency_deviation=deviation,
            troublemaker=troublemaker,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFileError.because("read", path, f"it is no grid file: {error}") from error


def write_counts(path: Path, counts: NodeCounts, owner: Owner) -> None:
    """Create the file of a finished work unit.

    Args:
        path: The file.
        counts: What was simulated.
        owner: The run and the unit, which the file names with a checksum over all.

    Raises:
        StorageError: The file cannot be written.
    """
    arrays = {name: getattr(counts, name) for name in COUNTS}
    write_bytes(path, encode_arrays(arrays, {"seal": seal_of(owner, arrays)}))


def read_counts(path: Path, owner: Owner) -> NodeCounts:
    """The counts of a finished work unit.

    Raises:
        CorruptFileError: The file is damaged, or of another run or unit than ``owner``.
        StorageError: The file is missing or cannot be read.
    """
    arrays, attributes = read_arrays(path)
    seal = attributes.get("seal")
    check_seal(path, seal if isinstance(seal, str) else None, owner, arrays)
    if set(arrays) != set(COUNTS):
        raise CorruptFileError.because("read", path, "it holds no counts of a work unit")
    return NodeCounts(**arrays)


def grid_id_of(value: Any) -> int:
    """The number of a grid as a file holds it.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, np.integer) or not 1 <= value < 2**31:
        raise ValueError(f"grid_id must be a whole number from 1, got {value!r}")
    return int(value)


def grid_arrays(grid: PowerGrid) -> dict[str, np.ndarray]:
    """All of a grid but its name, as grid files hold it."""
    arrays = {**published_arrays(grid), "inertia": grid.inertia, "damping": grid.damping}
    if grid.coordinates is not None:
        arrays["coordinates"] = grid.coordinates
    if grid.has_own_labels:
        arrays["node_labels"] = np.array(grid.labels)
    return arrays


def grid_of(arrays: dict[str, np.ndarray], attributes: dict[str, Any]) -> PowerGrid:
    """The grid in the contents of a file; the inverse of :func:`grid_arrays`.

    Raises:
        KeyError, TypeError, ValueError: They are no grid.
    """
    labels = arrays.get("node_labels")
    return published_grid(
        arrays["edge_index"],
        arrays["edge_attr"],
        arrays["P"],
        inertia=arrays["inertia"],
        damping=arrays["damping"],
        coordinates=arrays.get("coordinates"),
        name=str(attributes["name"]),
        labels=None if labels is None else [label.decode() for label in labels.tolist()],
    )


def encode_arrays(arrays: dict[str, np.ndarray], attributes: dict[str, Any]) -> bytes:
    """The HDF5 file of named arrays and attributes."""

    def fill(file: Any) -> None:
        for name, array in arrays.items():
            create_dataset(file, name, array)
        for name, value in attributes.items():
            file.attrs[name] = value

    return encode_hdf5(fill)


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All arrays and attributes of a file.

    Raises:
        StorageError: It is damaged, or cannot be read.
    """

    def read(file: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return {name: file[name][()] for name in file}, dict(file.attrs)

    return read_hdf5(path, read)
