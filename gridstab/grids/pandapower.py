"""Grids of pandapower networks; only their tables are read, pandapower is not needed."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

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

_WITHOUT_RULE = ("trafo3w", "impedance", "dcline", "ward", "xward", "storage", "tcsc", "vsc")


def from_pandapower(
    net: Any,
    *,
    setting: Setting = "homogeneous",
    seed: int | Sequence[int] = 0,
    coupling: float = PUBLISHED_COUPLING,
    damping: float = PUBLISHED_DAMPING,
    inertia: float = PUBLISHED_INERTIA,
    largest_component: bool = False,
) -> PowerGrid:
    """The grid of a ``pandapowerNet``, by the rules and settings of :func:`gridstab.load_case`.

    Closed bus-bus switches merge their buses, other open switches open their branch. Generation is
    that of ``gen`` and ``sgen``; external grids are the reference. Voltages and tap ratios are 1.

    Args:
        net: The network, solved or not.
        setting: ``"homogeneous"`` or ``"case"``.
        seed: Of the random powers of the homogeneous setting.
        coupling: K of every line in the homogeneous setting.
        damping: D of every node, in both settings.
        inertia: m of every node, in both settings.
        largest_component: Keep only the largest component of a disconnected network.

    Raises:
        CaseError: The network has elements without a rule (three-winding transformers, ...), or
            lacks what the setting needs.
        DisconnectedGridError: Homogeneous setting: the network falls into several components.
        NoOperatingPointError: Homogeneous setting: no draw has a stable operating point.
        InvalidParameterError: Unknown setting or negative seed.
    """
    try:
        case = _case(net)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CaseError(f"this is not a usable pandapower network ({reason})") from error
    return grid_of(
        case,
        setting=setting,
        seed=seed,
        coupling=coupling,
        damping=damping,
        inertia=inertia,
        largest_component=largest_component,
    )


def _case(net: Any) -> Case:
    name = str(getattr(net, "name", None) or "pandapower")
    for kind in _WITHOUT_RULE:
        table = getattr(net, kind, None)
        if table is not None and len(table) and table["in_service"].any():
            raise CaseError(
                f"{name!r} has elements of kind {kind!r}, for which there is no rule; take them "
                "out, or export with pandapower.converter.to_mpc and load the .m file"
            )
    bus = net.bus[net.bus["in_service"].astype(bool)]
    node = _nodes(bus, net.switch)
    first = np.unique(node.to_numpy(), return_index=True)[1]
    base = float(net.sn_mva)

    line = _branches(net, "line", "l", node, ("from_bus", "to_bus"))
    trafo = _branches(net, "trafo", "t", node, ("hv_bus", "lv_bus"))
    ohm = line["x_ohm_per_km"] * line["length_km"] / line["parallel"]
    kilovolt = bus["vn_kv"].loc[line["from_bus"]].to_numpy()
    share = np.sqrt(trafo["vk_percent"] ** 2 - trafo["vkr_percent"] ** 2) / 100
    reactance = (ohm * base / kilovolt**2, share * base / (trafo["sn_mva"] * trafo["parallel"]))

    generation = _sum(net.gen, node) + _sum(net.sgen, node)
    places = _places(net, bus)
    return Case(
        name=name,
        label=tuple(str(index) for index in bus.index[first]),
        demand=_sum(net.load, node),
        generation=generation,
        has_generator=_present(net.gen, node) | _present(net.sgen, node),
        is_reference=_present(net.ext_grid, node),
        voltage=np.ones(len(first)),
        branches=np.concatenate([line[["a", "b"]], trafo[["a", "b"]]]).astype(np.int64),
        reactance=np.concatenate(reactance).astype(np.float64),
        base_power=base,
        coordinates=None if places is None else places[first],
    )


def _nodes(bus: "pd.DataFrame", switch: "pd.DataFrame") -> "pd.Series":
    """The node of every bus; buses joined by closed switches share one."""
    import pandas as pd

    closed = switch[(switch["et"] == "b") & switch["closed"].astype(bool)]
    joined = closed[closed["bus"].isin(bus.index) & closed["element"].isin(bus.index)]
    a, b = bus.index.get_indexer(joined["bus"]), bus.index.get_indexer(joined["element"])
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(bus), len(bus)))
    return pd.Series(connected_components(links, directed=False)[1], index=bus.index)


def _branches(
    net: Any, kind: str, switch_type: str, node: "pd.Series", ends: tuple[str, str]
) -> "pd.DataFrame":
    """The rows of a branch table in service, with the nodes of their ends as ``a`` and ``b``."""
    table, switch = net[kind], net.switch
    opened = switch[(switch["et"] == switch_type) & ~switch["closed"].astype(bool)]["element"]
    table = table[
        table["in_service"].astype(bool)
        & ~table.index.isin(opened)
        & table[ends[0]].isin(node.index)
        & table[ends[1]].isin(node.index)
    ]
    return table.assign(
        a=node.loc[table[ends[0]]].to_numpy(), b=node.loc[table[ends[1]]].to_numpy()
    )


def _present(table: "pd.DataFrame", node: "pd.Series") -> np.ndarray:
    """The nodes with an element of the table in service."""
    table = table[table["in_service"].astype(bool) & table["bus"].isin(node.index)]
    return np.bincount(node.loc[table["bus"]], minlength=node.max() + 1) > 0


def _sum(table: "pd.DataFrame", node: "pd.Series") -> Float[np.ndarray, " nodes"]:
    """Active power of the table's elements in service at every node [MW]."""
    table = table[table["in_service"].astype(bool) & table["bus"].isin(node.index)]
    power = (table["p_mw"] * table["scaling"]).to_numpy(dtype=np.float64)
    # Without any element, bincount counts in integers.
    total = np.bincount(node.loc[table["bus"]], weights=power, minlength=node.max() + 1)
    return total.astype(np.float64)


def _places(net: Any, bus: "pd.DataFrame") -> Float[np.ndarray, "buses 2"] | None:
    """Positions of the buses if all are known: GeoJSON points, or the older table."""
    if "geo" in bus and bus["geo"].map(lambda geo: isinstance(geo, str) and bool(geo)).all():
        return np.array([json.loads(geo)["coordinates"][:2] for geo in bus["geo"]], dtype=float)
    table = getattr(net, "bus_geodata", None)
    if table is not None and bus.index.isin(table.index).all():
        return table.loc[bus.index, ["x", "y"]].to_numpy(dtype=float)
    return None
