"""The operating point: the stable stationary state around which perturbations are simulated."""

import numpy as np
from jaxtyping import Float

from gridstab.errors import UnstableOperatingPointError
from gridstab.grids.power_flow import is_stable, power_flow
from gridstab.grids.power_grid import PowerGrid


def operating_point(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """Phases θ* of the synchronous state, in which all frequencies are rated.

    The published data take any solution of the power flow, started from the negative of the
    linear solution; here the start has the right sign and linear stability is verified.

    >>> from gridstab import PowerGrid
    >>> operating_point(PowerGrid.from_arrays([(0, 1)], [4.5, -4.5], coupling=9.0)).round(4)
    array([ 0.    , -0.5236])

    Args:
        grid: A connected grid whose powers sum to zero. Damping may be zero; nothing that was
            disturbed then returns, but the state itself is the same.

    Returns:
        θ* [rad] with θ*_0 = 0, not wrapped: line differences θ*_a − θ*_b are those of the
        physical state, below π/2 in absolute value wherever such a solution exists. The residual
        of every node is at most 1e-10 · max(1, max|P|).

    Raises:
        InvalidParameterError: ``grid`` is no :class:`~gridstab.PowerGrid`.
        UnbalancedPowerError: The powers do not sum to zero.
        DisconnectedGridError: The grid has more than one component.
        NoOperatingPointError: No solution was found; the message names the bottleneck.
        UnstableOperatingPointError: The solution found is unstable.
    """
    theta = power_flow(grid)
    if not is_stable(grid, theta):
        difference = np.diff(theta[grid.lines], axis=1).ravel()
        wrapped = np.abs(np.angle(np.exp(1j * difference)))
        line = grid.line_name(int(wrapped.argmax()))
        raise UnstableOperatingPointError(
            f"the operating point of {grid.name!r} is unstable: the phases of line {line} differ "
            f"by {wrapped.max():.4f} rad, a quarter turn or more; "
            "lower the power or raise the coupling"
        )
    return theta
