"""Power grids: random ones, Texas, MATPOWER cases, textbook shapes, files and conversions.

>>> from gridstab import grids
>>> grids.ring(6)
PowerGrid('ring-6', nodes=6, lines=6)
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from gridstab.grids.bottleneck import find_bottleneck as find_bottleneck
    from gridstab.grids.converters import from_networkx as from_networkx
    from gridstab.grids.files import load_grid as load_grid
    from gridstab.grids.files import save_grid as save_grid
    from gridstab.grids.growth import random_grid as random_grid
    from gridstab.grids.matpower import case_names as case_names
    from gridstab.grids.matpower import load_case as load_case
    from gridstab.grids.pandapower import from_pandapower as from_pandapower
    from gridstab.grids.power_flow import power_flow as power_flow
    from gridstab.grids.power_grid import PowerGrid as PowerGrid
    from gridstab.grids.pypsa import from_pypsa as from_pypsa
    from gridstab.grids.shapes import lattice as lattice
    from gridstab.grids.shapes import ring as ring
    from gridstab.grids.shapes import tree as tree
    from gridstab.grids.shapes import watts_strogatz as watts_strogatz
    from gridstab.grids.texas import texas_grid as texas_grid

# Imported on first use, as in the package above.
_HOME = {
    "PowerGrid": "power_grid",
    "case_names": "matpower",
    "find_bottleneck": "bottleneck",
    "from_networkx": "converters",
    "from_pandapower": "pandapower",
    "from_pypsa": "pypsa",
    "lattice": "shapes",
    "load_case": "matpower",
    "load_grid": "files",
    "power_flow": "power_flow",
    "random_grid": "growth",
    "ring": "shapes",
    "save_grid": "files",
    "texas_grid": "texas",
    "tree": "shapes",
    "watts_strogatz": "shapes",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
