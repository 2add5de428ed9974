"""The synthetic Texas grid of the published studies: 1,910 nodes and 2,577 lines."""

from collections.abc import Sequence
from importlib.resources import files
from os import PathLike

import numpy as np
from jaxtyping import Int

from gridstab.grids.case import Case
from gridstab.grids.node_table import NodeTable, read_node_table, with_node_values
from gridstab.grids.power_grid import (
    PUBLISHED_COUPLING,
    PUBLISHED_DAMPING,
    PUBLISHED_INERTIA,
    PowerGrid,
)

SOURCE_CASE = "case_ACTIVSg2000"


def texas_grid(
    seed: int | Sequence[int] = 0,
    *,
    coupling: float = PUBLISHED_COUPLING,
    damping: float = PUBLISHED_DAMPING,
    inertia: float = PUBLISHED_INERTIA,
    node_table: NodeTable | str | PathLike[str] | None = None,
) -> PowerGrid:
    """The topology of the synthetic Texas transmission grid, with random powers P = ±1.

    The topology is that of the published studies (Nauck et al. 2022, arXiv:2206.06369), derived
    from ACTIVSg2000 (Birchfield et al. 2017, CC BY 4.0) by :func:`reduce_case`. The published
    draw of the powers is part of the published data only; this one is drawn by ``seed``, half of
    the nodes each, until a stable operating point exists.

    >>> texas_grid()
    PowerGrid('texas', nodes=1910, lines=2577)

    Args:
        seed: Seed of the random powers.
        coupling: K of every line.
        damping: D of every node.
        inertia: m of every node.
        node_table: File of a table of the nodes, whose columns take the place of all these.

    Raises:
        CaseError: The table cannot be read, or its nodes are not those of the grid.
        NoOperatingPointError: None of 100 draws has a stable operating point.
        InvalidParameterError: A negative seed.
    """
    lines = np.searchsorted(bus_numbers(), bus_pairs())
    labels = tuple(map(str, bus_numbers().tolist()))
    parameters = {"damping": damping, "inertia": inertia}
    return with_node_values(
        labels,
        seed,
        read_node_table(node_table),
        lambda power, **own: PowerGrid.from_arrays(
            lines,
            power,
            coupling=coupling,
            name="texas",
            labels=labels,
            **{**parameters, **own},
        ),
    )


def bus_pairs() -> Int[np.ndarray, "2577 2"]:
    """The lines as pairs of ACTIVSg2000's own bus numbers."""
    with (files("gridstab.grids") / "data" / "texas_lines.txt").open() as file:
        return np.loadtxt(file, dtype=np.int64)


def bus_numbers() -> Int[np.ndarray, "1910"]:
    """ACTIVSg2000's own number of each node's bus."""
    return np.unique(bus_pairs())


def reduce_case(case: Case) -> Int[np.ndarray, "lines 2"]:
    """The lines, as pairs of bus numbers, that the published rule leaves of ACTIVSg2000.

    Parallel branches are merged, then all buses with one line, no load and no generator in
    service are dropped: dead ends that neither generate nor consume.
    """
    lines, _ = case.lines()
    degree = np.bincount(lines.ravel(), minlength=case.num_buses)
    idle = (degree == 1) & (case.demand == 0) & ~case.has_generator
    number = np.array(case.label, dtype=np.int64)
    return number[lines[~idle[lines].any(axis=1)]]
