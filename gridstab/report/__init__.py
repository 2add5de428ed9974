"""Pictures and reports of simulated grids."""

from gnncore.lazy import lazy

__getattr__, __dir__ = lazy(__name__, {})
