"""Dynamic stability of power grids: simulate labels, learn to predict them.

>>> import gridstab
>>> grid = gridstab.random_grid(20, seed=1)
>>> result = gridstab.simulate(grid, samples=100, seed=0)
>>> result.snbs.shape
(20,)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridstab.dynamics.operating_point import operating_point as operating_point
    from gridstab.dynamics.result import StabilityResult as StabilityResult
    from gridstab.dynamics.simulate import simulate as simulate
    from gridstab.grids.growth import random_grid as random_grid
    from gridstab.grids.matpower import load_case as load_case
    from gridstab.grids.power_grid import PowerGrid as PowerGrid
    from gridstab.grids.texas import texas_grid as texas_grid

__version__ = "0.1.0"

# Imported on first use: SciPy and numba take longer to import than `gridstab --help` may take.
_HOME = {
    "PowerGrid": "gridstab.grids.power_grid",
    "StabilityResult": "gridstab.dynamics.result",
    "load_case": "gridstab.grids.matpower",
    "operating_point": "gridstab.dynamics.operating_point",
    "random_grid": "gridstab.grids.growth",
    "simulate": "gridstab.dynamics.simulate",
    "texas_grid": "gridstab.grids.texas",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'gridstab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
