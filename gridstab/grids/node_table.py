"""Tables of nodes: power, inertia, damping and coordinates of every node, by its label."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from gnncore.storage import StorageError
from gridstab.arguments import as_path, shortened
from gridstab.errors import CaseError, InvalidParameterError
from gridstab.grids.grid_checks import NUMBER
from gridstab.grids.power_flow import require_connected
from gridstab.grids.power_grid import PowerGrid
from gridstab.grids.random_power import with_random_power
from gridstab.grids.text_table import WHOLE, index_column, read_table, refuse_row

NODE = ("node", "bus", "name", "label")
"""Names that the column of the nodes may have."""

QUANTITIES = ("power", "inertia", "damping", "x", "y")
"""Names of the other columns."""

_ADVICE = (
    f"name one column node, the others of {', '.join(QUANTITIES)} in the first row, "
    "and leave out all others"
)
_MAX_BYTES = 2**26
"""Limit on the file, as for grid files."""


@dataclass(frozen=True, eq=False)
class NodeTable:
    """What a file says of every node; get one from :meth:`read`.

    Attributes:
        path: The file.
        nodes: Labels of the nodes, as the file has them.
        rows: Number in the file of each node's row.
        columns: The values of every quantity that the file has, one a node.
    """

    path: Path
    nodes: list[str]
    rows: list[int]
    columns: dict[str, Float[np.ndarray, " nodes"]]

    @classmethod
    def read(cls, path: str | PathLike[str]) -> "NodeTable":
        """The table in a file of text, separated by commas, semicolons, tabs or blanks.

        The first row names the columns: ``node`` (or another of :data:`NODE`) and one or more of
        :data:`QUANTITIES`, ``x`` and ``y`` together. The unnamed first column that pandas writes
        is left out; any other column is refused.

        Raises:
            CaseError: The file cannot be read as such a table; the message names the row.
        """
        path = as_path("node_table", path)
        try:
            names, rows = read_table(path, _MAX_BYTES)
        except StorageError as error:
            raise CaseError(str(error)) from error
        columns = _columns(path, names)
        if not rows:
            raise CaseError(f"{str(path)!r} lists no node; give every node a row")
        table: dict[str, list[float]] = {name: [] for name in columns if name != "node"}
        for number, fields in rows:
            if len(fields) != len(names or ()):
                reason = f"has {len(fields)} column(s), not {len(names or ())} as the first"
                refuse_row(path, number, reason)
            for name, values in table.items():
                values.append(_value(path, number, name, fields[columns[name]]))
        return cls(
            path,
            [fields[columns["node"]] for _, fields in rows],
            [number for number, _ in rows],
            {name: np.array(values) for name, values in table.items()},
        )

    def refuse_given(self, **options: Any) -> None:
        """Refuse options that are not None although the table has a column of that name.

        Raises:
            InvalidParameterError: One is so.
        """
        for name, value in options.items():
            if value is not None and name in self.columns:
                raise InvalidParameterError(
                    f"{name} {value!r} is for all nodes, but {str(self.path)!r} has a column "
                    f"{name}; give only one of them"
                )

    def values(self, labels: Sequence[str], dropped: Collection[str] = ()) -> dict[str, Any]:
        """The values in the order of a grid's nodes, as :meth:`PowerGrid.from_arrays` takes them.

        Args:
            labels: Labels of the nodes of the grid, each of which needs a row.
            dropped: Nodes of the source that the grid lacks; they may have a row, too.

        Raises:
            CaseError: A node without a row, with two, or a row without a node.
        """
        number = {label: node for node, label in enumerate(labels)}
        row_of: dict[str, int] = {}
        order = np.zeros(len(labels), dtype=np.int64)
        for at, (label, row) in enumerate(zip(self.nodes, self.rows, strict=True)):
            if label not in number and WHOLE.fullmatch(label):
                label = str(int(label))  # as lists of lines do
            if label in row_of:
                reason = f"has the node {shortened(label)} again, as row {row_of[label]}"
                refuse_row(self.path, row, reason)
            row_of[label] = row
            if label in number:
                order[number[label]] = at
            elif label not in dropped:
                refuse_row(
                    self.path,
                    row,
                    f"has the node {shortened(label)}, but the {len(labels)} nodes of the grid are "
                    f"called {labels[0]} to {labels[-1]}",
                )
        if missing := [label for label in labels if label not in row_of]:
            raise CaseError(
                f"{str(self.path)!r} has no row for {len(missing)} of {len(labels)} nodes, the "
                f"first {shortened(missing[0])}; give every node a row"
            )
        values: dict[str, Any] = {name: column[order] for name, column in self.columns.items()}
        if "x" in values:
            values["coordinates"] = np.stack([values.pop("x"), values.pop("y")], axis=1)
        return values


def read_node_table(
    table: "NodeTable | str | PathLike[str] | None", **options: Any
) -> NodeTable | None:
    """The table of a caller, who may give a file; ``options`` must not be among its columns.

    Raises:
        CaseError: The file cannot be read as a table of nodes.
        InvalidParameterError: An option is there although the table has a column of its name.
    """
    if table is None:
        return None
    read = table if isinstance(table, NodeTable) else NodeTable.read(table)
    read.refuse_given(**options)
    return read


def with_node_values(
    labels: Sequence[str],
    seed: int | Sequence[int],
    table: NodeTable | None,
    build: Callable[..., PowerGrid],
    *,
    dropped: Collection[str] = (),
) -> PowerGrid:
    """The grid that ``build`` makes of powers and, by keyword, what else the table holds.

    Without a column ``power``, the powers are random, as for :func:`with_random_power`.

    Raises:
        CaseError: The table does not fit the labels.
        DisconnectedGridError: The grid falls into several components.
        NoOperatingPointError: No draw of random powers has a stable operating point.
    """
    values = {} if table is None else table.values(labels, dropped)
    if "power" not in values:
        return with_random_power(len(labels), seed, lambda power: build(power, **values))
    grid = build(values.pop("power"), **values)
    require_connected(grid)
    return grid


def _columns(path: Path, names: list[str] | None) -> dict[str, int]:
    """The index of the column of every name that is there, that of the nodes as ``node``."""
    if names is None:
        raise CaseError(f"{str(path)!r} has no names of columns; {_ADVICE}")
    used = {name: at for at, name in enumerate(names) if at != index_column(names)}
    node = [name for name in used if name in NODE]
    quantities = [name for name in used if name in QUANTITIES]
    twice = len(set(names)) < len(names)
    if len(node) != 1 or not quantities or len(used) > 1 + len(quantities) or twice:
        found = ", ".join(map(shortened, names))
        seen = "other columns" if path.is_symlink() else f"the columns {found}"
        raise CaseError(f"{str(path)!r} has {seen}; {_ADVICE}")
    if ("x" in used) != ("y" in used):
        raise CaseError(f"{str(path)!r} has one of the columns x and y; give both, or none")
    return {"node": used[node[0]], **{name: used[name] for name in quantities}}


def _value(path: Path, row: int, name: str, text: str) -> float:
    if not NUMBER.fullmatch(text):
        refuse_row(path, row, f"has the {name} {shortened(text)}, no number")
    value = float(text)
    good, condition = {
        "inertia": (value > 0, "positive number"),
        "damping": (value >= 0, "number from 0"),
    }.get(name, (True, "finite number"))
    if not (good and np.isfinite(value)):
        refuse_row(path, row, f"has the {name} {value:g}; give a {condition}")
    return value
