r"""Features of how far solitary states reach down: from which frequencies a node is caught.

Where the surplus of a node's power balance (``solitary``) is positive, a trajectory climbs to the
next root of falling surplus above; where it is negative it falls to the next one below. So from the
lowest frequency of positive surplus on, every trajectory ends in some solitary state, and not only
in the window below the outermost root. The difference matters at leaves of hubs: a resonance of the
hub cuts the outermost window short, and a trajectory below it is caught all the same.

A narrow resonance is crossed before it answers, and a narrow gap between two holds nobody, so that
the drain that acts is smeared, here by a Gaussian of standard deviation :data:`SMEARING`. The
frequencies end where those of perturbations do, so that all columns are bounded, whatever the grid.
"""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from gridstab.dynamics.settings import DOMEGA_RANGE
from gridstab.features.feature import node_feature
from gridstab.features.solitary import FREQUENCY_STEP, solitary_balance
from gridstab.grids.power_grid import PowerGrid

SMEARING = 0.3
"""Width over which the drain is averaged [rad/s], a few times that of published resonances."""


@node_feature(
    "solitary_trap",
    columns=("trap_root", "trap_threshold", "trap_width", "trap_margin"),
)
def solitary_trap(grid: PowerGrid) -> Float[np.ndarray, "nodes 4"]:
    """Where each node is caught out of step, of the smeared balance.

    ``trap_root`` [rad/s], the highest frequency of positive surplus, 0 where there is none;
    ``trap_threshold`` [rad/s], the lowest, the largest frequency of perturbations where there is
    none; ``trap_width`` [rad/s], how much of the range of perturbations has positive surplus, to a
    step of 0.1; ``trap_margin``, the largest surplus at any frequency. Frequencies are relative to
    the rest, and end at those of perturbations.
    """
    balance = solitary_balance(grid)
    frequency = balance.frequency
    smeared = gaussian_filter1d(balance.drain, SMEARING / FREQUENCY_STEP, axis=1, mode="nearest")
    surplus = balance.power[:, None] - balance.friction[:, None] * frequency - smeared
    positive = (surplus > 0) & (frequency <= DOMEGA_RANGE)
    exists = positive.any(axis=1)
    lowest = frequency[positive.argmax(axis=1)]
    highest = frequency[positive.shape[1] - 1 - positive[:, ::-1].argmax(axis=1)]
    return np.stack(
        [
            np.where(exists, highest, 0.0),
            np.where(exists, lowest, DOMEGA_RANGE),
            positive.sum(axis=1) * FREQUENCY_STEP,
            surplus.max(axis=1),
        ],
        axis=1,
    )
