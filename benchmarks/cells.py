"""Long measurements in cells, each done once: killed at any time, the rest goes on later.

A cell is a folder that gets its ``result.json`` when it is done. Several processes may work on the
same cells at once; each leaves to the others what they have begun. Result files hold all cells, so
that a fresh clone can begin with them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gnncore.storage import StorageError, exclusive_lock, read_json, write_json

RESULT = "result.json"

Result = dict[str, Any]


def run_cell(
    folder: Path,
    work: Callable[[Path], Result],
    is_current: Callable[[Result], bool] = lambda result: True,
) -> Result | None:
    """The result of a cell, worked out unless it is there.

    Args:
        folder: Of the cell; made if it is missing.
        work: Works in the folder and gives the result, as plain JSON values. What it keeps there
            is its own business, and how it goes on after having been killed.
        is_current: Whether a result that is there still holds.

    Returns:
        The result; None if another process is at work on it.

    Raises:
        StorageError: The folder cannot be read or written.
    """
    done = _read(folder, is_current)
    if done is not None:
        return done
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with exclusive_lock(folder):
            done = _read(folder, is_current)  # by another process, a moment ago
            if done is not None:
                return done
            result = work(folder)
            write_json(folder / RESULT, result)
            return result
    except StorageError as error:
        if isinstance(error.__cause__, BlockingIOError):
            return None
        raise


def finished_cells(root: Path) -> list[tuple[Path, Result]]:
    """Folders and results of all finished cells below a folder, by name."""
    return [(path.parent, read_json(path)) for path in sorted(root.glob(f"**/{RESULT}"))]


def restore_cells(root: Path, results: dict[str, Result]) -> None:
    """Begin with cells that were done elsewhere; those that are there already stay.

    What cells keep beside their results, such as models and predictions, does not come back.

    Args:
        root: Folder of all cells.
        results: Of each cell, by its folder below ``root``.

    Raises:
        StorageError: A folder cannot be read or written.
    """
    for name, result in results.items():
        run_cell(root / name, lambda _, result=result: result)


def time_warning(record: dict[str, Any]) -> list[str]:
    """A sentence if other programs slow this machine down, for the tables that show times.

    Args:
        record: Of :func:`benchmarks.hardware.record`.
    """
    machine = record["hardware"]
    load, cores = machine["load_average"][0], machine["cores"]
    if load <= cores:
        return []
    return [f"Other programs were running (load {load:g} on {cores} cores): times are too long."]


def _read(folder: Path, is_current: Callable[[Result], bool]) -> Result | None:
    path = folder / RESULT
    result = read_json(path) if path.is_file() else None
    return result if result is not None and is_current(result) else None
