"""What networks learn by, where it is not by their labels: contrast, equations, and your own."""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.zoo.training.objectives.objective import Batch as Batch
    from graphwsl.zoo.training.objectives.objective import Objective as Objective
    from graphwsl.zoo.training.objectives.registry import OBJECTIVES as OBJECTIVES

# Imported on first use, as in the package itself.
_HOME = {"OBJECTIVES": "registry", "Batch": "objective", "Objective": "objective"}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
