"""The loss landscape of networks and of whole populations: curvature, ways, phases.

>>> from graphwsl.landscape import hessian_trace, measure  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.landscape.connection import Connection as Connection
    from graphwsl.landscape.connection import average as average
    from graphwsl.landscape.connection import linear_connectivity as linear_connectivity
    from graphwsl.landscape.connection import mode_connectivity as mode_connectivity
    from graphwsl.landscape.hessian import hessian_trace as hessian_trace
    from graphwsl.landscape.hessian import largest_eigenvalues as largest_eigenvalues
    from graphwsl.landscape.landscape import Landscape as Landscape
    from graphwsl.landscape.landscape import MeasuredCell as MeasuredCell
    from graphwsl.landscape.landscape import MeasuredNetwork as MeasuredNetwork
    from graphwsl.landscape.measurement import measure as measure
    from graphwsl.landscape.phases import Phase as Phase
    from graphwsl.landscape.phases import Thresholds as Thresholds
    from graphwsl.landscape.phases import phase_of as phase_of
    from graphwsl.landscape.settings import LandscapeSettings as LandscapeSettings
    from graphwsl.landscape.similarity import cka as cka

# Imported on first use: torch takes seconds to import.
_HOME = {
    "Connection": "connection",
    "Landscape": "landscape",
    "LandscapeSettings": "settings",
    "MeasuredCell": "landscape",
    "MeasuredNetwork": "landscape",
    "Phase": "phases",
    "Thresholds": "phases",
    "average": "connection",
    "cka": "similarity",
    "hessian_trace": "hessian",
    "largest_eigenvalues": "hessian",
    "linear_connectivity": "connection",
    "measure": "measurement",
    "mode_connectivity": "connection",
    "phase_of": "phases",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
