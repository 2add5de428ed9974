"""Dynamic stability of power grids: simulate labels, learn to predict them.

>>> import gridstab
>>> grid = gridstab.random_grid(20, seed=1)
>>> result = gridstab.simulate(grid, samples=100, seed=0)
>>> result.snbs.shape
(20,)
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy
from gnncore.moved import moved
from gridstab._moved import MODULES, NAMES

if TYPE_CHECKING:
    from gridstab.dynamics.landscape import stability_landscape as stability_landscape
    from gridstab.dynamics.operating_point import operating_point as operating_point
    from gridstab.dynamics.result import StabilityResult as StabilityResult
    from gridstab.dynamics.simulate import simulate as simulate
    from gridstab.grids.growth import random_grid as random_grid
    from gridstab.grids.matpower import load_case as load_case
    from gridstab.grids.power_grid import PowerGrid as PowerGrid
    from gridstab.grids.texas import texas_grid as texas_grid
    from gridstab.learning.predicting import predict as predict

__version__ = "0.1.0"

# Imported on first use: SciPy and numba take longer to import than `gridstab --help` may take.
_HOME = {
    "PowerGrid": "grids.power_grid",
    "StabilityResult": "dynamics.result",
    "load_case": "grids.matpower",
    "operating_point": "dynamics.operating_point",
    "predict": "learning.predicting",
    "random_grid": "grids.growth",
    "simulate": "dynamics.simulate",
    "stability_landscape": "dynamics.landscape",
    "texas_grid": "grids.texas",
}

__all__ = ["__version__", *_HOME]


__getattr__, __dir__ = lazy(__name__, _HOME)
moved(MODULES, NAMES)
