"""The power flow of a grid: phases at which the lines carry every node's power away.

P_i = Σ_j K_ij sin(θ_i − θ_j) for every node i, the stationary swing equation. Lines lose nothing
and voltages are fixed, so only the phases are unknown, up to a common shift.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csc_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import SuperLU, splu

from gridstab.arguments import instance
from gridstab.errors import DisconnectedGridError, NoOperatingPointError, UnbalancedPowerError
from gridstab.grids.bottleneck import find_bottleneck
from gridstab.grids.power_grid import PowerGrid

TOLERANCE = 1e-10
"""Largest residual of a solution, relative to max(1, max|P|)."""

LEAST_STIFFNESS = 1e-5
"""A solution is stable if its stiffness exceeds this share of the unloaded grid's.

Where a solution merges with an unstable one, the stiffness is zero; rounding makes it about 1e-8.
"""

# Newton's method is quadratic at a regular solution (under ten steps) but only halves its error
# where two solutions merge.
_NEWTON_STEPS = 15
_FULL_LOAD = 0.999
_LAST_STEP = 1e-8
_SHORTEST_BACKTRACK = 1e-2
_SHORTEST_LOAD_STEP = 1e-2


def power_flow(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """Phases of the power flow, relative to node 0, by Newton's method from the linear solution.

    If that does not arrive at the solution with every |θ_a − θ_b| < π/2, of which there is at most
    one, all powers are raised together from zero and the solution is followed. Phases are not
    wrapped: single nodes would tear the differences of their lines.

    Args:
        grid: A connected grid whose powers sum to zero.

    Returns:
        θ [rad] with θ_0 = 0; the residual of every node is at most 1e-10 · max(1, max|P|), or the
        rounding of its terms if that is larger. The solution may be unstable, see
        :func:`is_stable`.

    Raises:
        UnbalancedPowerError: The powers do not sum to zero.
        DisconnectedGridError: The grid has more than one component.
        NoOperatingPointError: No solution was found; the message names the bottleneck.
    """
    instance("grid", grid, PowerGrid, "make one with gridstab.grids")
    _require_balanced(grid)
    require_connected(grid)
    if grid.num_nodes == 1:
        return np.zeros(1)
    flow = _Flow.of(grid)
    with np.errstate(over="ignore", invalid="ignore"):
        linear = _solve(flow.jacobian(grid.coupling), flow.power)
        if linear is None:
            raise NoOperatingPointError(
                f"the equations of {grid.name!r} are singular to machine precision; "
                "bring its couplings closer together"
            )
        if np.abs(flow.difference(linear)).max() > _FULL_LOAD:
            _require_capacity(grid)
        theta = _newton(flow, flow.power, linear)
        if theta is None or np.abs(flow.difference(theta)).max() >= np.pi / 2:
            followed = _follow_load(flow)
            theta = theta if followed is None else followed
    if theta is None:
        raise NoOperatingPointError(_difficulty(grid, flow, linear))
    return np.r_[0.0, theta]


def is_stable(grid: PowerGrid, theta: Float[np.ndarray, " nodes"]) -> bool:
    """Whether small disturbances of a solution do not grow.

    The Laplacian with weights K cos(θ_a − θ_b) must be positive definite up to the common shift.
    That holds if every |θ_a − θ_b| < π/2; otherwise it is decided by the pivots of a symmetric
    factorisation. A solution on the verge (:data:`LEAST_STIFFNESS`) counts as unstable. With
    positive damping a stable solution attracts; without, disturbances neither grow nor decay.
    """
    if grid.num_nodes == 1:
        return True
    flow = _Flow.of(grid)
    cosine = np.cos(flow.difference(theta[1:] - theta[0]))
    if cosine.min() > LEAST_STIFFNESS:
        return True
    loaded = _pivots(flow.jacobian(grid.coupling * cosine))
    unloaded = _pivots(flow.jacobian(grid.coupling))
    if loaded is None or unloaded is None:
        return False
    return bool((loaded > LEAST_STIFFNESS * unloaded).all())


def has_operating_point(grid: PowerGrid) -> bool:
    """Whether a stable solution of the power flow is found.

    Raises:
        UnbalancedPowerError: The powers do not sum to zero.
        DisconnectedGridError: The grid has more than one component.
    """
    try:
        return is_stable(grid, power_flow(grid))
    except NoOperatingPointError:
        return False


@dataclass(frozen=True, eq=False)
class _Flow:
    """The equations without those of node 0, whose phase is fixed at zero."""

    incidence: csc_array
    transposed: csc_array
    coupling: Float[np.ndarray, " lines"]
    power: Float[np.ndarray, " unknowns"]
    tolerance: float

    @classmethod
    def of(cls, grid: PowerGrid) -> "_Flow":
        lines = np.arange(grid.num_lines)
        tail, head = grid.lines.T
        ones = np.ones(grid.num_lines)
        incidence = csc_array(
            (np.r_[ones, -ones], (np.r_[lines, lines], np.r_[tail, head])),
            shape=(grid.num_lines, grid.num_nodes),
        )[:, 1:]
        capacity = np.bincount(grid.lines.ravel(), weights=np.repeat(grid.coupling, 2))
        return cls(
            incidence=incidence,
            transposed=incidence.T.tocsc(),
            coupling=grid.coupling,
            power=(grid.power - grid.power.mean())[1:],
            # Sums of K sin cannot be more exact than their rounding.
            tolerance=max(
                TOLERANCE * max(1.0, np.abs(grid.power).max()),
                16 * np.finfo(float).eps * capacity.max(),
            ),
        )

    def difference(self, theta: Float[np.ndarray, " unknowns"]) -> Float[np.ndarray, " lines"]:
        return self.incidence @ theta

    def residual(
        self, power: Float[np.ndarray, " unknowns"], theta: Float[np.ndarray, " unknowns"]
    ) -> Float[np.ndarray, " unknowns"]:
        return power - self.transposed @ (self.coupling * np.sin(self.difference(theta)))

    def jacobian(self, weights: Float[np.ndarray, " lines"]) -> csc_array:
        return (self.transposed @ diags_array(weights) @ self.incidence).tocsc()


def _factorise(matrix: csc_array) -> SuperLU | None:
    """Symmetric factors, pivots on the diagonal where it is not zero; None if singular."""
    try:
        return splu(
            matrix,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError:
        return None


def _solve(
    matrix: csc_array, right: Float[np.ndarray, " unknowns"]
) -> Float[np.ndarray, " unknowns"] | None:
    factors = _factorise(matrix)
    solution = None if factors is None else factors.solve(right)
    return solution if solution is not None and np.isfinite(solution).all() else None


def _pivots(matrix: csc_array) -> Float[np.ndarray, " unknowns"] | None:
    """D of L D Lᵀ, whose signs are those of the eigenvalues; None if it needs row exchanges."""
    factors = _factorise(matrix)
    if factors is None or (factors.perm_r != factors.perm_c).any():
        return None
    return factors.U.diagonal()


def _newton(
    flow: _Flow,
    power: Float[np.ndarray, " unknowns"],
    theta: Float[np.ndarray, " unknowns"],
) -> Float[np.ndarray, " unknowns"] | None:
    """A solution near ``theta`` by Newton's method with backtracking, or None."""
    residual = flow.residual(power, theta)
    for _ in range(_NEWTON_STEPS):
        step = _solve(flow.jacobian(flow.coupling * np.cos(flow.difference(theta))), residual)
        if step is None:
            return None
        # A residual at the level of rounding cannot shrink further.
        target = max(np.abs(residual).max(), flow.tolerance)
        length = 1.0
        residual = flow.residual(power, theta + step)
        while not np.abs(residual).max() < target:
            length /= 2
            if length < _SHORTEST_BACKTRACK:
                return None
            residual = flow.residual(power, theta + length * step)
        theta = theta + length * step
        if np.abs(residual).max() <= flow.tolerance and np.abs(step).max() <= _LAST_STEP * max(
            1.0, np.abs(theta).max()
        ):
            return theta
    return None


def _follow_load(flow: _Flow) -> Float[np.ndarray, " unknowns"] | None:
    """The solution that grows out of zero power, or None if it ends before full power."""
    theta = np.zeros_like(flow.power)
    load, step = 0.0, 0.5
    while load < 1.0:
        reached = _newton(flow, min(load + step, 1.0) * flow.power, theta)
        if reached is not None and np.abs(flow.difference(reached - theta)).max() < np.pi / 2:
            theta, load = reached, min(load + step, 1.0)
        elif step > _SHORTEST_LOAD_STEP:
            step /= 2
        else:
            return None
    return theta


def _require_balanced(grid: PowerGrid) -> None:
    surplus = float(grid.power.sum())
    if abs(surplus) > TOLERANCE * max(1.0, float(np.abs(grid.power).sum())):
        raise UnbalancedPowerError(
            f"the powers of {grid.name!r} must sum to zero, got {surplus:g}; "
            f"subtract {surplus / grid.num_nodes:g} from every node or change single ones"
        )


def require_connected(grid: PowerGrid) -> None:
    """Check that every node is reached from every other.

    Raises:
        DisconnectedGridError: The grid has more than one component.
    """
    components, component = connected_components(grid.adjacency(), directed=False)
    if components > 1:
        smallest = np.flatnonzero(component == np.bincount(component).argmin())
        raise DisconnectedGridError(
            f"{grid.name!r} falls into {components} components, the smallest of "
            f"{_nodes(grid, smallest)}; join them, or keep only the largest "
            "(largest_component, of MATPOWER, pandapower and PyPSA cases)"
        )


def _require_capacity(grid: PowerGrid) -> None:
    bottleneck = find_bottleneck(grid)
    if bottleneck is not None:
        others = len(bottleneck.lines) - 1
        over = f"line {grid.line_name(bottleneck.lines[0])}, which carries" + (
            f" with {others} more" if others else ""
        )
        raise NoOperatingPointError(
            f"{grid.name!r} has no operating point: {_nodes(grid, bottleneck.nodes)} must exchange "
            f"{bottleneck.surplus:.10g} with the rest over {over} at most "
            f"{bottleneck.capacity:.10g}; lower the power or raise the coupling"
        )


def _difficulty(grid: PowerGrid, flow: _Flow, linear: Float[np.ndarray, " unknowns"]) -> str:
    load = np.abs(flow.difference(linear))
    line = int(load.argmax())
    return (
        f"no operating point of {grid.name!r} was found: the linear solution leaves a residual of "
        f"{np.abs(flow.residual(flow.power, linear)).max():.2g} and loads line "
        f"{grid.line_name(line)} with {load[line]:.0%} of its coupling; "
        "lower the power or raise the coupling"
    )


def _nodes(grid: PowerGrid, nodes: Int[np.ndarray, " some"]) -> str:
    labels = [grid.labels[node] for node in nodes[:3]]
    if len(nodes) == 1:
        return f"node {labels[0]}"
    return f"{len(nodes)} nodes ({', '.join(labels)}{', ...' * (len(nodes) > 3)})"
