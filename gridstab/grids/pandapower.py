"""Grids of pandapower networks; only their tables are read, pandapower is not needed."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gridstab.errors import CaseError
from gridstab.grids.case import Case, Setting, grid_of
from gridstab.grids.grid_checks import LONGEST_LABEL
from gridstab.grids.power_grid import (
    PUBLISHED_COUPLING,
    PUBLISHED_DAMPING,
    PUBLISHED_INERTIA,
    PowerGrid,
)
from gridstab.grids.three_winding import Stars, flow_where_they_can, stars

if TYPE_CHECKING:
    import pandas as pd

_BRANCHES = ("line", "trafo", "impedance")
_TABLES = ("bus", "controller", "dcline", "ext_grid", "gen", "trafo3w", *_BRANCHES)
"""Tables with elements in service that are understood, beside those of :data:`_POWER`."""

_POWER: dict[str, tuple[int, Callable[["pd.DataFrame"], Any]]] = {
    "sgen": (-1, lambda table: table["p_mw"] * table["scaling"]),
    "load": (1, lambda table: table["p_mw"] * table["scaling"]),
    "storage": (1, lambda table: table["p_mw"] * table["scaling"]),
    "motor": (
        1,
        lambda table: (
            table["pn_mech_mw"]
            / table["efficiency_percent"]
            * table["loading_percent"]
            * table["scaling"]
        ),
    ),
    "asymmetric_sgen": (-1, lambda table: _three_phases(table)),
    "asymmetric_load": (1, lambda table: _three_phases(table)),
    "shunt": (1, lambda table: table["p_mw"] * table["step"] * table["overvoltage"]),
    "ward": (1, lambda table: table["ps_mw"] + table["pz_mw"]),
    "xward": (1, lambda table: table["ps_mw"] + table["pz_mw"]),
}
"""Sign of consumption and active power [MW] at rated voltage of every kind of element at a bus."""

_VOLTAGE_DEPENDENT = ("shunt", "ward", "xward")


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

    Closed bus-bus switches merge their buses, whatever their impedance; the node is labelled by the
    first of them. Other open switches open their branch. Branches are lines, transformers and
    impedances; voltages and tap ratios are 1. A transformer of three windings becomes the usual
    star, whose point is a node of its own, without power in the setting ``"case"``.

    Labels are the names of the buses if all in service have one of their own, otherwise their
    indices, and ``trafo3w`` with its index for star points.

    In the setting ``"case"``, generators, static generators, loads, storages, motors, asymmetric
    loads and generators, shunts, wards and DC lines feed in and draw what the tables say. External
    grids and generators with ``slack`` balance them: where the network is solved, and the results
    belong to its present tables, by their results; what is left (the losses), or all, by their
    ``slack_weight``. Elements of any other kind in service are refused.

    Args:
        net: The network, solved or not.
        setting: ``"homogeneous"`` or ``"case"``.
        seed: Seed of the random powers of the homogeneous setting.
        coupling: K of every line in the homogeneous setting.
        damping: D of every node, in both settings.
        inertia: m of every node, in both settings.
        largest_component: Keep only the largest component of a disconnected network.

    Raises:
        CaseError: The network has elements without a rule (as static var compensators), which are
            named, or lacks what the setting needs, as reactances that are positive.
        DisconnectedGridError: The network falls into several components.
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
    _require_rules(net, name)
    bus = net.bus[net.bus["in_service"].astype(bool)]
    node = _nodes(bus, net.switch)
    first = np.unique(node.to_numpy(), return_index=True)[1]
    base = float(net.sn_mva)

    line = _branches(net, "line", "l", node, ("from_bus", "to_bus"))
    trafo = _branches(net, "trafo", "t", node, ("hv_bus", "lv_bus"))
    impedance = _branches(net, "impedance", "i", node, ("from_bus", "to_bus"))
    ohm = line["x_ohm_per_km"] * line["length_km"] / line["parallel"]
    kilovolt = bus["vn_kv"].loc[line["from_bus"]].to_numpy()
    share = np.sqrt(trafo["vk_percent"] ** 2 - trafo["vkr_percent"] ** 2) / 100
    reactance = (
        ohm * base / kilovolt**2,
        share * base / (trafo["sn_mva"] * trafo["parallel"]),
        impedance["xft_pu"] * base / impedance["sn_mva"],
    )

    star = stars(net, node, base)

    def extended(values: np.ndarray) -> np.ndarray:
        return np.append(values, np.zeros(len(star.labels), values.dtype))

    coordinates = _coordinates(net, bus)
    demand, generation = _powers(net, bus, node)
    slack, balance = _slack(net, node)
    dispatched = {kind: net[kind] for kind in ("gen", "sgen")}
    return Case(
        name=name,
        label=(*_labels(bus, first, star.labels), *star.labels),
        demand=extended(demand),
        generation=extended(generation + balance),
        has_generator=extended(
            np.any([_sum(table, node, 1) > 0 for table in dispatched.values()], axis=0)
        ),
        is_reference=extended(slack > 0),
        voltage=np.ones(len(first) + len(star.labels)),
        branches=np.concatenate(
            [*(table[["a", "b"]] for table in (line, trafo, impedance)), star.branches]
        ).astype(np.int64),
        reactance=np.concatenate([*reactance, star.reactance]).astype(np.float64),
        base_power=base,
        coordinates=None if coordinates is None else _with_star_points(coordinates[first], star),
        slack=extended(slack),
        shift=np.append(_shift(line, trafo, impedance), star.shift),
    )


def _labels(
    bus: "pd.DataFrame", first: Int[np.ndarray, " nodes"], taken: Sequence[str]
) -> list[str]:
    """Names of the first buses of the nodes, where every bus has one of its own, else indices."""
    names = [_name(name) for name in bus["name"]] if "name" in bus else [""]
    own = set(names)
    if "" not in own and len(own) == len(names) and own.isdisjoint(taken):
        return [names[number] for number in first]
    return [str(index) for index in bus.index[first]]


def _name(name: Any) -> str:
    """The name of a bus as a label, empty if it cannot be one."""
    if isinstance(name, float) and name.is_integer():  # a column of numbers that once had a gap
        name = int(name)
    usable = isinstance(name, str | int | np.integer) and not isinstance(name, bool)
    text = str(name).strip() if usable else ""
    return text if text.isprintable() and len(text) <= LONGEST_LABEL else ""


def _with_star_points(
    coordinates: Float[np.ndarray, "buses 2"], star: Stars
) -> Float[np.ndarray, "nodes 2"]:
    """Positions of the nodes, star points amid the buses around them."""
    own = []
    for point in range(len(coordinates), len(coordinates) + len(star.labels)):
        legs = star.branches[(star.branches == point).any(axis=1)]
        own.append(coordinates[legs[legs != point]].mean(axis=0))
    return np.concatenate([coordinates, np.reshape(own, (-1, 2))])


def _shift(*tables: "pd.DataFrame") -> Float[np.ndarray, " branches"]:
    """Angles of transformers [rad], zero of other branches."""
    columns = [
        table["shift_degree"].fillna(0.0) if "shift_degree" in table else np.zeros(len(table))
        for table in tables
    ]
    return np.deg2rad(np.concatenate(columns).astype(np.float64))


def _require_rules(net: Any, name: str) -> None:
    """Refuse elements in service for which there is no rule."""
    for kind in net:
        table = net[kind]
        known = kind in _TABLES or kind in _POWER or kind.startswith(("_", "res_"))
        if known or "in_service" not in getattr(table, "columns", ()):
            continue
        if len(table) and table["in_service"].astype(bool).any():
            raise CaseError(
                f"{name!r} has elements of kind {kind!r}, for which there is no rule; take them "
                f"out of service: net.{kind}['in_service'] = False"
            )


def _powers(
    net: Any, bus: "pd.DataFrame", node: "pd.Series"
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """What every node draws and what its generators feed in, without the slack [MW]."""
    demand, generation = np.zeros(node.max() + 1), np.zeros(node.max() + 1)
    for kind, (sign, _) in _POWER.items():
        table = net.get(kind)
        if table is None or not len(table):
            continue
        power = _sum(table, node, _power(net, kind))
        if kind == "sgen":
            generation += power
        else:
            demand += sign * power
    gen = net.gen
    generation += _sum(gen[~_is_slack(gen)], node, gen["p_mw"] * gen["scaling"])
    dcline = net.get("dcline")
    if dcline is not None and len(dcline):
        dcline = dcline[dcline["from_bus"].isin(bus.index) & dcline["to_bus"].isin(bus.index)]
        sent = dcline["p_mw"]
        received = sent * (1 - dcline["loss_percent"] / 100) - dcline["loss_mw"]
        demand += _sum(dcline.assign(bus=dcline["from_bus"]), node, sent)
        demand -= _sum(dcline.assign(bus=dcline["to_bus"]), node, received)
    return demand, generation


def _power(net: Any, kind: str) -> "pd.Series":
    """Active power of every row of a table, in service or not [MW]."""
    table = net[kind]
    if kind == "shunt":
        if "step_dependency_table" in table and (table["step_dependency_table"] == True).any():  # noqa: E712
            raise CaseError(
                "shunts whose power follows a table (step_dependency_table) have no rule; write "
                "their p_mw and step"
            )
        rated = net.bus["vn_kv"].loc[table["bus"]].to_numpy() / table["vn_kv"]
        table = table.assign(overvoltage=(rated**2).fillna(1.0))
    return _POWER[kind][1](table)


def _three_phases(table: "pd.DataFrame") -> "pd.Series":
    return (table["p_a_mw"] + table["p_b_mw"] + table["p_c_mw"]) * table["scaling"]


def _is_slack(gen: "pd.DataFrame") -> Any:
    return gen["slack"].astype(bool) if "slack" in gen else np.zeros(len(gen), dtype=bool)


def _slack(
    net: Any, node: "pd.Series"
) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
    """Weights of the nodes that balance the network, and their results [MW] where these count."""
    weight, balance = np.zeros(node.max() + 1), np.zeros(node.max() + 1)
    counts = _has_results_of_its_tables(net, node)
    for kind, table in (("ext_grid", net.ext_grid), ("gen", net.gen[_is_slack(net.gen)])):
        own = table["slack_weight"].fillna(0.0) if "slack_weight" in table else 1.0
        # Weights that are all zero, as those of generators are unless set, mean equal shares.
        weights = own if np.any(own) else 1.0
        weight += _sum(table, node, weights)
        if counts:
            balance += _sum(table, node, net[f"res_{kind}"]["p_mw"].loc[table.index])
    return weight, balance


def _has_results_of_its_tables(net: Any, node: "pd.Series") -> bool:
    """Whether the results in the network are those of its tables as they are now."""
    for kind in ("ext_grid", "gen", *_POWER, *_BRANCHES):
        table, result = net.get(kind), net.get(f"res_{kind}")
        if table is None or not len(table) or kind in _VOLTAGE_DEPENDENT:
            continue
        if result is None or not result.index.equals(table.index):
            return False
        if kind in _BRANCHES:
            if not _flows_where_it_can(net, kind, node):
                return False
            continue
        active = (table["in_service"].astype(bool) & table["bus"].isin(node.index)).to_numpy()
        power = result["p_mw"].to_numpy(dtype=np.float64)
        expected = power
        if kind in _POWER:
            expected = _power(net, kind).to_numpy(dtype=np.float64)
        elif kind == "gen":
            expected = np.where(_is_slack(table), power, table["p_mw"] * table["scaling"])
        if not np.allclose(power[active], expected[active], rtol=1e-9, atol=1e-9):
            return False
    return flow_where_they_can(net, node)


def _flows_where_it_can(net: Any, kind: str, node: "pd.Series") -> bool:
    """Whether the results of branches fit what is in service.

    What is out of service carries nothing; a line in service carries something unless the phases
    at its ends agree. Phases tell nothing across transformers, which may shift them.
    """
    ends = ("hv_bus", "lv_bus") if kind == "trafo" else ("from_bus", "to_bus")
    side = ("hv", "lv") if kind == "trafo" else ("from", "to")
    table, result = net[kind], net[f"res_{kind}"]
    active = table["in_service"].to_numpy(dtype=bool)
    running = table.index.isin(_branches(net, kind, kind[0], node, ends).index)
    flow = result[f"p_{side[0]}_mw"].to_numpy(dtype=np.float64)
    if np.isnan(flow[running]).any() or np.nan_to_num(flow[~active]).any():
        return False
    if kind != "line":
        return True
    phases = result["va_from_degree"] - result["va_to_degree"]
    return bool(((flow != 0) | (np.abs(phases.to_numpy()) < 1e-9))[running].all())


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
    table, switch = net.get(kind), net.switch
    if table is None:
        import pandas as pd

        table = pd.DataFrame(columns=[*ends, "in_service", "xft_pu", "sn_mva"], dtype=np.float64)
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


def _sum(table: "pd.DataFrame", node: "pd.Series", power: Any) -> Float[np.ndarray, " nodes"]:
    """A quantity of the elements of a table in service, summed up at every node."""
    table = table.assign(power=power)
    table = table[table["in_service"].astype(bool) & table["bus"].isin(node.index)]
    weights = table["power"].to_numpy(dtype=np.float64)
    # Without any element, bincount counts in integers.
    total = np.bincount(node.loc[table["bus"]], weights=weights, minlength=node.max() + 1)
    return total.astype(np.float64)


def _coordinates(net: Any, bus: "pd.DataFrame") -> Float[np.ndarray, "buses 2"] | None:
    """Positions of the buses if all are known: GeoJSON points, or the older table."""
    if "geo" in bus and bus["geo"].map(lambda geo: isinstance(geo, str) and bool(geo)).all():
        return np.array([json.loads(geo)["coordinates"][:2] for geo in bus["geo"]], dtype=float)
    table = getattr(net, "bus_geodata", None)
    if table is not None and bus.index.isin(table.index).all():
        return table.loc[bus.index, ["x", "y"]].to_numpy(dtype=float)
    return None
