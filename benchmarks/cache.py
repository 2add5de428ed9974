"""Grids and reference outcomes that take long to make, kept between runs."""

import hashlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from benchmarks.results import SCRATCH
from gnncore.storage import load_tensors, save_tensors
from gridstab.grids.power_grid import PowerGrid


def cached_grid(name: str, make: Callable[[], PowerGrid]) -> PowerGrid:
    """The grid of that name; made at the first call."""
    from gridstab.grids.files import load_grid, save_grid

    path = SCRATCH / f"{name}.json"
    if not path.exists():
        SCRATCH.mkdir(parents=True, exist_ok=True)
        save_grid(make(), path)
    return load_grid(path)


def cached_outcomes(
    key: dict[str, object], make: Callable[[], Int[np.ndarray, " trajectories"]]
) -> Int[np.ndarray, " trajectories"]:
    """The outcomes that ``key`` describes completely; made at the first call."""
    description = ", ".join(f"{name}={key[name]}" for name in sorted(key))
    path = SCRATCH / f"outcomes-{hashlib.sha256(description.encode()).hexdigest()[:16]}.safetensors"
    if not path.exists():
        SCRATCH.mkdir(parents=True, exist_ok=True)
        save_tensors(path, {"status": make()}, {"key": description})
    return load_tensors(path)["status"]
