r"""Features of solitary states that shake the rest of the grid to pieces.

While node i rotates at ω (see ``solitary``), each of its lines pulls on a neighbour that deviates
by y_j relative to it with K_ij sin(ωt − θ*_j − y_j): besides the force there is a stiffness

    K_ij cos(ωt − θ*_j) = Re(f_j e^{iωt}),   f_j = K_ij e^{−iθ*_j},

that swings at ω and couples any swing at ν to one at ω − ν. While the gain of a round through both,

    g_i(ω) = max over ν of ¼ Re Σ_jk f̄_j S_jk(ν) f_k S̄_jk(ω − ν),

is below 1, every pair dies away. Above, it grows if the round comes back in phase, as a swing that
is pumped twice a period: parametric resonance. S is the response of the lines (``star_response``),
large where ω is about the sum of two frequencies of the rest which both move the neighbours. For a
mode of frequency ω/2 in a rest of damping D and mass 1, with a share w of a single neighbour, g is
(K w / (ω D))², and the pair grows at a rate of D (√g − 1) / 2. The trace stands for the largest
eigenvalue of the round, which it is where a single pair of modes responds.

Rates around 0.1 / s end a solitary state within the time in which it forms, so that g at the
predicted frequency tells states that trajectories stay in from those that only balance.
"""

import numpy as np
from jaxtyping import Float

from gridstab.features.feature import node_feature
from gridstab.features.solitary import HIGHEST_FREQUENCY, SolitaryBalance, solitary_balance
from gridstab.features.star_response import StarResponse, star_responses
from gridstab.grids.power_grid import PowerGrid

FREQUENCY_STEP = 0.05
"""Distance of the frequencies ν that are tried [rad/s], half the width of published resonances."""

LOWEST_FREQUENCY = 1.2
"""Least ν [rad/s]. Below the frequencies of the rest a swing is but a slow change of ω."""

LARGEST_GAIN = 1e4
"""Gains of :func:`solitary_gain` end here, and at the inverse."""


@node_feature()
def solitary_gain(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    """log₁₀ of g_i at the frequency of the solitary state, within ±4.

    Where none is predicted, at the frequency at which friction alone would balance the power; −4
    for nodes without power.
    """
    frequency = _rotation(solitary_balance(grid))
    gain = parametric_gain(grid, np.maximum(frequency, 2 * LOWEST_FREQUENCY))
    gain[frequency < 2 * LOWEST_FREQUENCY] = 0.0
    return np.log10(gain.clip(1 / LARGEST_GAIN, LARGEST_GAIN))


def parametric_gain(
    grid: PowerGrid, frequency: Float[np.ndarray, " nodes"]
) -> Float[np.ndarray, " nodes"]:
    """g_i while each node alone rotates at its frequency [rad/s], which is rounded to steps.

    Frequencies must be at least twice :data:`LOWEST_FREQUENCY`; isolated nodes gain nothing.
    """
    steps = np.rint(frequency / FREQUENCY_STEP).astype(np.int64)
    first = round(LOWEST_FREQUENCY / FREQUENCY_STEP)
    tried = FREQUENCY_STEP * np.arange(first, steps.max(initial=first) - first + 1)
    gain = np.zeros(grid.num_nodes)
    for star in star_responses(grid, tried):
        gain[star.nodes] = _largest_round(star, steps[star.nodes] - 2 * first)
    return gain


def _largest_round(star: StarResponse, last: np.ndarray) -> Float[np.ndarray, " nodes"]:
    """g of each node; ``last`` is the number of the frequency that pairs with the first."""
    nodes = np.arange(len(last))[:, None]
    one = np.minimum(np.arange(last.max() // 2 + 1)[None], last[:, None] // 2)  # ν up to ω/2
    other = last[:, None] - one
    weighted = star.response * star.force.conj()[:, None, :, None] * star.force[:, None, None, :]
    around = (weighted[nodes, one] * star.response[nodes, other].conj()).sum(axis=(2, 3)).real
    return np.asarray(around.max(axis=1) / 4)


def _rotation(balance: SolitaryBalance) -> Float[np.ndarray, " nodes"]:
    """Frequency of the solitary state, or of power over friction, up to the highest known."""
    _, root = balance.window()
    with np.errstate(divide="ignore", invalid="ignore"):
        free = np.nan_to_num(balance.power / balance.friction, nan=0.0, posinf=np.inf)
    return np.where(root > 0, root, np.minimum(free, HIGHEST_FREQUENCY))
