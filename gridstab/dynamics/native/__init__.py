"""The CPU engine: many trajectories advance together, one in each lane of the SIMD registers."""

from gnncore.lazy import lazy

__getattr__, __dir__ = lazy(__name__, {})
