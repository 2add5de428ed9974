"""Where the grids of a campaign come from, in a form that travels to every worker."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from gridstab.dynamics.swing import SwingModel
from gridstab.errors import CaseError, InvalidParameterError
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
        random_power: Whether each grid of a case draws its own powers, as MATPOWER cases do, or
            takes those of its file.
    """

    nodes: int
    lines: int
    seed: int
    template: PowerGrid | None = None
    random_power: bool = True

    @classmethod
    def of(cls, *, nodes: int | None, case: str | None, seed: int, grids: int = 1) -> "GridSource":
        """Random grids of ``nodes`` nodes, or the case of that name or file.

        Raises:
            CaseError: The case is unknown, or its file unreadable or malformed.
            InvalidParameterError: Several grids of a file that says everything about one.
        """
        if case is None:
            assert nodes is not None
            return cls(nodes, round(EXPECTED_LINES_PER_NODE * nodes), seed)
        path = Path(case)
        matpower = path.suffix == ".m" or not (path.suffix or path.is_file())
        if matpower:
            from gridstab.grids.matpower import load_case

            grid = load_case(case, seed=(seed, 1))
        else:
            from gridstab.grids.files import load_grid

            if not path.is_file():
                raise CaseError(f"case {case!r} is no file; give a file or the name of a case")
            if grids != 1:
                raise InvalidParameterError(f"file {case!r} is a single grid, got grids {grids}")
            grid = load_grid(path, seed=(seed, 1))
        return cls(grid.num_nodes, grid.num_lines, seed, grid, random_power=matpower)

    def grid(self, grid_id: int) -> PowerGrid:
        """Grid number ``grid_id``, counted from 1; random in the stream ``(seed, grid_id)``.

        Raises:
            NoOperatingPointError: No random draw has a stable operating point.
        """
        if self.template is None:
            from gridstab.grids.growth import random_grid

            grid = random_grid(self.nodes, seed=(self.seed, grid_id))
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


@lru_cache(maxsize=8)
def _model(source: GridSource, grid_id: int) -> SwingModel:
    return SwingModel.of(source.grid(grid_id))
