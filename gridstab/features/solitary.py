r"""Features of solitary states: can a node stay out of step while the rest keeps together?

A node i that was driven out of step rotates at a frequency ω relative to the rest, which it shakes
through its lines. In the swing equation write θ_j = θ*_j + u_j for the rest and expand to second
order in the couplings K_ij. The lines of i pull on j with K_ij sin(ωt − θ*_j), the rest answers

    u = Im(χ f e^{iωt}),   χ = (L − ω² M + iω D)⁻¹,   f_j = K_ij e^{−iθ*_j},

with L the Laplacian of K cos(θ*_a − θ*_b) without i and without its lines, whose stiffness is zero
on average. The node itself wavers by v = −Im(χ_i F e^{iωt}) with χ_i = 1/(−ω² m_i + iω D_i) and
F = Σ_j f_j. The mean torque of its lines is then −p_i(ω), with

    p_i(ω) = −½ Im( Σ_jk f̄_j χ_jk f_k + χ_i |F|² ),

an odd function of ω, positive for ω > 0: the power that the node feeds into the swinging of the
grid. Balance of the means leaves node and rest at frequencies in the ratio of their dampings, so
that D_i of the node counts D_i D_rest / (D_i + D_rest), and a solitary state needs

    surplus_i(ω) = |P_i| − ω D_i D_rest / (D_i + D_rest) − p_i(ω) = 0   with falling surplus.

The node turns in the direction of its power; ω stands for |ω|. Near the swing frequencies of the
rest p_i is large and there is no such state, far above them it dies away as ω⁻³. A trajectory that
starts between the largest root and the one below it, from where on the surplus is positive, climbs
to the solitary state instead of returning.

The whole grid gives all p_i at once. Let the columns of B be e_j − e_i for the lines of i, W their
stiffness, and T = Bᵀ G B with G the resolvent of the whole grid. Taking the lines away is an update
of rank deg(i), so that p_i = −½ Im f̄ᵀ (T⁻¹ − W)⁻¹ f, for which G is needed at the node and its
neighbours alone (``selected_inverse``).

Second order is good where swings are small, at nodes of few lines; there the frequencies agree with
simulations to about 0.01 rad/s. At nodes of more lines it is a guide. Cut nodes, whose rest falls
apart, are treated alike.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Complex, Float

from gridstab.features.feature import node_feature
from gridstab.features.operating_state import operating_state
from gridstab.features.selected_inverse import SelectedInverse, neighbour_pairs
from gridstab.grids.power_grid import PowerGrid

LOWEST_FREQUENCY = 1.0
HIGHEST_FREQUENCY = 30.0
"""Solitary states are looked for at relative frequencies between these [rad/s]."""

FREQUENCY_STEP = 0.1
"""Distance of the frequencies at which the balance is computed [rad/s]; resonances of the
published damping are as wide."""

BANDS = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0)
"""Centres of the bands, 2 rad/s wide, over which :func:`drain` is averaged [rad/s]."""

_LEAST_DRAIN = 1e-6


@dataclass(frozen=True, eq=False)
class SolitaryBalance:
    """Power balance of every node if it alone rotates; get it from :func:`solitary_balance`.

    Attributes:
        frequency: Ascending frequencies ω of the node relative to the rest [rad/s].
        drain: p_i(ω), the power lost to the swinging of the rest.
        friction: D_i D_rest / (D_i + D_rest), damping of the relative motion.
        power: |P_i|.
    """

    frequency: Float[np.ndarray, " frequencies"]
    drain: Float[np.ndarray, "nodes frequencies"]
    friction: Float[np.ndarray, " nodes"]
    power: Float[np.ndarray, " nodes"]

    @property
    def surplus(self) -> Float[np.ndarray, "nodes frequencies"]:
        """Power that accelerates the node at each frequency; negative where it slows down."""
        return self.power[:, None] - self.friction[:, None] * self.frequency - self.drain

    def window(self) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " nodes"]]:
        """The outermost window of positive surplus: its lower end and its upper end, the root.

        Returns:
            Both relative frequencies [rad/s], linear between the computed ones; zero where the
            surplus is nowhere positive.
        """
        surplus = self.surplus
        positive = surplus > 0
        last = positive.shape[1] - 1 - positive[:, ::-1].argmax(axis=1)
        inside = np.arange(positive.shape[1])[None] <= last[:, None]
        gap = inside & ~positive
        # The first frequency of the window follows the last gap below it.
        first = np.where(gap.any(axis=1), gap.shape[1] - gap[:, ::-1].argmax(axis=1), 0)
        exists = positive.any(axis=1)
        low = self._crossing(surplus, first - 1, first)
        high = self._crossing(surplus, last, last + 1)
        return np.where(exists, low, 0.0), np.where(exists, high, 0.0)

    def _crossing(
        self, surplus: Float[np.ndarray, "nodes frequencies"], left: np.ndarray, right: np.ndarray
    ) -> Float[np.ndarray, " nodes"]:
        """Where the surplus vanishes between two neighbouring frequencies, or the end of them."""
        nodes, end = np.arange(len(surplus)), surplus.shape[1] - 1
        left, right = np.clip(left, 0, end), np.clip(right, 0, end)
        a, b = surplus[nodes, left], surplus[nodes, right]
        share = np.divide(a, a - b, out=np.zeros_like(a), where=a != b)
        return self.frequency[left] + share * (self.frequency[right] - self.frequency[left])


@lru_cache(maxsize=4)
def solitary_balance(grid: PowerGrid) -> SolitaryBalance:
    """The balance of every node; that of the latest few grids is remembered.

    Raises:
        OperatingPointError: The grid has no stable operating point.
        InvalidGridError: The grid is disconnected, or its powers do not sum to zero.
    """
    total = grid.damping.sum()
    friction = grid.damping * (1 - grid.damping / total if total > 0 else 1.0)
    power = np.abs(grid.power)
    with np.errstate(divide="ignore", invalid="ignore"):
        highest = float(np.nan_to_num(power / friction, nan=0.0, posinf=np.inf).max())
    top = min(max(highest, BANDS[-1] + 1), HIGHEST_FREQUENCY)
    steps = int(np.ceil((top - LOWEST_FREQUENCY) / FREQUENCY_STEP))
    frequency = LOWEST_FREQUENCY + FREQUENCY_STEP * np.arange(steps + 1)
    return SolitaryBalance(frequency, drain(grid, frequency), friction, power)


def drain(
    grid: PowerGrid, frequency: Float[np.ndarray, " frequencies"]
) -> Float[np.ndarray, "nodes frequencies"]:
    """p_i(ω) of every node at positive frequencies relative to the rest [rad/s].

    Raises:
        OperatingPointError: The grid has no stable operating point.
        InvalidGridError: The grid is disconnected, or its powers do not sum to zero.
    """
    state = operating_state(grid)
    result = np.zeros((grid.num_nodes, len(frequency)))
    if not grid.num_lines:
        return result
    neighbours: list[list[int]] = [[] for _ in range(grid.num_nodes)]
    lines_of: list[list[int]] = [[] for _ in range(grid.num_nodes)]
    for line, (a, b) in enumerate(grid.lines.tolist()):
        for node, other in ((a, b), (b, a)):
            neighbours[node].append(other)
            lines_of[node].append(line)
    among = neighbour_pairs(neighbours)
    pairs = np.unique(np.concatenate([grid.lines, among]), axis=0)
    on_line = np.zeros(len(pairs), bool)
    keys = pairs @ [grid.num_nodes, 1]
    on_line[np.searchsorted(keys, grid.lines @ [grid.num_nodes, 1])] = True

    whole = np.zeros(grid.num_nodes)
    np.add.at(whole, grid.lines, state.stiffness[:, None])
    diagonal = (
        whole[:, None]
        - grid.inertia[:, None] * frequency**2
        + 1j * grid.damping[:, None] * frequency
    )
    off_diagonal = np.zeros((len(pairs), len(frequency)))
    off_diagonal[on_line] = -state.stiffness[:, None]
    inverse = SelectedInverse(grid.num_nodes, pairs)
    resolvent = inverse(diagonal, off_diagonal)

    for degree in sorted(set(grid.degree.tolist())):
        nodes = np.flatnonzero(grid.degree == degree)
        lines = np.array([lines_of[node] for node in nodes])
        around = np.array([neighbours[node] for node in nodes])
        star = np.concatenate([nodes[:, None], around], axis=1)
        rows = inverse.row_of(star[:, :, None], star[:, None, :])
        force = grid.coupling[lines] * np.exp(-1j * state.theta[around])
        result[nodes] = _drain_of_stars(resolvent[rows], state.stiffness[lines], force)
    return result


def _drain_of_stars(
    resolvent: Complex[np.ndarray, "nodes degree+1 degree+1 frequencies"],
    stiffness: Float[np.ndarray, "nodes degree"],
    force: Complex[np.ndarray, "nodes degree"],
) -> Float[np.ndarray, "nodes frequencies"]:
    """−½ Im f̄ᵀ (T⁻¹ − W)⁻¹ f, from G at each node (first) and its neighbours."""
    g = np.moveaxis(resolvent, -1, 1)
    t = g[..., 1:, 1:] - g[..., 1:, :1] - g[..., :1, 1:] + g[..., :1, :1]
    without_lines = np.eye(force.shape[1]) - t * stiffness[:, None, None, :]
    answer = np.linalg.solve(without_lines, (t @ force[:, None, :, None]))[..., 0]
    return -0.5 * (force.conj()[:, None] * answer).sum(axis=-1).imag


@node_feature(
    "solitary_state",
    columns=("solitary_frequency", "solitary_window", "solitary_margin"),
)
def solitary_state(grid: PowerGrid) -> Float[np.ndarray, "nodes 3"]:
    """The predicted solitary state of every node.

    ``solitary_frequency`` [rad/s] relative to the rest, 0 where there is none; ``solitary_window``
    [rad/s], how far below it trajectories still climb; ``solitary_margin``, the largest surplus at
    any frequency, negative where no solitary state exists.
    """
    balance = solitary_balance(grid)
    low, high = balance.window()
    return np.stack([high, high - low, balance.surplus.max(axis=1)], axis=1)


@node_feature("solitary_drain", columns=tuple(f"solitary_drain_{band:g}" for band in BANDS))
def solitary_drain(grid: PowerGrid) -> Float[np.ndarray, "nodes bands"]:
    """log₁₀ of the mean of p_i(ω) over bands of 2 rad/s around :data:`BANDS`, at least −6."""
    balance = solitary_balance(grid)
    within = [np.abs(balance.frequency - band) <= 1 for band in BANDS]
    mean = np.stack([balance.drain[:, chosen].mean(axis=1) for chosen in within], axis=1)
    return np.log10(np.maximum(mean, _LEAST_DRAIN))
