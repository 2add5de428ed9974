"""Campaigns under attack: small, of several parts, and the numbers that they must come to."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.storage import read_hdf5
from gridstab.datasets import Campaign, Run, run_campaign
from gridstab.dynamics.engines import ENGINES
from tests.gridstab.disc_engine import DiscEngine


def register_disc() -> None:
    """Make the engine known whose outcomes are a formula."""
    ENGINES["disc"] = lambda: DiscEngine(0.9, 0.92)


if "pytest" not in sys.modules:  # a process of its own; tests have a fixture, which takes it back
    register_disc()

NODES, GRIDS, SAMPLES = 4, 2, 20
TWO_NODES_A_UNIT = 2e-4


def campaign(seed: int = 5, **changes: Any) -> Campaign:
    """Two grids of four nodes."""
    values = {"nodes": NODES, "grids": GRIDS, "samples": SAMPLES, "seed": seed, "engine": "disc"}
    return Campaign.resolve(**values | changes)


def work(folder: Path, seed: int = 5, *, resume: bool = True, **changes: Any) -> Run:
    """Simulate such a campaign in small units."""
    return run_campaign(
        campaign(seed, **changes),
        folder,
        workers=1,
        resume=resume,
        seconds_per_unit=TWO_NODES_A_UNIT,
    )


def outcome(folder: Path) -> dict[str, bytes]:
    """Every array of every grid of a run, which is what its users take from it."""
    files = [folder / "grids" / f"{number:05d}.h5" for number in range(1, GRIDS + 1)]
    return {
        f"{file.name}/{name}": array for file in files for name, array in arrays_of(file).items()
    }


def arrays_of(file: Path) -> dict[str, bytes]:
    """The arrays in an HDF5 file."""
    return read_hdf5(
        file, lambda opened: {name: np.asarray(opened[name][()]).tobytes() for name in opened}
    )


def stop_after(folder: Path, trajectories: int, seed: int = 5) -> None:
    """Leave a campaign unfinished, once so many trajectories have been stored."""

    def stop(stored: int, total: int) -> None:
        if stored >= trajectories:
            raise InterruptedError

    try:
        run_campaign(
            campaign(seed),
            folder,
            workers=1,
            resume=True,
            seconds_per_unit=TWO_NODES_A_UNIT,
            on_progress=stop,
        )
    except InterruptedError:
        return
    raise AssertionError("the campaign came to its end")
