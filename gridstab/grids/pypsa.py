"""Grids of PyPSA networks; only their tables are read, PyPSA is not needed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from gridstab.errors import CaseError
from gridstab.grids.case import Case, Setting, grid_of
from gridstab.grids.power_grid import (
    PUBLISHED_COUPLING,
    PUBLISHED_DAMPING,
    PUBLISHED_INERTIA,
    PowerGrid,
)

if TYPE_CHECKING:
    import pandas as pd

BASE_POWER = 100.0
"""PyPSA has no base power; per-unit values are given on 100 MVA."""


def from_pypsa(
    network: Any,
    *,
    snapshot: Any = None,
    setting: Setting = "homogeneous",
    seed: int | Sequence[int] = 0,
    coupling: float = PUBLISHED_COUPLING,
    damping: float = PUBLISHED_DAMPING,
    inertia: float = PUBLISHED_INERTIA,
    largest_component: bool = False,
) -> PowerGrid:
    """The grid of a ``pypsa.Network``, by the rules and settings of :func:`gridstab.load_case`.

    Branches are lines and transformers; links are controllable, couple no phases, and are ignored.
    Generators and storage units give their optimised dispatch where the network holds one, and
    their set point otherwise. Voltages and tap ratios are 1, the base power is 100 MVA.

    Args:
        network: The network, solved or not.
        snapshot: The time of the powers; the first one if None.
        setting: ``"homogeneous"`` or ``"case"``.
        seed: Of the random powers of the homogeneous setting.
        coupling: K of every line in the homogeneous setting.
        damping: D of every node, in both settings.
        inertia: m of every node, in both settings.
        largest_component: Keep only the largest component of a disconnected network.

    Raises:
        CaseError: The network has no such snapshot or lacks what the setting needs.
        DisconnectedGridError: Homogeneous setting: the network falls into several components.
        NoOperatingPointError: Homogeneous setting: no draw has a stable operating point.
        InvalidParameterError: Unknown setting or negative seed.
    """
    try:
        case = _case(network, snapshot)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CaseError(f"this is not a usable PyPSA network ({reason})") from error
    return grid_of(
        case,
        setting=setting,
        seed=seed,
        coupling=coupling,
        damping=damping,
        inertia=inertia,
        largest_component=largest_component,
    )


def _case(network: Any, snapshot: Any) -> Case:
    buses = network.buses
    name = str(getattr(network, "name", None) or "pypsa")
    if snapshot is None:
        snapshot = network.snapshots[0]
    elif snapshot not in network.snapshots:
        raise CaseError(f"{name!r} has no snapshot {snapshot!r}")
    line, transformer = (_active(table) for table in (network.lines, network.transformers))
    kilovolt = buses["v_nom"].loc[line["bus0"]].to_numpy()
    branches = [
        np.stack([buses.index.get_indexer(table[end]) for end in ("bus0", "bus1")], axis=1)
        for table in (line, transformer)
    ]
    generation = np.zeros(len(buses))
    generator = np.zeros(len(buses), dtype=bool)
    for units, series in (
        (network.generators, network.generators_t),
        (network.storage_units, network.storage_units_t),
    ):
        generation += _sum(buses, units, series, snapshot)
        generator |= buses.index.isin(_active(units)["bus"])
    places = buses[["x", "y"]].to_numpy(dtype=np.float64)
    slack = network.generators[network.generators["control"] == "Slack"]
    return Case(
        name=name,
        label=tuple(map(str, buses.index)),
        demand=-_sum(buses, network.loads, network.loads_t, snapshot),
        generation=generation,
        has_generator=generator,
        is_reference=buses.index.isin(slack["bus"]),
        voltage=np.ones(len(buses)),
        branches=np.concatenate(branches).astype(np.int64),
        reactance=np.concatenate(
            [
                line["x"] * BASE_POWER / kilovolt**2,
                transformer["x"] * BASE_POWER / transformer["s_nom"],
            ]
        ).astype(np.float64),
        base_power=BASE_POWER,
        coordinates=places if np.isfinite(places).all() and places.any() else None,
    )


def _active(table: "pd.DataFrame") -> "pd.DataFrame":
    return table[table["active"].astype(bool)] if "active" in table else table


def _sum(
    buses: "pd.DataFrame", units: "pd.DataFrame", series: Any, snapshot: Any
) -> Float[np.ndarray, " buses"]:
    """Injection of the units at every bus [MW]: dispatch, else set point in time, else fixed."""
    units = _active(units)
    power = units["p_set"].copy()
    for attribute in ("p_set", "p"):
        known = series[attribute]
        known = known[known.columns.intersection(units.index)]
        if len(known.columns):
            power[known.columns] = known.loc[snapshot]
    injection = (power * units["sign"]).to_numpy(dtype=np.float64)
    place = buses.index.get_indexer(units["bus"])
    # Without any unit, bincount counts in integers.
    return np.bincount(place, weights=injection, minlength=len(buses)).astype(np.float64)
