"""``timing.json``: how long each call on a run folder took, and on what machine."""

import os
import platform

from gnncore.storage import StorageError, read_json, refuse_links, write_json
from gridstab.datasets.run_folder import TIMING, RunFolder


def record_timing(
    folder: RunFolder,
    *,
    trajectories: int,
    seconds: float,
    executor: str,
    workers: int,
    failures: list[str],
) -> None:
    """Append one call to the list; the file is no part of the manifest.

    Raises:
        StorageError: The disk is full, or the folder read-only.
    """
    path = folder.path / TIMING
    try:
        refuse_links(folder.path, TIMING)
        sessions = read_json(path)["sessions"]
    except (StorageError, KeyError, TypeError):
        sessions = []
    session = {
        "executor": executor,
        "workers": workers,
        "trajectories": trajectories,
        "seconds": round(seconds, 3),
        "trajectories_per_second": round(trajectories / max(seconds, 1e-9), 1),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "failures": failures,
    }
    write_json(path, {"sessions": [*sessions, session]})
