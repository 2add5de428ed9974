"""Balanced random powers: half of the nodes consume, drawn without replacement."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from gridstab.errors import InvalidParameterError, NoOperatingPointError
from gridstab.grids.power_flow import has_operating_point
from gridstab.grids.power_grid import PowerGrid

ATTEMPTS = 100


def balanced_power(
    nodes: int, rng: np.random.Generator, power: float = 1.0
) -> Float[np.ndarray, " nodes"]:
    """−``power`` at half of the nodes and +``power`` at the others; one node at zero if odd."""
    values = np.full(nodes, power)
    order = rng.permutation(nodes)
    values[order[: nodes // 2]] = -power
    if nodes % 2:
        values[order[-1]] = 0.0
    return values


def with_random_power(
    nodes: int,
    seed: int | Sequence[int],
    build: Callable[[Float[np.ndarray, " nodes"]], PowerGrid],
) -> PowerGrid:
    """The grid that ``build`` makes of the first balanced power with a stable operating point.

    Raises:
        NoOperatingPointError: None of 100 draws has one.
        DisconnectedGridError: The grid falls into several components.
    """
    rng = make_generator(seed)
    for _ in range(ATTEMPTS):
        grid = build(balanced_power(nodes, rng))
        if has_operating_point(grid):
            return grid
    raise NoOperatingPointError(
        f"none of {ATTEMPTS} random powers gives {grid.name!r} a stable operating point; "
        "raise the coupling"
    )


def make_generator(seed: int | Sequence[int]) -> np.random.Generator:
    """NumPy's default generator for ``seed``.

    Raises:
        InvalidParameterError: A negative seed, or no integers.
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(
            f"seed must be an integer from 0 or a list of such, got {seed!r}"
        ) from error
