"""Lists of lines as CSV or plain text: two nodes a row and, where it is named, the coupling."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gridstab.arguments import shortened
from gridstab.errors import CaseError
from gridstab.grids.grid_checks import NUMBER
from gridstab.grids.node_table import NodeTable, with_node_values
from gridstab.grids.power_grid import PUBLISHED_COUPLING, PowerGrid
from gridstab.grids.text_table import WHOLE, Rows, index_column, read_table, refuse_row

ENDS = (("source", "target"), ("from", "to"), ("from_bus", "to_bus"), ("bus0", "bus1"))
"""Names that the columns of the two nodes may have."""


def read_line_list(
    path: Path,
    seed: int | Sequence[int],
    given: Mapping[str, Any],
    node_table: NodeTable | None = None,
    *,
    max_bytes: int = 2**26,
) -> PowerGrid:
    """The grid of a list of lines, with random powers unless a table of the nodes has them.

    With a first row of names, the nodes are the columns ``source`` and ``target`` (or a pair of
    :data:`ENDS`) and may be numbers or texts, and ``coupling`` may be there. The unnamed first
    column that pandas writes is left out; any other column is refused, for it may mean anything.
    Without names there are two columns of whole numbers. Whole numbers are ordered by size, texts
    as they come; both are kept as the labels of the nodes.

    Args:
        path: The file.
        seed: Seed of the random powers.
        given: ``inertia`` or ``damping`` of every node, ``coupling`` of every line whatever the
            file says; as for :meth:`PowerGrid.from_arrays`.
        node_table: Power, inertia, damping and coordinates of every node.
        max_bytes: Limit on the file [bytes], 64 MiB; as text it takes up to 30 times as much.

    Raises:
        CaseError: The file is not readable as such a list; the message names the row.
        DisconnectedGridError: The grid falls into several components.
        NoOperatingPointError: No draw of random powers has a stable operating point.
        StorageError: The file cannot be read.
    """
    couplings: dict[tuple[str, str], float] = {}
    row_of: dict[tuple[str, str], int] = {}
    for row, a, b, value in _lines(path, *read_table(path, max_bytes)):
        if a == b:
            refuse_row(path, row, f"joins node {shortened(a)} to itself; remove it")
        if (a, b) in row_of or (b, a) in row_of:
            first = row_of.get((a, b)) or row_of[b, a]
            refuse_row(
                path,
                row,
                f"joins nodes {shortened(a)} and {shortened(b)}, as row {first} does; "
                "add their couplings in one row",
            )
        row_of[a, b] = row
        couplings[a, b] = value
    if not couplings:
        raise CaseError(f"{str(path)!r} lists no line; give two nodes a row")
    labels = list(dict.fromkeys(node for line in couplings for node in line))
    if all(map(WHOLE.fullmatch, labels)):
        labels.sort(key=int)
    number = {label: index for index, label in enumerate(labels)}
    parameters: dict[str, Any] = {"coupling": list(couplings.values()), **given}
    return with_node_values(
        labels,
        seed,
        node_table,
        lambda power, **own: PowerGrid.from_arrays(
            [(number[a], number[b]) for a, b in couplings],
            power,
            name=path.stem,
            labels=labels,
            **{**parameters, **own},
        ),
    )


def _lines(path: Path, names: list[str] | None, rows: Rows) -> list[tuple[int, str, str, float]]:
    """Row, both nodes and coupling of every line."""
    tail, head, coupling, width = _columns(path, names, rows)
    lines = []
    for number, fields in rows:
        if len(fields) != width:
            refuse_row(path, number, f"has {len(fields)} column(s), not {width} as those before")
        ends = [_node(path, number, fields[at], named=names is not None) for at in (tail, head)]
        value = PUBLISHED_COUPLING
        if coupling is not None:
            if not NUMBER.fullmatch(fields[coupling]):
                refuse_row(
                    path, number, f"has the coupling {shortened(fields[coupling])}, no number"
                )
            value = float(fields[coupling])
            if not 0 < value < float("inf"):
                refuse_row(path, number, f"has the coupling {value:g}; give a positive number")
        lines.append((number, ends[0], ends[1], value))
    return lines


def _columns(path: Path, names: list[str] | None, rows: Rows) -> tuple[int, int, int | None, int]:
    """Indices of the columns of both nodes and of the coupling, and the number of columns."""
    advice = (
        "name the columns source, target and optionally coupling in the first row, "
        "and leave out all others"
    )
    if names is None:
        width = len(rows[0][1]) if rows else 2
        if width != 2:
            raise CaseError(
                f"{str(path)!r} has {width} columns without names, so what they hold is a guess; "
                f"{advice}"
            )
        return 0, 1, None, 2
    found = ", ".join(map(shortened, names))
    ends = next((pair for pair in ENDS if set(pair) <= set(names)), None)
    index = index_column(names)
    known = {*(ends or ()), "coupling"}
    others = [name for at, name in enumerate(names) if name not in known and at != index]
    if ends is None or others or len(set(names)) < len(names):
        seen = "other columns" if path.is_symlink() else f"the columns {found}"
        raise CaseError(f"{str(path)!r} has {seen}; {advice}")
    coupling = names.index("coupling") if "coupling" in names else None
    return names.index(ends[0]), names.index(ends[1]), coupling, len(names)


def _node(path: Path, number: int, text: str, *, named: bool) -> str:
    """The label of a node: a whole number without leading zeros, or a text."""
    if WHOLE.fullmatch(text):
        return str(int(text))
    if not named or not text or NUMBER.fullmatch(text) or text.lower() in ("nan", "none", "null"):
        refuse_row(
            path, number, f"has the node {shortened(text)}; give a whole number from 0 or a name"
        )
    return text
