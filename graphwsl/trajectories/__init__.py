"""Histories of networks, from weights alone: order, trainings, parents, and shifts of the data."""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.trajectories.drift_alarm import DriftAlarm as DriftAlarm
    from graphwsl.trajectories.kinematics import Motion as Motion
    from graphwsl.trajectories.kinematics import motion as motion
    from graphwsl.trajectories.lineage import Parentage as Parentage
    from graphwsl.trajectories.lineage import parentage as parentage
    from graphwsl.trajectories.monitoring import Change as Change
    from graphwsl.trajectories.monitoring import Monitor as Monitor
    from graphwsl.trajectories.ordering import Order as Order
    from graphwsl.trajectories.ordering import find_order as find_order
    from graphwsl.trajectories.ordering import order as order
    from graphwsl.trajectories.separation import separate as separate

# Imported on first use, as in the package itself.
_HOME = {
    "Change": "monitoring",
    "DriftAlarm": "drift_alarm",
    "Monitor": "monitoring",
    "Motion": "kinematics",
    "Order": "ordering",
    "Parentage": "lineage",
    "find_order": "ordering",
    "motion": "kinematics",
    "order": "ordering",
    "parentage": "lineage",
    "separate": "separation",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
