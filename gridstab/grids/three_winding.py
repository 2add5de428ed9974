"""Transformers of three windings as the star of three branches that is equivalent to each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    import pandas as pd

SIDES = ("hv", "mv", "lv")

_PAIRS = (("hv", "mv"), ("mv", "lv"), ("hv", "lv"))
"""The windings between which ``vk_hv_percent``, ``vk_mv_percent`` and ``vk_lv_percent`` are."""


@dataclass(frozen=True, eq=False)
class Stars:
    """The stars of a network; their points are nodes after those of the buses.

    Attributes:
        labels: ``trafo3w`` and its index for every star point.
        branches: Nodes of both ends of every leg. Shape ``(legs, 2)``.
        reactance: Reactance of every leg [p.u.]. Shape ``(legs,)``.
        shift: Angle of every leg [rad]. Shape ``(legs,)``.
    """

    labels: tuple[str, ...]
    branches: Int[np.ndarray, "legs 2"]
    reactance: Float[np.ndarray, " legs"]
    shift: Float[np.ndarray, " legs"]


def stars(net: Any, node: "pd.Series", base_power: float) -> Stars:
    """The stars of all transformers of three windings with at least two windings connected.

    Short-circuit voltages are between two windings, in percent at the smaller of their powers, as
    in pandapower. A leg's reactance can be negative or zero then, though no coupling can.

    Args:
        net: A pandapower network.
        node: The node of every bus in service, by the bus's index.
        base_power: Base of the per-unit system [MVA].
    """
    table = net.get("trafo3w")
    legs = connected_legs(net, node)
    if table is None or not legs.any():
        nothing = np.zeros(0)
        return Stars((), np.zeros((0, 2), np.int64), nothing, nothing)
    table, legs = table[legs.any(axis=1)], legs[legs.any(axis=1)]
    point = node.max() + 1 + np.arange(len(table))
    x = {}
    for name, (a, b) in zip(SIDES, _PAIRS, strict=True):
        volts = np.sqrt(table[f"vk_{name}_percent"] ** 2 - table[f"vkr_{name}_percent"] ** 2) / 100
        rated = np.minimum(table[f"sn_{a}_mva"], table[f"sn_{b}_mva"])
        x[a, b] = x[b, a] = (volts * base_power / rated).to_numpy(dtype=np.float64)
    branches, reactance, shift = [], [], []
    for side, (one, other) in {
        "hv": ("mv", "lv"),
        "mv": ("hv", "lv"),
        "lv": ("hv", "mv"),
    }.items():
        kept = legs[:, SIDES.index(side)]
        bus = node.loc[table.loc[kept, f"{side}_bus"]].to_numpy()
        ends = (bus, point[kept]) if side == "hv" else (point[kept], bus)
        branches.append(np.stack(ends, axis=1))
        reactance.append((x[side, one] + x[side, other] - x[one, other])[kept] / 2)
        degree = np.zeros(len(table))
        if f"shift_{side}_degree" in table:
            degree = table[f"shift_{side}_degree"].fillna(0.0).to_numpy(dtype=np.float64)
        shift.append(np.deg2rad(degree[kept]))
    return Stars(
        tuple(f"trafo3w {index}" for index in table.index),
        np.concatenate(branches).astype(np.int64),
        np.concatenate(reactance),
        np.concatenate(shift),
    )


def connected_legs(net: Any, node: "pd.Series") -> np.ndarray:
    """Whether each winding is connected; none is where it is the only one.

    Returns:
        Shape ``(transformers, 3)``, in the order of :data:`SIDES`.
    """
    table, switch = net.get("trafo3w"), net.switch
    if table is None or not len(table):
        return np.zeros((0, 3), dtype=bool)
    opened = switch[(switch["et"] == "t3") & ~switch["closed"].astype(bool)]
    pairs = set(zip(opened["element"], opened["bus"], strict=True))
    legs = np.stack(
        [
            table["in_service"].astype(bool)
            & table[f"{side}_bus"].isin(node.index)
            & [pair not in pairs for pair in zip(table.index, table[f"{side}_bus"], strict=True)]
            for side in SIDES
        ],
        axis=1,
    )
    return legs & (legs.sum(axis=1, keepdims=True) > 1)


def flow_where_they_can(net: Any, node: "pd.Series") -> bool:
    """Whether the results of these transformers fit what is connected."""
    legs, result = connected_legs(net, node), net.get("res_trafo3w")
    if not len(legs):
        return True
    if result is None or not result.index.equals(net["trafo3w"].index):
        return False
    flow = np.stack([result[f"p_{side}_mw"].to_numpy(dtype=np.float64) for side in SIDES], axis=1)
    return not (np.isnan(flow[legs]).any() or np.nan_to_num(flow[~legs]).any())
