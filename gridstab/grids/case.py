"""A power-flow case, whatever file or library it comes from, and the grids made of it."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from gridstab.errors import CaseError, InvalidParameterError, LeftOutWarning
from gridstab.grids.node_table import NodeTable, with_node_values
from gridstab.grids.power_flow import require_connected
from gridstab.grids.power_grid import (
    PUBLISHED_COUPLING,
    PUBLISHED_DAMPING,
    PUBLISHED_INERTIA,
    PowerGrid,
)

Setting = Literal["homogeneous", "case"]
SETTINGS = ("homogeneous", "case")


@dataclass(frozen=True, eq=False)
class Case:
    """Buses and branches in service; buses are numbered from 0 in the order of their source.

    Attributes:
        name: What the case is called.
        label: The source's own numbers or names of the buses.
        demand: Active load [MW], with shunts and terminals of DC lines, shape ``(buses,)``.
        generation: Active generation [MW], shape ``(buses,)``.
        has_generator: Buses with a generator in service, at whatever output.
        is_reference: Buses that balance the case.
        voltage: Magnitude [p.u.], shape ``(buses,)``.
        branches: Bus pairs, parallel branches once each, shape ``(branches, 2)``.
        reactance: x · tap ratio [p.u.], shape ``(branches,)``.
        base_power: Base of the per-unit system [MVA].
        coordinates: Positions of the buses, or None.
        slack: Weights of the buses that take up the mismatch of the case, or None if its
            reference buses do alike. Shape ``(buses,)``.
        shift: Angles of phase shifters [rad], shape ``(branches,)``, or None without any.
    """

    name: str
    label: tuple[str, ...]
    demand: Float[np.ndarray, " buses"]
    generation: Float[np.ndarray, " buses"]
    has_generator: Bool[np.ndarray, " buses"]
    is_reference: Bool[np.ndarray, " buses"]
    voltage: Float[np.ndarray, " buses"]
    branches: Int[np.ndarray, "branches 2"]
    reactance: Float[np.ndarray, " branches"]
    base_power: float
    coordinates: Float[np.ndarray, "buses 2"] | None = None
    slack: Float[np.ndarray, " buses"] | None = None
    shift: Float[np.ndarray, " branches"] | None = None

    @property
    def num_buses(self) -> int:
        """Number of buses."""
        return len(self.label)

    def keep(self, kept: Bool[np.ndarray, " buses"]) -> "Case":
        """The case without some buses and the branches that end there."""
        number = np.cumsum(kept) - 1
        inside = kept[self.branches].all(axis=1)
        return replace(
            self,
            label=tuple(label for label, keep in zip(self.label, kept, strict=True) if keep),
            demand=self.demand[kept],
            generation=self.generation[kept],
            has_generator=self.has_generator[kept],
            is_reference=self.is_reference[kept],
            voltage=self.voltage[kept],
            branches=number[self.branches[inside]],
            reactance=self.reactance[inside],
            coordinates=None if self.coordinates is None else self.coordinates[kept],
            slack=None if self.slack is None else self.slack[kept],
            shift=None if self.shift is None else self.shift[inside],
        )

    @property
    def num_shifted_loops(self) -> int:
        """Branches, of a spanning forest left over, around whose loop the angles do not cancel.

        Elsewhere phases can be counted so that no angle is left, and flows are as without them.
        """
        if self.shift is None or not self.shift.any():
            return 0
        start, end = self.branches.T
        links = coo_array((np.ones(len(start)), (start, end)), shape=(self.num_buses,) * 2)
        label = connected_components(links, directed=False)[1]
        phase = np.zeros(self.num_buses)
        angle: dict[tuple[int, int], float] = {}
        for a, b, shift in zip(start.tolist(), end.tolist(), self.shift.tolist(), strict=True):
            angle.setdefault((a, b), shift)
            angle.setdefault((b, a), -shift)
        for root in np.unique(label, return_index=True)[1].tolist():
            order, before = breadth_first_order(links, root, directed=False)
            for node in order[1:].tolist():
                phase[node] = phase[before[node]] - angle[before[node], node]
        # By whole turns no flow changes.
        rest = (phase[start] - phase[end] - self.shift + np.pi) % (2 * np.pi) - np.pi
        return int((np.abs(rest) > 1e-9).sum())

    def lines(self) -> tuple[Int[np.ndarray, "lines 2"], Int[np.ndarray, " branches"]]:
        """Parallel branches merged into sorted lines, and the line of every branch."""
        lines, line_of_branch = np.unique(
            np.sort(self.branches, axis=1), axis=0, return_inverse=True
        )
        return lines, line_of_branch.ravel()


def grid_of(
    case: Case,
    *,
    setting: Setting = "homogeneous",
    seed: int | Sequence[int] = 0,
    coupling: float = PUBLISHED_COUPLING,
    damping: float = PUBLISHED_DAMPING,
    inertia: float = PUBLISHED_INERTIA,
    largest_component: bool = False,
    node_table: NodeTable | None = None,
) -> PowerGrid:
    """The power grid of a case; see :func:`gridstab.load_case` for settings and rules."""
    if setting not in SETTINGS:
        raise InvalidParameterError(
            f"setting must be one of {', '.join(SETTINGS)}, got {setting!r}"
        )
    dropped = frozenset(case.label)
    case = _in_service(case, largest_component=largest_component)
    lines, line_of_branch = case.lines()
    parameters: dict[str, Any] = {
        "coupling": coupling,
        "damping": damping,
        "inertia": inertia,
        "coordinates": case.coordinates,
    }

    def build(power: Float[np.ndarray, " nodes"], **own: Any) -> PowerGrid:
        return PowerGrid.from_arrays(
            lines, power, name=case.name, labels=case.label, **{**parameters, **own}
        )

    if setting == "homogeneous":
        return with_node_values(case.label, seed, node_table, build, dropped=dropped)
    if case.shift is not None and case.num_shifted_loops:
        warnings.warn(
            f"the angles of {np.count_nonzero(case.shift)} phase shifter(s) of {case.name!r} are "
            "left out, so that flows within loops differ from those of the case",
            LeftOutWarning,
            stacklevel=3,
        )
    own = {} if node_table is None else node_table.values(case.label, dropped)
    power = own.pop("power") if "power" in own else _balanced(case)
    grid = build(power, coupling=_line_coupling(case, lines, line_of_branch), **own)
    require_connected(grid)
    return grid


def _in_service(case: Case, *, largest_component: bool) -> Case:
    """Without branches from a bus to itself and buses without branch, or only the largest part."""
    between = case.branches[:, 0] != case.branches[:, 1]
    case = replace(
        case,
        branches=case.branches[between],
        reactance=case.reactance[between],
        shift=None if case.shift is None else case.shift[between],
    )
    if not len(case.branches):
        raise CaseError(f"{case.name!r} has no branch in service between two buses")
    if not largest_component:
        return case.keep(np.bincount(case.branches.ravel(), minlength=case.num_buses) > 0)
    links = coo_array(
        (np.ones(len(case.branches)), case.branches.T), shape=(case.num_buses, case.num_buses)
    )
    component = connected_components(links, directed=False)[1]
    return case.keep(component == np.bincount(component).argmax())


def _line_coupling(
    case: Case, lines: Int[np.ndarray, "lines 2"], line_of_branch: Int[np.ndarray, " branches"]
) -> Float[np.ndarray, " lines"]:
    """K = V_a V_b Σ 1/(x τ) over parallel branches [p.u.]."""
    ends = np.unique(lines)
    without = ends[~(np.isfinite(case.voltage[ends]) & (case.voltage[ends] > 0))]
    if without.size:
        raise CaseError(
            f"{without.size} bus(es) of {case.name!r} have no positive finite voltage, the first "
            f"is bus {case.label[without[0]]} with {case.voltage[without[0]]:g} p.u.; mend it, or "
            "use setting='homogeneous', which needs only the topology"
        )
    with np.errstate(divide="ignore"):
        susceptance = np.bincount(line_of_branch, weights=1 / case.reactance, minlength=len(lines))
    coupling = susceptance * case.voltage[lines].prod(axis=1)
    bad = np.flatnonzero(~(np.isfinite(coupling) & (coupling > 0)))
    if bad.size:
        a, b = (case.label[bus] for bus in lines[bad[0]])
        raise CaseError(
            f"{bad.size} line(s) of {case.name!r} have no positive finite reactance, the first "
            f"from bus {a} to {b}; use setting='homogeneous', which needs only the topology"
        )
    return coupling


def _balanced(case: Case) -> Float[np.ndarray, " buses"]:
    """Generation − load [p.u.] and the share of the mismatch, see :attr:`Case.slack`.

    Where the preferred buses are not part of the grid, the next kind takes its place: reference
    buses, as in MATPOWER's own power flow, then generators in proportion to their output.
    """
    power = case.generation - case.demand
    output = np.where(case.has_generator, np.maximum(case.generation, 0), 0)
    reference = case.is_reference.astype(float)
    shares = (np.zeros(len(power)) if case.slack is None else case.slack, reference, output)
    share = next((share for share in shares if share.any()), None)
    if share is None:
        raise CaseError(
            f"{case.name!r} has neither generation nor a reference bus to balance its load; "
            "use setting='homogeneous'"
        )
    return (power - power.sum() * share / share.sum()) / case.base_power
