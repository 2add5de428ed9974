"""Grids of PyPSA networks; only their tables are read, PyPSA is not needed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
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

    Branches are lines and transformers, by their own values or their standard types; links are
    controllable and couple no phases. Voltages are 1, tap ratios those of the transformers, the
    base power is 100 MVA.

    In the setting ``"case"``, generators, storage units, stores and links have their dispatch of
    the snapshot where the network is solved, and their set point otherwise; loads and shunts draw
    what is set. What is missing is fed in by the generator with control ``Slack``, or the first
    one of its part of the network, as in PyPSA's own linear power flow.

    Args:
        network: The network, solved or not.
        snapshot: The time of the powers; the first one if None. If there are several, the grid's
            name says which in the setting ``"case"``.
        setting: ``"homogeneous"`` or ``"case"``.
        seed: Seed of the random powers of the homogeneous setting.
        coupling: K of every line in the homogeneous setting.
        damping: D of every node, in both settings.
        inertia: m of every node, in both settings.
        largest_component: Keep only the largest component of a disconnected network.

    Raises:
        CaseError: The network has no such snapshot or lacks what the setting needs, as the power
            of a generator that is neither set nor optimised.
        DisconnectedGridError: The network falls into several components.
        NoOperatingPointError: Homogeneous setting: no draw has a stable operating point.
        InvalidParameterError: Unknown setting or negative seed.
    """
    try:
        case = _case(network, snapshot, need_values=setting == "case")
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


def _case(network: Any, snapshot: Any, *, need_values: bool) -> Case:
    buses = network.buses
    name = str(getattr(network, "name", None) or "pypsa")
    if buses.index.nlevels > 1:
        raise CaseError(f"{name!r} has scenarios; give the network of one of them")
    snapshots = network.snapshots
    if snapshot is None:
        snapshot = snapshots[0]
    elif snapshot not in snapshots:
        raise CaseError(f"{name!r} has no snapshot {snapshot!r}")
    line, transformer = _lines(network), _transformers(network)
    kilovolt = buses["v_nom"].loc[line["bus0"]].to_numpy()
    branches = np.concatenate(
        [
            np.stack([buses.index.get_indexer(table[end]) for end in ("bus0", "bus1")], axis=1)
            for table in (line, transformer)
        ]
    ).astype(np.int64)
    generator = np.zeros(len(buses), dtype=bool)
    for kind in ("generators", "storage_units"):
        generator |= buses.index.isin(_active(getattr(network, kind))["bus"])
    slack = _slack(network, branches)
    powers = _Powers(network, name, snapshot)
    if need_values:
        demand, generation = powers.demand(), powers.generation(slack)
    else:
        demand = generation = np.zeros(len(buses))
    coordinates = buses[["x", "y"]].to_numpy(dtype=np.float64)
    balance = buses.index.isin(network.generators["bus"].loc[slack]).astype(np.float64)
    return Case(
        name=f"{name} at {snapshot}" if need_values and len(snapshots) > 1 else name,
        label=tuple(map(str, buses.index)),
        demand=demand,
        generation=generation,
        has_generator=generator,
        is_reference=balance > 0,
        voltage=np.ones(len(buses)),
        branches=branches,
        reactance=np.concatenate(
            [
                line["x"] * BASE_POWER / kilovolt**2,
                transformer["x"] * transformer["tap_ratio"] * BASE_POWER / transformer["s_nom"],
            ]
        ).astype(np.float64),
        base_power=BASE_POWER,
        coordinates=coordinates if np.isfinite(coordinates).all() and coordinates.any() else None,
        slack=balance,
        shift=np.deg2rad(np.append(np.zeros(len(line)), _phase_shift(transformer))),
    )


def _phase_shift(transformer: Any) -> Float[np.ndarray, " transformers"]:
    """Angles [degrees], of which most networks have none."""
    if "phase_shift" not in transformer:
        return np.zeros(len(transformer))
    return transformer["phase_shift"].fillna(0.0).to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class _Powers:
    """Active powers of one snapshot [MW]."""

    network: Any
    name: str
    snapshot: Any

    def demand(self) -> Float[np.ndarray, " buses"]:
        """What loads, shunts and links take at every bus, less what links deliver."""
        buses = self.network.buses
        loads = _active(self.network.loads)
        demand = -self.at_buses(loads["bus"], self.series("loads", "p_set", loads) * loads["sign"])
        shunts = _active(getattr(self.network, "shunt_impedances", None))
        if len(shunts):
            squared = buses["v_nom"].loc[shunts["bus"]].to_numpy() ** 2
            demand -= self.at_buses(shunts["bus"], shunts["g"] * squared * shunts["sign"])
        links = _active(getattr(self.network, "links", None))
        if not len(links):
            return demand
        taken = self.dispatch("links", links, "p0")
        demand += self.at_buses(links["bus0"], taken)
        for end in (column[3:] for column in links.columns if re.fullmatch(r"bus[1-9]\d*", column)):
            rows = links[links[f"bus{end}"].astype(bool)]
            efficiency = self.series("links", f"efficiency{'' if end == '1' else end}", rows)
            delivered = (taken.loc[rows.index] * efficiency).astype(np.float64)
            known = self.known("links", f"p{end}", rows)
            delivered[known.index] = -known
            demand -= self.at_buses(rows[f"bus{end}"], delivered)
        return demand

    def generation(self, slack: list[Any]) -> Float[np.ndarray, " buses"]:
        """What generators, storage units and stores feed in at every bus.

        Args:
            slack: Generators that need no power of their own.
        """
        if len(_active(getattr(self.network, "processes", None))):
            raise CaseError(f"{self.name!r} has processes, for which there is no rule; remove them")
        total = np.zeros(len(self.network.buses))
        for kind in ("generators", "storage_units", "stores"):
            units = _active(getattr(self.network, kind, None))
            if len(units):
                free = slack if kind == "generators" else []
                power = self.dispatch(kind, units, "p", free)
                total += self.at_buses(units["bus"], power * units["sign"])
        return total

    def dispatch(
        self, kind: str, units: "pd.DataFrame", result: str, free: Sequence[Any] = ()
    ) -> "pd.Series":
        """The solved power of every unit, otherwise its set point; zero for free ones without."""
        power = self.series(kind, "p_set", units).astype(np.float64)
        known = self.known(kind, result, units)
        power[known.index] = known
        power[power.isna() & power.index.isin(free)] = 0.0
        unknown = power.index[power.isna()]
        if len(unknown):
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            raise CaseError(
                f"{kind.removesuffix('s').replace('_', ' ')} {str(unknown[0])!r}{more} of "
                f"{self.name!r} has no power at snapshot {self.snapshot}: its p_set is not set and "
                "the network is not solved; run n.optimize() or the linear power flow n.lpf()"
            )
        return power

    def series(self, kind: str, attribute: str, units: "pd.DataFrame") -> "pd.Series":
        """An attribute of every unit at the snapshot: in time where it is so, otherwise fixed."""
        import pandas as pd

        fixed = units[attribute] if attribute in units else pd.Series(1.0, units.index)
        values = fixed.astype(np.float64).copy()
        known = self.known(kind, attribute, units)
        values[known.index] = known
        return values

    def known(self, kind: str, attribute: str, units: "pd.DataFrame") -> "pd.Series":
        """What the network's series hold of an attribute, of as many units as they do."""
        series = getattr(self.network, f"{kind}_t", {})
        table = series.get(attribute)
        if table is None or not len(table):
            import pandas as pd

            return pd.Series(dtype=np.float64)
        values = table[table.columns.intersection(units.index)].loc[self.snapshot]
        return values.dropna().astype(np.float64)

    def at_buses(self, bus: "pd.Series", power: "pd.Series") -> Float[np.ndarray, " buses"]:
        """The powers of units, summed up at every bus."""
        buses = self.network.buses
        number = buses.index.get_indexer(bus)
        weights = power.to_numpy(dtype=np.float64)
        # Without any unit, bincount counts in integers.
        return np.bincount(number, weights=weights, minlength=len(buses)).astype(np.float64)


def _slack(network: Any, branches: Int[np.ndarray, "branches 2"]) -> list[Any]:
    """The generator that balances each part of the network: set as such, or its first one."""
    buses, generators = network.buses, _active(network.generators)
    links = coo_array((np.ones(len(branches)), branches.T), shape=(len(buses), len(buses)))
    part = connected_components(links, directed=False)[1]
    part_of_generator = part[buses.index.get_indexer(generators["bus"])]
    chosen: dict[int, Any] = {}
    for wanted in ("Slack", None):
        for name, own_part in zip(generators.index, part_of_generator.tolist(), strict=True):
            if wanted is None or generators["control"].loc[name] == wanted:
                chosen.setdefault(own_part, name)
    return list(chosen.values())


def _lines(network: Any) -> "pd.DataFrame":
    """Lines in service, with the reactance of their standard type if they have one."""
    lines = _active(network.lines)
    typed = _typed(lines)
    if not typed.any():
        return lines
    kind = _types(network, "line_types", lines["type"][typed])
    x = kind["x_per_length"].to_numpy() * lines["length"][typed] / lines["num_parallel"][typed]
    return lines.assign(x=lines["x"].mask(typed, x))


def _transformers(network: Any) -> "pd.DataFrame":
    """Transformers in service, with the values of their standard type if they have one."""
    table = _active(network.transformers)
    if "tap_ratio" not in table:
        table = table.assign(tap_ratio=1.0)
    typed = _typed(table)
    if not typed.any():
        return table
    kind = _types(network, "transformer_types", table["type"][typed])
    kind = kind.set_axis(table.index[typed])
    own = table[typed]
    x = np.sqrt(kind["vsc"] ** 2 - kind["vscr"] ** 2) / 100 / own["num_parallel"]
    ratio = 1 + (own["tap_position"] - kind["tap_neutral"]) * kind["tap_step"] / 100
    return table.assign(
        x=table["x"].mask(typed, x),
        s_nom=table["s_nom"].mask(typed, kind["s_nom"]),
        tap_ratio=table["tap_ratio"].mask(typed, ratio),
    )


def _typed(table: "pd.DataFrame") -> "pd.Series":
    import pandas as pd

    return table["type"] != "" if "type" in table else pd.Series(False, table.index)


def _types(network: Any, kind: str, wanted: "pd.Series") -> "pd.DataFrame":
    known = getattr(network, kind)
    unknown = wanted[~wanted.isin(known.index)]
    if len(unknown):
        raise CaseError(f"type {unknown.iloc[0]!r} of {unknown.index[0]!r} is not in n.{kind}")
    return known.loc[wanted]


def _active(table: "pd.DataFrame | None") -> "pd.DataFrame":
    """The rows of a table in service; networks of older releases lack some tables."""
    if table is None:
        import pandas as pd

        return pd.DataFrame()
    return table[table["active"].astype(bool)] if "active" in table else table
