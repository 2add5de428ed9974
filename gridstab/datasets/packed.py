"""Packed sets: all labels of a run in one compact file, with a checksum over every number.

All grids lie one after the other, every number in the smallest type that holds it exactly, such as
counts of up to 255 trajectories in one byte. Grids, counts, labels and stability landscapes come
back as they were; what no label needs (histograms, stopping reasons, operating points) stays in the
run folder.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.storage import (
    CorruptFileError,
    StorageError,
    check_seal,
    create_dataset,
    read_hdf5,
    seal_of,
    write_hdf5,
)
from gridstab.arguments import as_path
from gridstab.datasets.counted_grid import CountedGrid, Sampler
from gridstab.datasets.landscape_folder import (
    TAG,
    LandscapeConfig,
    LandscapeFolder,
    holds_landscapes,
)
from gridstab.datasets.landscape_labels import read_landscape_grids
from gridstab.datasets.packed_checks import require_columns
from gridstab.datasets.run_folder import RunConfig, RunFolder
from gridstab.errors import InvalidGridError, RunFolderError
from gridstab.grids.power_grid import PowerGrid

_FORMAT = 1
_GRID_FIELDS = ("power", "inertia", "damping")
_COUNT_FIELDS = ("n_samples", "n_stable", "n_survived", "n_undecided")
_LABEL_FIELDS = ("max_frequency_deviation", "troublemaker")
_SCRAMBLES = "scramble_stable"
_INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64)


def pack(
    run_folder: str | Path,
    file: str | Path,
    *,
    positions: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the grids, counts and labels of a complete run into one compact file.

    Args:
        run_folder: A run folder, simulated or imported, or a folder of stability landscapes.
        file: The file to create or replace; its stem becomes the name of the set.
        positions: Whether to keep where nodes are drawn, which is half of a file of random grids,
            and which neither labels nor features need.
        on_progress: Called with the grids that were read, and the number of all.

    Raises:
        RunFolderError: No run folder, or an unfinished one, or one of impossible numbers.
        StorageError: A file cannot be read or written.
    """
    source, file = as_path("run_folder", run_folder), as_path("file", file)
    landscapes = holds_landscapes(source)
    folder = LandscapeFolder.open(source) if landscapes else RunFolder.open(source)
    if not folder.is_complete:
        raise RunFolderError(f"{str(run_folder)!r} is unfinished; continue it with --resume first")
    grids = (
        read_landscape_grids(folder)
        if isinstance(folder, LandscapeFolder)
        else (CountedGrid.read(folder, grid_id) for grid_id in folder.grid_ids)
    )
    columns = _columns(grids, len(folder.grid_ids), on_progress)
    if not positions:
        columns.pop("coordinates", None)
    try:
        require_columns(columns)
    except ValueError as error:
        raise RunFolderError(f"{str(run_folder)!r} holds what no labels can be: {error}") from error
    text = json.dumps(folder.config.model_dump(exclude_none=True), sort_keys=True)

    def fill(opened: Any) -> None:
        opened.attrs["format"] = _FORMAT
        opened.attrs["origin"] = text
        opened.attrs["seal"] = seal_of({"origin": text}, columns)
        for name, values in columns.items():
            create_dataset(opened, name, values)

    write_hdf5(file, fill)
    return file


def unpack(file: str | Path) -> list[CountedGrid]:
    """The grids of a packed set, by ascending number; the inverse of :func:`pack`.

    Raises:
        CorruptFileError: The file is cut off, changed, or no packed set, or holds impossible
            numbers, such as more trajectories that returned than there were. Files of versions
            without checksums are read without.
        StorageError: The file cannot be read.
    """
    path = Path(file)

    def read(opened: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        _require_format(opened)
        return {name: opened[name][()] for name in opened}, dict(opened.attrs)

    columns, attributes = read_hdf5(path, read)
    seal = attributes.get("seal")
    if seal is not None:
        check_seal(path, str(seal), {"origin": str(attributes.get("origin"))}, columns)
    try:
        require_columns(columns)
        sampler = _sampler(json.loads(str(attributes.get("origin", "{}"))))
        return list(_grids(path.stem, columns, sampler))
    except (AttributeError, LookupError, InvalidGridError, ValueError) as error:
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
            values = json.loads(opened.attrs["origin"])
            of_landscapes = isinstance(values, dict) and values.get("kind") == TAG
            return (LandscapeConfig if of_landscapes else RunConfig).model_validate(values)
        except ValueError as error:  # pydantic's own class of errors is derived from it
            raise ValueError(f"its origin is not readable: {error}") from error

    return read_hdf5(path=file, read=read)


def verify_packed(file: str | Path) -> list[str]:
    """Every problem of a packed set, one line each; none where all is well.

    Files of versions without checksums have that as their problem.
    """

    def has_seal(opened: Any) -> bool:
        return "seal" in opened.attrs

    try:
        config, grids = origin(file), unpack(file)
        made = config.campaign or config.imported
        problems = [] if read_hdf5(file, has_seal) else ["it carries no checksum; pack it again"]
    except StorageError as error:
        return [str(error)]
    if made is not None and len(grids) != made.grids:
        problems.append(f"{len(grids)} of {made.grids} grids are there")
    return problems


def _columns(
    grids: Iterable[CountedGrid], total: int, on_progress: Callable[[int, int], None] | None
) -> dict[str, np.ndarray]:
    """Everything of all grids, end to end; what not all of them know is left out."""
    parts: dict[str, list[np.ndarray]] = {}
    missing: set[str] = set()
    for number, item in enumerate(grids, 1):
        grid = item.grid
        values: dict[str, Any] = {
            "grid_id": [item.grid_id],
            "num_nodes": [grid.num_nodes],
            "num_lines": [grid.num_lines],
            "lines": grid.lines,
            "coupling": grid.coupling,
            **{name: getattr(grid, name) for name in _GRID_FIELDS},
            **{name: getattr(item, name) for name in (*_COUNT_FIELDS, *_LABEL_FIELDS, _SCRAMBLES)},
            **_landscape_columns(item),
            # Positions are for drawing; seven digits are more than any picture shows.
            "coordinates": None if grid.coordinates is None else np.float32(grid.coordinates),
        }
        for name, value in values.items():
            if value is None:
                missing.add(name)
            else:
                parts.setdefault(name, []).append(_smallest(np.asarray(value)))
        if on_progress is not None:
            on_progress(number, total)
    return {
        name: _smallest(np.concatenate(several))
        for name, several in parts.items()
        if name not in missing
    }


def _landscape_columns(item: CountedGrid) -> dict[str, Any]:
    """Pixels that return or do not, eight in a byte."""
    if item.landscape is None:
        return {"landscape_bits": None, "resolution": None, "domega_range": None}
    pixels = item.landscape.reshape(len(item.landscape), -1)
    assert np.isin(pixels, (0, 1)).all()
    return {
        "landscape_bits": np.packbits(pixels > 0, axis=1),
        "resolution": [item.landscape.shape[1]],
        "domega_range": [item.domega_range],
    }


def _require_format(opened: Any) -> None:
    if opened.attrs.get("format") != _FORMAT or "num_nodes" not in opened:
        raise ValueError("it is no packed set of this version")


def _sampler(origin: dict[str, Any]) -> Sampler:
    """Where the perturbations of a run lie, by its configuration."""
    if origin.get("kind") == TAG:
        return "raster"
    return "sobol" if origin.get("campaign", {}).get("sampler") == "sobol" else "mc"


def _grids(name: str, columns: dict[str, np.ndarray], sampler: Sampler) -> Iterator[CountedGrid]:
    """Cuts the columns apart again."""
    counts = {key: columns[key].astype(np.int64) for key in _COUNT_FIELDS if key in columns}
    scrambles = columns.get(_SCRAMBLES, np.zeros((0, 0))).astype(np.int64)
    nodes, lines = (
        [slice(*ends) for ends in pairwise(np.r_[0, np.cumsum(columns[key], dtype=np.int64)])]
        for key in ("num_nodes", "num_lines")
    )
    for index, (grid_id, node, line) in enumerate(
        zip(columns["grid_id"].tolist(), nodes, lines, strict=True)
    ):
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
        of_grid: dict[str, Any] = {key: values[node] for key, values in counts.items()}
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
            **_landscape_of(columns, index, node),
            **of_grid,
            sampler=sampler,
            # Versions before did not keep them.
            scramble_stable=scrambles[node] if _SCRAMBLES in columns else None,
        )


def _landscape_of(columns: dict[str, np.ndarray], index: int, node: slice) -> dict[str, Any]:
    if "landscape_bits" not in columns:
        return {}
    size = int(columns["resolution"][index])
    bits = columns["landscape_bits"][node].astype(np.uint8)
    pixels = np.unpackbits(bits, axis=1, count=size**2)
    return {
        "landscape": pixels.reshape(-1, size, size).astype(np.float32),
        "domega_range": float(columns["domega_range"][index]),
    }


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
