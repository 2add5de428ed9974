"""Grid files: PowerGrid as JSON, MATPOWER, GraphML, and lists of lines."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from gnncore.storage import StorageError, leading_to, read_bytes, read_json, write_json
from gridstab.arguments import as_path, instance, shortened
from gridstab.errors import CaseError, GridstabError, InvalidGridError
from gridstab.grids.converters import from_networkx, node_labels, refuse_other_numbers
from gridstab.grids.grid_checks import NUMBER
from gridstab.grids.line_list import read_line_list
from gridstab.grids.matpower import load_case
from gridstab.grids.node_table import NodeTable, read_node_table
from gridstab.grids.power_grid import PowerGrid
from gridstab.grids.random_power import with_random_power

FORMAT = "gridstab.PowerGrid"
VERSION = 1

_ARRAYS = ("lines", "power", "inertia", "damping", "coupling", "coordinates")
_MAX_JSON_BYTES = 2**27
_MAX_BYTES = 2**26
"""Limits on files: a row or element of text takes up to 30 times as much memory."""

_Given = dict[str, Any]
"""Numbers that hold for every node or line, by name."""

_Reader = Callable[[Path, int | Sequence[int], _Given, NodeTable | None], PowerGrid]


def save_grid(grid: PowerGrid, path: str | os.PathLike[str]) -> None:
    """Write a grid as JSON, exactly; :func:`load_grid` reads it back.

    Raises:
        CaseError: The path does not end in ``.json`` or cannot be written.
    """
    path = as_path("path", path)
    instance("grid", grid, PowerGrid, "make one with gridstab.grids")
    if path.suffix.lower() != ".json":
        raise CaseError(f"a grid is saved as a .json file, got {str(path)!r}")
    content: dict[str, Any] = {"format": FORMAT, "version": VERSION, "name": grid.name}
    content.update({name: getattr(grid, name) for name in _ARRAYS})
    if grid.has_own_labels:
        content["labels"] = list(grid.labels)
    try:
        write_json(leading_to(path), content)
    except StorageError as error:
        raise CaseError(str(error)) from error


def load_grid(
    path: str | os.PathLike[str],
    *,
    seed: int | Sequence[int] = 0,
    coupling: float | None = None,
    damping: float | None = None,
    inertia: float | None = None,
    node_table: NodeTable | str | os.PathLike[str] | None = None,
) -> PowerGrid:
    """The grid in a file, by the file's ending.

    ==================== =========================================================================
    ``.json``            what :func:`save_grid` wrote
    ``.m``               a MATPOWER case, by :func:`gridstab.load_case`
    ``.graphml``         an undirected graph by :func:`gridstab.grids.from_networkx`: nodes with
                         ``power`` (optional: ``inertia``, ``damping``, ``x``, ``y``), edges with
                         optional ``coupling``
    ``.csv``, ``.txt``   one line a row, separated by commas, semicolons, tabs or blanks: the first
                         row names the columns ``source``, ``target`` and optionally ``coupling``,
                         or there are no names and two columns of whole numbers; a row that begins
                         with ``#`` is a comment
    ==================== =========================================================================

    Nodes keep the names that the file has for them as labels. Files without any powers (``.m``,
    ``.csv``, ``.txt``, and GraphML without ``power``) get P = ±1 at random, half of the nodes each,
    redrawn until a stable operating point exists. A table of the nodes beside the file can give
    these and all other values of nodes.

    Args:
        path: The file.
        seed: Seed of the random powers.
        coupling: K of every line in place of what the file says; None keeps that, or the published
            value where it says nothing.
        damping: D of every node, likewise.
        inertia: m of every node, likewise.
        node_table: A file as ``.csv`` above that has a row for every node: the column ``node``
            holds its label, ``power``, ``inertia``, ``damping``, ``x`` and ``y``, all optional,
            what is to take the place of the values in the other file.

    Raises:
        CaseError: The file is unknown, unreadable or malformed, or the table is none of its nodes.
        InvalidGridError: A value that was given is outside its range.
        InvalidParameterError: ``damping`` or ``inertia`` although the table has such a column.
        DisconnectedGridError: A grid without powers falls into several components.
        NoOperatingPointError: No draw of random powers has a stable operating point.
    """
    path = as_path("path", path)
    options = {"coupling": coupling, "damping": damping, "inertia": inertia}
    given = {name: value for name, value in options.items() if value is not None}
    readers: dict[str, _Reader] = {
        ".json": _read_json,
        ".m": lambda path, seed, given, table: load_case(
            path, seed=seed, node_table=table, **given
        ),
        ".graphml": _read_graphml,
        ".csv": read_line_list,
        ".txt": read_line_list,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CaseError(
            f"cannot tell what grid file {str(path)!r} is; known endings are {', '.join(readers)}"
        )
    try:
        return reader(path, seed, given, read_node_table(node_table, **given))
    except StorageError as error:
        raise CaseError(str(error)) from error
    except InvalidGridError as error:
        if type(error) is not InvalidGridError:
            raise
        raise CaseError(f"{str(path)!r} holds no valid grid: {error}") from error


def _read_json(
    path: Path, seed: int | Sequence[int], given: _Given, table: NodeTable | None
) -> PowerGrid:
    content = read_json(path, max_bytes=_MAX_JSON_BYTES)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CaseError(f"{str(path)!r} is no grid that save_grid wrote")
    if content.get("version") != VERSION:
        raise CaseError(
            f"{str(path)!r} has version {content.get('version')!r} of the grid format, "
            f"but this release reads version {VERSION}; update graphwsl-gridstab"
        )
    missing = [name for name in ("name", *_ARRAYS) if name not in content]
    if missing or not isinstance(content["name"], str):
        raise CaseError(f"{str(path)!r} lacks {', '.join(missing) or 'a name'}")
    known = ("name", *_ARRAYS, *(["labels"] if "labels" in content else []))
    try:
        grid = PowerGrid.from_arrays(**{**{name: content[name] for name in known}, **given})
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, GridstabError):
            raise
        raise CaseError(f"{str(path)!r} holds no valid grid: {_one_line(error)}") from error
    if table is None:
        return grid
    own = {name: getattr(grid, name) for name in (*_ARRAYS, "name", "labels")}
    return PowerGrid.from_arrays(**{**own, **table.values(grid.labels)})


def _read_graphml(
    path: Path, seed: int | Sequence[int], given: _Given, table: NodeTable | None
) -> PowerGrid:
    import networkx as nx

    text = read_bytes(path, max_bytes=_MAX_BYTES)
    # GraphML needs no entities; declared ones can expand without bound or name other files.
    if re.search(rb"<!\s*(DOCTYPE|ENTITY)", text.replace(b"\0", b""), re.I):
        raise CaseError(f"{str(path)!r} declares XML entities, which a grid file does not need")
    try:
        _refuse_what_is_lost(path, text)
        graph = nx.parse_graphml(text.decode())
    except CaseError:
        raise
    except Exception as error:
        raise CaseError(f"{str(path)!r} is not readable GraphML ({_one_line(error)})") from error
    if graph.is_directed():
        raise CaseError(
            f'{str(path)!r} is a directed graph; give it edgedefault="undirected" '
            "and every line as one edge"
        )
    graph.graph["name"] = path.stem
    refuse_other_numbers(graph)
    for name, value in given.items():
        if name == "coupling":
            graph = nx.Graph(graph)  # parallel edges are one line
            nx.set_edge_attributes(graph, value, name)
        else:
            nx.set_node_attributes(graph, value, name)
    for name, values in ({} if table is None else table.values(node_labels(graph))).items():
        for node, value in zip(graph, values.tolist(), strict=True):
            graph.nodes[node].update(
                {"x": value[0], "y": value[1]} if name == "coordinates" else {name: value}
            )
    if graph.number_of_nodes() and not any("power" in data for _, data in graph.nodes(data=True)):
        nodes = list(graph)

        def build(power: np.ndarray) -> PowerGrid:
            nx.set_node_attributes(graph, dict(zip(nodes, power.tolist(), strict=True)), "power")
            return from_networkx(graph)

        return with_random_power(len(nodes), seed, build)
    return from_networkx(graph)


def _refuse_what_is_lost(path: Path, text: bytes) -> None:
    """Refuse what the reader of GraphML passes over: further graphs, nodes twice, odd numbers."""
    root = ElementTree.fromstring(text)
    graphs = _elements(root, "graph")
    if len(graphs) > 1:
        raise CaseError(
            f"{str(path)!r} holds {len(graphs)} graphs, one within another or beside it"
        )
    known: set[str | None] = set()
    for node in _elements(root, "node"):
        if node.get("id") in known:
            raise CaseError(f"{str(path)!r} has the node {shortened(node.get('id'))} twice")
        known.add(node.get("id"))
    is_number = {
        key.get("id")
        for key in _elements(root, "key")
        if key.get("attr.type") in ("int", "long", "float", "double")
    }
    for data in _elements(root, "data"):
        value = (data.text or "").strip()
        if data.get("key") in is_number and not NUMBER.fullmatch(value):
            raise CaseError(f"{str(path)!r} has {shortened(value)} where a number belongs")


def _elements(root: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    """All elements of a kind, with or without the namespace."""
    return [one for one in root.iter() if str(one.tag).rpartition("}")[2] == tag]


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
