"""A network measure: a function of a network, registered by its name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gnncore.registry import Registry
from gridstab.errors import InvalidParameterError
from gridstab.features.grid_network import GridNetwork

Values = np.ndarray | float
"""One value a node, or one for the whole grid."""

MeasureFunction = Callable[[GridNetwork], Values]


@dataclass(frozen=True)
class Measure:
    """A value for every node, or one for the whole grid.

    Attributes:
        name: Its name in tables and options.
        function: Computes it.
        parity: −1 if it changes its sign with all powers, otherwise +1.
    """

    name: str
    function: MeasureFunction
    parity: int = 1

    @property
    def definition(self) -> str:
        """What it is, in a sentence."""
        return (self.function.__doc__ or "").partition("\n")[0]


MEASURES: Registry[Measure] = Registry("measure", InvalidParameterError)
"""All measures by name."""


def measure(function: MeasureFunction) -> MeasureFunction:
    """Register a measure that keeps its sign when all powers change theirs.

    Raises:
        InvalidParameterError: Another measure has the name of the function.
    """
    MEASURES.add(function.__name__, Measure(function.__name__, function), defined=function)
    return function


def odd_measure(function: MeasureFunction) -> MeasureFunction:
    """Register a measure that changes its sign with all powers.

    Raises:
        InvalidParameterError: Another measure has the name of the function.
    """
    measure = Measure(function.__name__, function, parity=-1)
    MEASURES.add(function.__name__, measure, defined=function)
    return function


def over_lines(network: GridNetwork, extreme: np.ufunc, values: np.ndarray) -> np.ndarray:
    """Least or largest over the lines of every node; 0 where there are none.

    Args:
        network: The network.
        extreme: ``np.minimum`` or ``np.maximum``.
        values: One value a directed line, in the order of ``edge_index``.
    """
    result = np.full(network.num_nodes, -np.inf if extreme is np.maximum else np.inf)
    extreme.at(result, network.grid.edge_index[0], values)
    return np.where(network.degree > 0, result, 0.0)


def inverse(values: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
    """One over each value; 0 where that is 0."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
