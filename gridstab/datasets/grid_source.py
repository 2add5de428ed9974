"""Where the grids of a campaign come from, in a form that travels to every worker."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from gridstab.dynamics.swing import SwingModel
from gridstab.errors import CaseError, InvalidParameterError
from gridstab.grids.case import Setting
from gridstab.grids.node_table import read_node_table
from gridstab.grids.power_grid import PowerGrid

EXPECTED_LINES_PER_NODE = 1.45
"""Of the growth model with its published parameters: 1 + (1 − s)(p + q)."""


@dataclass(frozen=True)
class GridSource:
    """Gives the k-th grid of a campaign; build it with :meth:`of`.

    Attributes:
        nodes: Nodes of each grid.
        lines: Lines of each grid, or the expected number for random grids.
        seed: Seed of the campaign.
        template: The case whose topology all grids share; None for random grids.
        random_power: Whether each grid of a case draws its own powers, as MATPOWER cases do in
            their homogeneous setting, or takes those of its file.
        parameters: ``coupling``, ``damping`` and ``inertia`` of random grids where they are not the
            published ones.
    """

    nodes: int
    lines: int
    seed: int
    template: PowerGrid | None = None
    random_power: bool = True
    parameters: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(
        cls,
        *,
        nodes: int | None,
        case: str | None,
        seed: int,
        grids: int = 1,
        setting: Setting = "homogeneous",
        coupling: float | None = None,
        damping: float | None = None,
        inertia: float | None = None,
        largest_component: bool = False,
        node_table: str | None = None,
    ) -> "GridSource":
        """Random grids of ``nodes`` nodes, or the case of that name or file.

        Args:
            nodes: Nodes of random grids; None with a case.
            case: Name of a case, or a file.
            seed: Seed of the random grids or powers.
            grids: How many grids are wanted.
            setting: Setting of a MATPOWER case, see :func:`gridstab.load_case`.
            coupling: K of every line; as published, or as the file says, unless given.
            damping: D of every node, likewise.
            inertia: m of every node, likewise.
            largest_component: Keep only the largest component of a MATPOWER case.
            node_table: File of a table with values of the nodes of a case.

        Raises:
            CaseError: The case is unknown, or a file unreadable or malformed.
            InvalidParameterError: Several grids of a file that says everything about one, or an
                option that does nothing with this kind of case.
        """
        options = {"coupling": coupling, "damping": damping, "inertia": inertia}
        given: dict[str, Any] = {name: v for name, v in options.items() if v is not None}
        if case is None:
            assert nodes is not None
            _refuse_options("a random grid", setting, largest_component)
            if node_table is not None:
                raise InvalidParameterError(
                    f"node_table {node_table!r} is for the nodes of a case; give one with case"
                )
            lines = round(EXPECTED_LINES_PER_NODE * nodes)
            return cls(nodes, lines, seed, parameters=tuple(given.items()))
        path = Path(case)
        table = read_node_table(node_table, **given)
        given["node_table"] = table
        own_power = table is not None and "power" in table.columns
        matpower = path.suffix == ".m" or not (path.suffix or path.is_file())
        if matpower:
            from gridstab.grids.matpower import load_case

            own = setting == "case"
            if case == "texas":
                _refuse_options("texas", setting, largest_component)
            if own and coupling is not None:
                raise InvalidParameterError(
                    f"setting 'case' takes the couplings of {case!r} itself, got coupling "
                    f"{coupling:g}; leave it out"
                )
            if (own or own_power) and grids != 1:
                raise InvalidParameterError(
                    f"case {case!r} with its own powers is a single grid, got grids {grids}"
                )
            grid = load_case(
                case,
                setting=setting,
                seed=(seed, 1),
                largest_component=largest_component,
                **given,
            )
        else:
            from gridstab.grids.files import load_grid

            if not path.is_file():
                raise CaseError(f"case {case!r} is no file; give a file or the name of a case")
            if grids != 1:
                raise InvalidParameterError(f"file {case!r} is a single grid, got grids {grids}")
            _refuse_options(f"grid file {case!r}", setting, largest_component)
            grid = load_grid(path, seed=(seed, 1), **given)
        random_power = matpower and setting == "homogeneous" and not own_power
        return cls(grid.num_nodes, grid.num_lines, seed, grid, random_power)

    def grid(self, grid_id: int) -> PowerGrid:
        """Grid number ``grid_id``, counted from 1; random in the stream ``(seed, grid_id)``.

        Raises:
            NoOperatingPointError: No random draw has a stable operating point.
        """
        if self.template is None:
            from gridstab.grids.growth import random_grid

            parameters: dict[str, Any] = dict(self.parameters)
            grid = random_grid(self.nodes, seed=(self.seed, grid_id), **parameters)
            return grid.with_name(f"random-{self.nodes}-{self.seed}-{grid_id}")
        if not self.random_power or grid_id == 1:
            return self.template
        from gridstab.grids.random_power import with_random_power

        template = self.template
        return with_random_power(
            self.nodes, (self.seed, grid_id), lambda power: replace(template, power=power)
        )

    def model(self, grid_id: int) -> SwingModel:
        """The grid with its operating point; the latest few are remembered.

        Raises:
            OperatingPointError: The grid has no stable operating point.
            InvalidGridError: The grid is disconnected, or its powers do not sum to zero.
        """
        return _model(self, grid_id)


def _refuse_options(what: str, setting: Setting, largest_component: bool) -> None:
    """Refuse what only MATPOWER cases know."""
    if setting != "homogeneous":
        raise InvalidParameterError(
            f"setting must be 'homogeneous', got {setting!r}: {what} is no MATPOWER case, which "
            "alone has two settings"
        )
    if largest_component:
        raise InvalidParameterError(
            f"largest_component is for MATPOWER cases, but {what} is none; leave it out"
        )


@lru_cache(maxsize=8)
def _model(source: GridSource, grid_id: int) -> SwingModel:
    return SwingModel.of(source.grid(grid_id))
