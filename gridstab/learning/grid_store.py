"""Grids and labels, end to end in tensors that lose nothing, and back."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch_geometric.data import Data

from gnncore.training.graph_store import GraphStore, Level
from gridstab.datasets.counted_grid import CountedGrid
from gridstab.dynamics.intervals import scramble_interval, scramble_variance
from gridstab.errors import DatasetError
from gridstab.grids.power_grid import PowerGrid

_PARAMETERS = ("power", "inertia", "damping", "coordinates")
NODE_LABEL = "node_label"
"""What the nodes are called, as bytes, where any is called something else than its number."""

DOMEGA_RANGE = "domega_range"
"""Largest frequency offset of the landscapes of every grid [rad/s], where there are any."""

SAMPLED_EVENLY = "sampled_evenly"
"""Whether the perturbations of every node are spread evenly, where those of any are."""

SPREAD = "scramble_spread"
"""Variance of the basin stability of every node between scrambles, and both ends of its interval.

It is there where any are known, and NaN at the nodes of which none are.
"""

_LABELS = (
    "snbs",
    "survivability",
    "max_frequency_deviation",
    "troublemaker",
    "n_samples",
    "n_stable",
    "n_survived",
    "n_undecided",
    "landscape",
)


def grid_store(grids: Sequence[CountedGrid]) -> GraphStore:
    """The grids with what all of them know: parameters in double precision, labels and counts.

    Raises:
        DatasetError: A label does not fit its grid.
    """
    columns: dict[str, list[np.ndarray]] = {}
    for name in (*_PARAMETERS, *_LABELS):
        values = [getattr(item.grid if name in _PARAMETERS else item, name) for item in grids]
        if any(value is None for value in values):
            continue
        for item, value in zip(grids, values, strict=True):
            if len(value) != item.grid.num_nodes:
                raise DatasetError(
                    f"{name} of grid {item.grid_id} has {len(value)} entries, not one for each of "
                    f"its {item.grid.num_nodes} nodes"
                )
        columns[name] = values
    arrays = {name: np.concatenate(values) for name, values in columns.items()}
    arrays |= _noise_columns(grids)
    if any(item.grid.has_own_labels for item in grids):
        arrays[NODE_LABEL] = _as_bytes([label for item in grids for label in item.grid.labels])
    arrays["coupling"] = np.concatenate([item.grid.edge_attr for item in grids])
    arrays["edge_index"] = np.concatenate([item.grid.edge_index for item in grids], axis=1)
    arrays["grid_id"] = np.array([item.grid_id for item in grids])
    if "landscape" in arrays:
        arrays[DOMEGA_RANGE] = np.array([item.domega_range for item in grids], np.float64)
    edge, graph = ("coupling", "edge_index"), ("grid_id", DOMEGA_RANGE)
    nodes = torch.tensor([0, *(item.grid.num_nodes for item in grids)])
    edges = torch.tensor([0, *(2 * item.grid.num_lines for item in grids)])
    pointers: dict[Level, torch.Tensor] = {
        "node": nodes.cumsum(0),
        "edge": edges.cumsum(0),
        "graph": torch.arange(len(grids) + 1),
    }
    levels: dict[str, Level] = {
        name: "edge" if name in edge else "graph" if name in graph else "node" for name in arrays
    }
    return GraphStore(
        {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()},
        levels,
        pointers,
    )


def _noise_columns(grids: Sequence[CountedGrid]) -> dict[str, np.ndarray]:
    """How the labels were sampled, where that is not at random everywhere."""
    columns = {}
    if any(item.sampler != "mc" for item in grids):
        columns[SAMPLED_EVENLY] = np.concatenate(
            [np.full(item.grid.num_nodes, item.sampler != "mc") for item in grids]
        )
    if any(item.scramble_stable is not None for item in grids):
        columns[SPREAD] = np.concatenate([_spread(item) for item in grids])
    return columns


def _spread(item: CountedGrid) -> Float[np.ndarray, "nodes 3"]:
    if item.scramble_stable is None or item.n_samples is None:
        return np.full((item.grid.num_nodes, 3), np.nan)
    variance = scramble_variance(item.scramble_stable, item.n_samples)
    return np.column_stack([variance, scramble_interval(item.scramble_stable, item.n_samples)])


def _as_bytes(labels: list[str]) -> UInt8[np.ndarray, "nodes width"]:
    """Texts as UTF-8, filled up with zeros, which no label holds."""
    encoded = np.char.encode(labels, "utf-8")
    return encoded.view(np.uint8).reshape(len(labels), -1)


def _as_texts(encoded: UInt8[np.ndarray, "nodes width"]) -> list[str]:
    return [bytes(row).rstrip(b"\0").decode() for row in encoded]


def power_grid(data: Data, name: str) -> PowerGrid:
    """The grid in a graph of :func:`grid_store`."""
    return PowerGrid.from_arrays(
        data.edge_index[:, ::2].T.numpy(),
        data.power.numpy(),
        inertia=data.inertia.numpy(),
        damping=data.damping.numpy(),
        coupling=data.coupling[::2].numpy(),
        coordinates=data.coordinates.numpy() if "coordinates" in data else None,
        name=f"{name}-{int(data.grid_id)}",
        labels=_as_texts(data[NODE_LABEL].numpy()) if NODE_LABEL in data else None,
    )
