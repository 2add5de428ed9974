"""Whether the arrays of a packed set can be what was packed, whoever wrote the file."""

from collections.abc import Mapping

import numpy as np

_GRIDS = ("grid_id", "num_nodes", "num_lines")
_NODES = ("power", "inertia", "damping", "n_samples", "n_stable")
_NODES_IF_KNOWN = ("n_survived", "n_undecided", "max_frequency_deviation", "troublemaker")
_LINES = ("lines", "coupling")
_LANDSCAPES = ("landscape_bits", "resolution", "domega_range")

_LARGEST_WHOLE = 2**53
"""Above it, floating-point numbers skip whole ones."""

_BITS_SET = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1)
"""How many bits of a byte are 1, shape ``(256,)``."""


def require_columns(columns: Mapping[str, np.ndarray]) -> None:
    """Refuse arrays that are no packed set, or hold impossible numbers.

    Grids themselves are checked when they are made.

    Args:
        columns: The arrays of all grids, end to end, by name.

    Raises:
        ValueError: An array is missing, has a wrong shape, or holds an impossible number; one line
            that names the array and the number.
    """
    landscapes = [name for name in _LANDSCAPES if name in columns]
    needed = (*_GRIDS, *_NODES, *_LINES, *(_LANDSCAPES if landscapes else ()))
    for name in needed:
        if name not in columns:
            raise ValueError(f"it lacks {name}")
    for name, values in columns.items():
        if values.dtype.kind not in "iuf":
            raise ValueError(f"{name} holds no numbers but {values.dtype}")
    grids = len(columns["grid_id"]) if columns["grid_id"].ndim else 0
    if grids == 0:
        raise ValueError("grid_id names no grid")
    for name in _GRIDS:
        _require_shape(columns, name, (grids,), "grids")
        _require_whole(columns, name, 1 if name == "num_nodes" else 0)
    ids, times = np.unique(columns["grid_id"], return_counts=True)
    if times.max() > 1:
        raise ValueError(f"grid_id names grid {ids[times.argmax()]:g} {times.max()} times")
    nodes, lines = (sum(columns[name].astype(int).tolist()) for name in ("num_nodes", "num_lines"))
    for name in (*_NODES, *_NODES_IF_KNOWN):
        if name in columns:
            _require_shape(columns, name, (nodes,), "nodes")
    if "coordinates" in columns:
        _require_shape(columns, "coordinates", (nodes, 2), "nodes")
    _require_shape(columns, "lines", (lines, 2), "lines")
    _require_shape(columns, "coupling", (lines,), "lines")
    _require_whole(columns, "lines", 0)
    _require_labels(columns)
    if landscapes:
        _require_landscapes(columns, nodes)


def _require_labels(columns: Mapping[str, np.ndarray]) -> None:
    _require_whole(columns, "n_samples", 1)
    samples = columns["n_samples"].astype(np.int64)
    for name in ("n_stable", "n_survived", "n_undecided"):
        if name in columns:
            _require_whole(columns, name, 0)
            counts = columns[name]
            _require(name, counts, counts <= samples, "at most n_samples of the same node")
    if "n_undecided" in columns:
        stable, undecided = (columns[name].astype(np.int64) for name in ("n_stable", "n_undecided"))
        fits = stable + undecided <= samples
        _require("n_undecided", undecided, fits, "at most n_samples less n_stable")
    if "troublemaker" in columns:
        labels = columns["troublemaker"]
        _require("troublemaker", labels, (labels == 0) | (labels == 1), "0 or 1")
    if "max_frequency_deviation" in columns:
        deviation = columns["max_frequency_deviation"]
        good = np.isfinite(deviation) & (deviation >= 0)
        _require("max_frequency_deviation", deviation, good, "finite and not negative")


def _require_landscapes(columns: Mapping[str, np.ndarray], nodes: int) -> None:
    grids = len(columns["grid_id"])
    for name in ("resolution", "domega_range"):
        _require_shape(columns, name, (grids,), "grids")
    _require_whole(columns, "resolution", 1)
    largest = columns["domega_range"]
    _require("domega_range", largest, np.isfinite(largest) & (largest > 0), "finite and positive")
    bits = columns["landscape_bits"]
    if bits.ndim != 2 or len(bits) != nodes:
        raise ValueError(
            f"landscape_bits has shape {bits.shape}, not a row for each of {nodes} nodes"
        )
    # Bytes that are all small are kept as signed ones.
    _require("landscape_bits", bits, (bits >= 0) & (bits <= 255) & (bits % 1 == 0), "a byte")
    size = columns["resolution"].astype(np.int64)
    fits = -(-(size**2) // 8) == bits.shape[1]
    _require("resolution", size, fits, f"that of pixels in {bits.shape[1]} bytes a node")
    pixels = np.repeat(size**2, columns["num_nodes"].astype(np.int64))
    samples, stable = columns["n_samples"], columns["n_stable"]
    _require("n_samples", samples, samples == pixels, "the number of pixels of a landscape")
    returned = _BITS_SET[bits.astype(np.uint8)].sum(axis=1)
    _require("n_stable", stable, stable == returned, "the number of pixels that return")


def _require_shape(
    columns: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...], what: str
) -> None:
    found = columns[name].shape
    if found != shape:
        raise ValueError(f"{name} has shape {found}, not {shape} for {shape[0]:,} {what}")


def _require_whole(columns: Mapping[str, np.ndarray], name: str, least: int) -> None:
    values = columns[name]
    good = (values >= least) & (values <= _LARGEST_WHOLE)
    if values.dtype.kind == "f":
        good &= values % 1 == 0
    _require(name, values, good, f"a whole number from {least}")


def _require(name: str, values: np.ndarray, good: np.ndarray, must_be: str) -> None:
    if not good.all():
        first = np.argwhere(~good)[0]
        place = ", ".join(map(str, first.tolist()))
        raise ValueError(f"{name} is {values[tuple(first)]:.9g} at {place}, must be {must_be}")
