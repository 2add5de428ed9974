"""A grid with its labels, and the arrays in which the published files hold both."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from gridstab.errors import InvalidGridError, RunFolderError
from gridstab.grids.power_grid import PowerGrid


@dataclass(frozen=True, eq=False)
class LabelledGrid:
    """A grid with its labels, as the published layouts know it.

    Attributes:
        grid_id: Global number of the grid, from 1.
        grid: The grid.
        snbs: Single-node basin stability, shape ``(nodes,)``.
        survivability: Share of trajectories that stay below 15 rad/s, or None if unknown.
        max_frequency_deviation: Largest |ω| of any trajectory [rad/s], or None if unknown.
        troublemaker: 1 where that exceeds 15 rad/s, or None if unknown.
    """

    grid_id: int
    grid: PowerGrid
    snbs: Float[np.ndarray, " nodes"]
    survivability: Float[np.ndarray, " nodes"] | None = None
    max_frequency_deviation: Float[np.ndarray, " nodes"] | None = None
    troublemaker: Int[np.ndarray, " nodes"] | None = None


def published_arrays(grid: PowerGrid) -> dict[str, np.ndarray]:
    """``edge_index``, ``edge_attr`` and ``P`` of a grid as the published files hold them."""
    return {
        "edge_index": grid.edge_index.T + 1,
        "edge_attr": grid.edge_attr,
        "P": grid.power,
    }


def published_grid(
    edge_index: np.ndarray, edge_attr: np.ndarray, power: np.ndarray, **parameters: Any
) -> PowerGrid:
    """The grid of published arrays; the inverse of :func:`published_arrays`.

    Args:
        edge_index: Directed lines, 1-based, shape ``(directed lines, 2)``.
        edge_attr: Coupling of each row.
        power: P, shape ``(nodes,)``.
        parameters: Further arguments of :meth:`PowerGrid.from_arrays`.

    Raises:
        InvalidGridError: The arrays form no grid, or a direction of a line is missing.
    """
    if edge_index.ndim != 2 or edge_index.shape[1] != 2 or edge_attr.shape != edge_index.shape[:1]:
        raise InvalidGridError(
            f"edge_index must have shape (directed lines, 2) and edge_attr one entry a row, "
            f"got {edge_index.shape} and {edge_attr.shape}"
        )
    lines = edge_index.astype(np.int64) - 1
    forward = lines[:, 0] <= lines[:, 1]
    there = _sorted_rows(lines[forward], edge_attr[forward])
    back = _sorted_rows(lines[~forward][:, ::-1], edge_attr[~forward])
    if len(there) == len(back) and not np.array_equal(there, back):
        raise InvalidGridError(
            "edge_index must hold both directions of every line, equally coupled"
        )
    if len(there) != len(back) and (lines[:, 0] != lines[:, 1]).all():
        raise InvalidGridError(
            f"edge_index must hold both directions of every line, got {len(there)} and {len(back)}"
        )
    return PowerGrid.from_arrays(lines[forward], power, coupling=edge_attr[forward], **parameters)


def label_arrays(labelled: LabelledGrid, samples: int) -> dict[str, np.ndarray]:
    """The labels that are known, and the counts of ``samples`` behind them.

    Raises:
        RunFolderError: A label does not fit the grid, or is no multiple of 1/samples.
    """
    what = f"grid {labelled.grid_id}"
    known = {
        "snbs": labelled.snbs,
        "surv": labelled.survivability,
        "max_frequency_deviation": labelled.max_frequency_deviation,
        "troublemaker": labelled.troublemaker,
    }
    arrays = {name: values for name, values in known.items() if values is not None}
    for name, values in arrays.items():
        if values.shape != (labelled.grid.num_nodes,):
            raise RunFolderError(
                f"{name} of {what} has shape {values.shape}, not one entry for each of "
                f"{labelled.grid.num_nodes} nodes"
            )
    arrays["n_samples"] = np.full(labelled.grid.num_nodes, samples)
    arrays["n_stable"] = whole_counts(labelled.snbs, samples, f"snbs of {what}")
    if labelled.survivability is not None:
        arrays["n_survived"] = whole_counts(labelled.survivability, samples, f"surv of {what}")
    return arrays


def whole_counts(ratio: np.ndarray, samples: int, what: str) -> np.ndarray:
    """The counts k of which ``ratio`` is k / samples.

    Raises:
        RunFolderError: An entry is no multiple of 1 / samples between 0 and 1.
    """
    counts = np.rint(ratio * samples)
    # Published files may hold float32, which is good for seven digits.
    good = (np.abs(ratio * samples - counts) < 1e-6 * samples + 1e-6) & (ratio >= 0) & (ratio <= 1)
    if not good.all():
        bad = int(np.flatnonzero(~good)[0])
        raise RunFolderError(
            f"{what} is {ratio[bad]:.9g} at node {bad}, no share of {samples} trajectories; "
            "give the number of trajectories a node with --samples"
        )
    return counts.astype(np.int64)


def _sorted_rows(lines: np.ndarray, values: np.ndarray) -> np.ndarray:
    rows = np.column_stack([lines.astype(np.float64), values])
    return rows[np.lexsort(rows.T[::-1])]
