"""A feature: a function from a grid to columns of numbers, registered by name.

Five lines add one of your own:

>>> from gridstab.learning import FeatureSet, node_feature
>>> @node_feature()
... def squared_degree(grid):
...     return grid.degree**2
>>> FeatureSet(node=("power", "squared_degree")).node_columns
('power', 'squared_degree')
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from gnncore.registry import Registry
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.grids.power_grid import PowerGrid

FeatureFunction = Callable[[PowerGrid], np.ndarray]
Register = Callable[[FeatureFunction], FeatureFunction]


@dataclass(frozen=True)
class Feature:
    """Columns that describe every node, or every line, of a grid.

    The swing equation is symmetric under (P, θ, ω) → (−P, −θ, −ω): mirrored grids have the same
    stability. Each column says how it changes then, so that grids can be mirrored after their
    features were computed.

    Attributes:
        name: What :class:`FeatureSet` calls it.
        function: Gives one row a node, or one a line (a, b) of ``grid.lines`` seen from a to b.
        columns: Names of the columns.
        parity: For each column +1 if it keeps its sign under the mirror, −1 if it changes it.
        direction: For each column of a line feature +1 if it is the same from b to a, −1 if it is
            the negative; empty for features of nodes.
    """

    name: str
    function: FeatureFunction
    columns: tuple[str, ...]
    parity: tuple[int, ...]
    direction: tuple[int, ...] = ()

    @property
    def level(self) -> Literal["node", "edge"]:
        """Whether it describes nodes or lines."""
        return "edge" if self.direction else "node"

    def __call__(self, grid: PowerGrid) -> Float[np.ndarray, "rows columns"]:
        """One row a node of the grid, or one a column of its ``edge_index``.

        Raises:
            DatasetError: The function gives another shape, or numbers that are not finite.
        """
        rows = grid.num_lines if self.direction else grid.num_nodes
        values = np.asarray(self.function(grid), dtype=np.float64)
        if values.shape == (rows,):
            values = values[:, None]
        if values.shape != (rows, len(self.columns)):
            raise DatasetError(
                f"feature {self.name!r} of {grid.name!r} has shape {values.shape}, "
                f"expected {(rows, len(self.columns))}"
            )
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise DatasetError(
                f"feature {self.columns[column]!r} of {grid.name!r} is {values[row, column]} "
                f"at {self.level} {row}"
            )
        if not self.direction:
            return values
        both = np.stack([values, values * np.array(self.direction)], axis=1)
        return both.reshape(2 * rows, len(self.columns))


NODE_FEATURES: Registry[Feature] = Registry("node feature", InvalidParameterError)
"""Every known feature of nodes."""

EDGE_FEATURES: Registry[Feature] = Registry("edge feature", InvalidParameterError)
"""Every known feature of lines."""


def node_feature(
    name: str | None = None,
    *,
    columns: tuple[str, ...] | None = None,
    parity: int | tuple[int, ...] = 1,
) -> Register:
    """Register a function that gives one row a node.

    Args:
        name: Name of the feature; that of the function unless given.
        columns: Names of its columns; one column of the feature's name unless given.
        parity: +1 for columns that keep their sign under (P, θ, ω) → (−P, −θ, −ω), −1 for those
            that change it; one number for all columns, or one a column.

    Raises:
        InvalidParameterError: Signs other than +1 and −1, or not one a column; another feature has
            this name.
    """

    def register(function: FeatureFunction) -> FeatureFunction:
        title = name or function.__name__
        titles = columns or (title,)
        feature = Feature(title, function, titles, _signs("parity", parity, titles))
        NODE_FEATURES.add(title, feature, defined=function)
        return function

    return register


def edge_feature(
    name: str | None = None,
    *,
    columns: tuple[str, ...] | None = None,
    parity: int | tuple[int, ...] = 1,
    direction: int | tuple[int, ...] = 1,
) -> Register:
    """Register a function that gives one row a line (a, b) of ``grid.lines``, seen from a to b.

    Args:
        name: Name of the feature; that of the function unless given.
        columns: Names of its columns; one column of the feature's name unless given.
        parity: As for :func:`node_feature`.
        direction: +1 for columns that are the same from b to a, −1 for those that change their
            sign; one number for all columns, or one a column.

    Raises:
        InvalidParameterError: Signs other than +1 and −1, or not one a column; another feature has
            this name.
    """

    def register(function: FeatureFunction) -> FeatureFunction:
        title = name or function.__name__
        titles = columns or (title,)
        feature = Feature(
            title,
            function,
            titles,
            _signs("parity", parity, titles),
            _signs("direction", direction, titles),
        )
        EDGE_FEATURES.add(title, feature, defined=function)
        return function

    return register


def _signs(what: str, signs: int | tuple[int, ...], columns: tuple[str, ...]) -> tuple[int, ...]:
    given = (signs,) * len(columns) if isinstance(signs, int) else signs
    if len(given) != len(columns) or not set(given) <= {-1, 1}:
        raise InvalidParameterError(
            f"{what} must be +1 or -1 for each of the columns {', '.join(columns)}, got {signs!r}"
        )
    return given
