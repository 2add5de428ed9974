"""Grid files: PowerGrid as JSON, MATPOWER, GraphML, and lists of lines."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.storage import StorageError, read_bytes, read_json, write_json
from gridstab.errors import CaseError, GridstabError, InvalidGridError
from gridstab.grids.converters import from_networkx
from gridstab.grids.matpower import load_case
from gridstab.grids.power_grid import PUBLISHED_COUPLING, PowerGrid
from gridstab.grids.random_power import with_random_power

FORMAT = "gridstab.PowerGrid"
VERSION = 1

_ARRAYS = ("lines", "power", "inertia", "damping", "coupling", "coordinates")
_MAX_BYTES = 2**28


def save_grid(grid: PowerGrid, path: str | os.PathLike[str]) -> None:
    """Write a grid as JSON, exactly; :func:`load_grid` reads it back.

    Raises:
        CaseError: The path does not end in ``.json`` or cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        raise CaseError(f"a grid is saved as a .json file, got {str(path)!r}")
    content: dict[str, Any] = {"format": FORMAT, "version": VERSION, "name": grid.name}
    content.update({name: getattr(grid, name) for name in _ARRAYS})
    try:
        write_json(path, content)
    except StorageError as error:
        raise CaseError(str(error)) from error


def load_grid(path: str | os.PathLike[str], *, seed: int | Sequence[int] = 0) -> PowerGrid:
    """The grid in a file, by the file's ending.

    ==================== =========================================================================
    ``.json``            what :func:`save_grid` wrote
    ``.m``               a MATPOWER case, by :func:`gridstab.load_case`
    ``.graphml``         nodes with ``power`` (optional: ``inertia``, ``damping``, ``x``, ``y``),
                         edges with optional ``coupling``
    ``.csv``, ``.txt``   one line a row: two node numbers and optionally the coupling, separated by
                         commas, semicolons or blanks; ``#`` starts a comment; one row of column
                         names may come first. Nodes are ordered by their numbers.
    ==================== =========================================================================

    Files without any powers (``.m``, ``.csv``, ``.txt``, and GraphML without ``power``) get P = ±1
    at random, half of the nodes each, redrawn until a stable operating point exists.

    Args:
        path: The file.
        seed: Of the random powers.

    Raises:
        CaseError: The file is unknown, unreadable or malformed.
        DisconnectedGridError: A grid without powers falls into several components.
        NoOperatingPointError: No draw of random powers has a stable operating point.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path, int | Sequence[int]], PowerGrid]] = {
        ".json": _read_json,
        ".m": lambda path, seed: load_case(path, seed=seed),
        ".graphml": _read_graphml,
        ".csv": _read_line_list,
        ".txt": _read_line_list,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CaseError(
            f"cannot tell what grid file {str(path)!r} is; known endings are {', '.join(readers)}"
        )
    try:
        return reader(path, seed)
    except StorageError as error:
        raise CaseError(str(error)) from error
    except InvalidGridError as error:
        if type(error) is not InvalidGridError:
            raise
        raise CaseError(f"{str(path)!r} holds no valid grid: {error}") from error


def _read_json(path: Path, seed: int | Sequence[int]) -> PowerGrid:
    content = read_json(path, max_bytes=_MAX_BYTES)
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
    try:
        return PowerGrid.from_arrays(**{name: content[name] for name in ("name", *_ARRAYS)})
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, GridstabError):
            raise
        raise CaseError(f"{str(path)!r} holds no valid grid: {_one_line(error)}") from error


def _read_graphml(path: Path, seed: int | Sequence[int]) -> PowerGrid:
    import networkx as nx

    text = read_bytes(path, max_bytes=_MAX_BYTES)
    # GraphML needs no entities; declared ones can expand without bound or name other files.
    if re.search(rb"<!\s*(DOCTYPE|ENTITY)", text.replace(b"\0", b""), re.I):
        raise CaseError(f"{str(path)!r} declares XML entities, which a grid file does not need")
    try:
        graph = nx.parse_graphml(text.decode())
    except Exception as error:
        raise CaseError(f"{str(path)!r} is not readable GraphML ({_one_line(error)})") from error
    graph.graph["name"] = path.stem
    if graph.number_of_nodes() and not any("power" in data for _, data in graph.nodes(data=True)):
        nodes = list(graph)

        def build(power: np.ndarray) -> PowerGrid:
            nx.set_node_attributes(graph, dict(zip(nodes, power.tolist(), strict=True)), "power")
            return from_networkx(graph)

        return with_random_power(len(nodes), seed, build)
    return from_networkx(graph)


def _read_line_list(path: Path, seed: int | Sequence[int]) -> PowerGrid:
    try:
        text = read_bytes(path, max_bytes=_MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaseError(f"{str(path)!r} is not a text file ({_one_line(error)})") from error
    rows = [
        (number, [field for field in re.split(r"[,;\s]+", row.split("#")[0]) if field])
        for number, row in enumerate(text.splitlines(), start=1)
    ]
    rows = [(number, fields) for number, fields in rows if fields]
    if rows and not _is_number(rows[0][1][0]):
        rows = rows[1:]
    if not rows:
        raise CaseError(f"{str(path)!r} lists no line; give two node numbers a row")
    ends: list[tuple[int, int]] = []
    couplings: list[float] = []
    columns = len(rows[0][1])
    for number, fields in rows:
        if len(fields) != columns or columns not in (2, 3):
            raise CaseError(
                f"row {number} of {str(path)!r} has {len(fields)} column(s); "
                "give two node numbers and optionally a coupling in every row"
            )
        try:
            ends.append((_node(fields[0]), _node(fields[1])))
            couplings.append(float(fields[2]) if columns == 3 else PUBLISHED_COUPLING)
        except ValueError as error:
            raise CaseError(f"row {number} of {str(path)!r}: {_one_line(error)}") from error
    numbers, lines = np.unique(np.array(ends), return_inverse=True)
    return with_random_power(
        len(numbers),
        seed,
        lambda power: PowerGrid.from_arrays(
            lines.reshape(-1, 2), power, name=path.stem, coupling=couplings
        ),
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _node(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError(f"node numbers start at 0, got {text}")
    return number


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
