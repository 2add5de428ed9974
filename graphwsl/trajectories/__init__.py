"""Histories of networks, from weights alone: order, trainings, parents, and shifts of the data."""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.trajectories.kinematics import Motion as Motion
    from graphwsl.trajectories.kinematics import motion as motion
    from graphwsl.trajectories.ordering import Order as Order
    from graphwsl.trajectories.ordering import find_order as find_order
    from graphwsl.trajectories.ordering import order as order
    from graphwsl.trajectories.separation import separate as separate

# Imported on first use, as in the package itself.
_HOME = {
    "Motion": "kinematics",
    "Order": "ordering",
    "find_order": "ordering",
    "order": "ordering",
    "separate": "separation",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
