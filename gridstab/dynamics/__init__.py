"""The swing equation of a grid: perturb it, simulate it, measure how stable every node is.

:func:`simulate` measures every node, :func:`outcomes` and :func:`trajectories` answer for chosen
perturbations, :func:`basin_map` scans the plane of perturbations of one node.
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from gridstab.dynamics.basin_map import BasinMap as BasinMap
    from gridstab.dynamics.basin_map import basin_map as basin_map
    from gridstab.dynamics.engine import STOP_RULES as STOP_RULES
    from gridstab.dynamics.engine import Perturbations as Perturbations
    from gridstab.dynamics.engine import Reason as Reason
    from gridstab.dynamics.engine import Status as Status
    from gridstab.dynamics.engine import Trajectories as Trajectories
    from gridstab.dynamics.engines import make_engine as make_engine
    from gridstab.dynamics.landscape import stability_landscape as stability_landscape
    from gridstab.dynamics.outcomes import outcomes as outcomes
    from gridstab.dynamics.outcomes import trajectories as trajectories
    from gridstab.dynamics.result import StabilityResult as StabilityResult
    from gridstab.dynamics.simulate import simulate as simulate
    from gridstab.dynamics.swing import SwingModel as SwingModel

_HOME = {
    "STOP_RULES": "engine",
    "BasinMap": "basin_map",
    "Perturbations": "engine",
    "Reason": "engine",
    "StabilityResult": "result",
    "Status": "engine",
    "SwingModel": "swing",
    "Trajectories": "engine",
    "basin_map": "basin_map",
    "make_engine": "engines",
    "outcomes": "outcomes",
    "simulate": "simulate",
    "stability_landscape": "landscape",
    "trajectories": "outcomes",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
